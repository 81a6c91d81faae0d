"""A command that cannot be carried out ends on all ranks in one line, before any work."""

import pytest
from generated_sets import command, run, shard_files
from programs import ROOT
from tiny_generation import generated

from data_gen import solve
from data_gen.output_folder import OutputFolder
from lightning_sciml.errors import InputError

CONFIG = ROOT / "launch/configs/data/poisson_1_5.yaml"


def test_changed_configuration_is_rejected_with_the_difference(undisturbed):
    finished = run(undisturbed / "poisson_1_5", seed=1, name="poisson_5_10")
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert "holds another data set" in line
    assert "seed is 0, asked 1" in line
    assert "coefficients.init_args.eigenvalue is [1.0, 5.0], asked [5.0, 10.0]" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coefficients.eigenvalue": "[5, 1]"}, "eigenvalue must be a range [low, high]"),
        ({"coefficients.eigenvalue": "[-1, 1]"}, "eigenvalue must be positive"),
        ({"shard_size": 0}, "shard_size must be at least 1, got 0"),
        ({"num_points": 16}, "num_points=16 is too few for sources"),
        ({"num_modes": 40}, "num_modes must lie in 1 … num_points/2 = 16, got 40"),
        ({"num_train_samples": -1}, "samples of a split must be 0 or more"),
        ({"num_trian_samples": 3}, "num_trian_samples"),
        ({"num_points": "many"}, "num_points"),
        ({"coefficients": "WaveCoefficients"}, "WaveCoefficients"),
        ({"seed": -1}, "seed must lie in 0"),
    ],
)
def test_invalid_options_are_rejected_in_one_line(tmp_path, options, message):
    status, (line,) = generated(tmp_path / "set", "poisson_1_5", **options)
    assert status == 2
    assert line.startswith("error: ")
    assert message in line
    assert not shard_files(tmp_path)


@pytest.mark.mpi
@pytest.mark.parametrize("num_ranks", [1, 3])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coefficients.eigenvalue": "[5, 1]"}, "eigenvalue must be a range [low, high]"),
        ({"shard_size": 0}, "shard_size must be at least 1, got 0"),
        (
            {"num_train_samples": 10**10, "shard_size": 10**5},
            "GB free; lower the number of samples",
        ),
        ({"num_trian_samples": 3}, "num_trian_samples"),
    ],
)
def test_one_rank_of_the_program_says_so(tmp_path, options, message, num_ranks):
    finished = run(tmp_path / "set", num_ranks=num_ranks, **options)
    assert finished.returncode == 2, finished.stderr
    (line,) = finished.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not shard_files(tmp_path)


@pytest.mark.mpi
@pytest.mark.parametrize("num_ranks", [1, 2])
@pytest.mark.parametrize(
    ("name", "reason"), [("file/set", "Not a directory"), (300 * "n", "File name too long")]
)
def test_output_that_cannot_be_written_is_rejected(tmp_path, name, reason, num_ranks):
    (tmp_path / "file").touch()
    finished = run(tmp_path / name, num_ranks=num_ranks)
    assert finished.returncode == 2
    (line,) = finished.stderr.strip().splitlines()
    assert f"cannot be written: {reason}; choose another folder" in line


@pytest.mark.parametrize(
    ("option", "message"), [("output", "output is empty"), ("name", "at least one letter or digit")]
)
def test_empty_names_are_rejected(option, message):
    """What an unset variable of a script leaves: the data would land in the working directory."""
    with pytest.raises(InputError, match=message):
        solve.parse([f"--config={CONFIG}", "--output=x", f"--{option}="])


def test_a_name_that_is_a_path_is_rejected():
    with pytest.raises(InputError, match="at most 100 characters, got 'a/b'"):
        solve.parse([f"--config={CONFIG}", "--output=x", "--name=a/b"])


def test_processes_that_mpi_does_not_connect_are_rejected(tmp_path):
    """What `srun --mpi=none` or a foreign mpirun does: several processes, each rank 0 of 1."""
    launched = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}
    finished = run(tmp_path / "set", environment=launched)
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert "the launcher started 2 processes but MPI connects none of them" in line
    assert run(tmp_path / "set", environment={**launched, "SLURM_PROCID": "1"}).stderr == ""


def test_a_machine_without_mpi_is_told_what_to_install(tmp_path):
    """Fail as mpi4py's wheel does where it finds no libmpi."""
    (tmp_path / "mpi4py.py").write_text("raise RuntimeError('cannot load MPI library\\nlibmpi.so')")
    finished = run(tmp_path / "set", environment={"PYTHONPATH": str(tmp_path)})
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert "mpi4py finds none (cannot load MPI library); load the site's MPI module" in line


def test_second_generation_in_the_same_folder_is_rejected(tmp_path):
    _, config = solve.parse(command(tmp_path / "set")[2:])
    first, second = (OutputFolder(tmp_path / "set", config.plan()) for _ in range(2))
    first.begin()
    with pytest.raises(InputError, match="another generation is writing to"):
        second.begin()
