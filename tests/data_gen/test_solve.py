"""The program: ranks, kills and damage do not change a byte; bad input gives one line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from programs import MPIRUN, ROOT

from data_gen import solve
from data_gen.configuration import DatasetConfig
from data_gen.decomposition import dealt, shard_tasks
from data_gen.output_folder import OutputFolder
from lightning_sciml.errors import InputError
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset

CONFIGS = sorted((ROOT / "launch/configs/data").glob("*.yaml"))
SMALL = {
    "num_points": 32,
    "num_train_samples": 70,
    "num_val_samples": 20,
    "num_test_samples": 0,
    "shard_size": 16,
}


def command(output, name="poisson_1_5", num_ranks=1, **options):
    launcher = [MPIRUN, "-n", str(num_ranks)] if num_ranks > 1 else []
    flags = [f"--{key}={value}" for key, value in (SMALL | options).items()]
    config = ROOT / f"launch/configs/data/{name}.yaml"
    program = [sys.executable, ROOT / "data_gen/solve.py", f"--config={config}"]
    return [str(part) for part in [*launcher, *program, f"--output={output}", *flags]]


def run(*arguments, environment=None, **options):
    return subprocess.run(
        command(*arguments, **options),
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
    )


def shard_bytes(output):
    return {p.relative_to(output).as_posix(): p.read_bytes() for p in output.rglob("*.h5")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The data sets of one rank, one run, by system."""
    root = tmp_path_factory.mktemp("undisturbed")
    for name in ("poisson_1_5", "helmholtz_1_10", "advection_diffusion_0p2_1"):
        assert run(root / name, name).returncode == 0
    return root


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("name", "num_ranks"),
    [
        ("poisson_1_5", 2),
        ("poisson_1_5", 5),
        ("helmholtz_1_10", 3),
        ("advection_diffusion_0p2_1", 3),
    ],
)
def test_any_number_of_ranks_writes_the_same_files(undisturbed, tmp_path, name, num_ranks):
    finished = run(tmp_path / name, name, num_ranks)
    assert finished.returncode == 0, finished.stderr
    assert shard_bytes(tmp_path / name) == shard_bytes(undisturbed / name)
    assert "90/90" in finished.stderr
    one, many = Manifest.load(undisturbed / name), Manifest.load(tmp_path / name)
    assert one.shards == many.shards
    assert one.statistics == many.statistics


def test_samples_do_not_depend_on_the_shard_size(undisturbed, tmp_path):
    assert run(tmp_path / "set", shard_size=23).returncode == 0
    indices = np.arange(70)
    expected = ShardedDataset(undisturbed / "poisson_1_5", "train")
    found = ShardedDataset(tmp_path / "set", "train", verify="full")
    assert found.fields(indices).tobytes() == expected.fields(indices).tobytes()
    assert found.norms(indices).tobytes() == expected.norms(indices).tobytes()


def test_longer_split_begins_with_the_shorter_one(undisturbed, tmp_path):
    assert run(tmp_path / "set", num_train_samples=100).returncode == 0
    indices = np.arange(70)
    short = ShardedDataset(undisturbed / "poisson_1_5", "train").fields(indices)
    assert ShardedDataset(tmp_path / "set", "train").fields(indices).tobytes() == short.tobytes()


@pytest.mark.mpi
def test_killed_generation_goes_on_and_ends_with_the_same_files(tmp_path):
    _check_kills(tmp_path, num_kills=4, num_train_samples=600)


@pytest.mark.mpi
@pytest.mark.slow
def test_hundred_kills_end_with_the_same_files(tmp_path):
    _check_kills(tmp_path, num_kills=100, num_train_samples=3000)


def _check_kills(folder, num_kills, num_train_samples):
    """SIGKILL mpirun and all ranks at random moments; what is there must be whole at any time."""
    options = {"num_points": 64, "num_train_samples": num_train_samples, "shard_size": 20}
    started_at = time.monotonic()
    assert run(folder / "undisturbed", num_ranks=3, **options).returncode == 0
    elapsed_s = time.monotonic() - started_at
    expected, output = shard_bytes(folder / "undisturbed"), folder / "killed"
    rng, num_interrupted = np.random.default_rng(0), 0
    for _ in range(num_kills):
        process = subprocess.Popen(
            command(output, num_ranks=3, **options), stderr=subprocess.DEVNULL
        )
        time.sleep(elapsed_s * rng.uniform(0.4, 0.95))
        _kill_ranks(output)
        num_interrupted += process.wait(timeout=60) != 0
        left = shard_bytes(output)
        assert all(expected[name] == content for name, content in left.items())
        for name in rng.permutation(sorted(left))[: len(left) // 2]:
            (output / name).unlink()  # so that there is work to interrupt
    assert num_interrupted >= num_kills / 4
    finished = run(output, num_ranks=3, **options)
    assert finished.returncode == 0, finished.stderr
    assert shard_bytes(output) == expected
    assert not list(output.rglob("*.tmp"))


@pytest.mark.mpi
@pytest.mark.parametrize("num_ranks", [1, 3])
def test_terminated_generation_leaves_whole_shards_only(tmp_path, num_ranks):
    """SIGTERM, as a batch system sends it, once the first shard is there."""
    output, options = tmp_path / "set", {"num_points": 64, "num_train_samples": 20_000}
    process = subprocess.Popen(
        command(output, num_ranks=num_ranks, **options), stderr=subprocess.PIPE, text=True
    )
    while not _files(output):
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode != 0
    left = _files(output)
    assert 0 < len(left) < 1000
    _, config = solve.parse(command(output, **options)[2:])
    folder = OutputFolder(output, config.plan())
    assert all(
        folder.existing(t) for t in shard_tasks(folder.plan) if folder._path(t) in left.values()
    )


@pytest.mark.mpi
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_interrupt_ends_all_ranks_without_a_traceback(tmp_path, num_ranks):
    """Ctrl-C at a rank while the others wait for it inside MPI."""
    output, options = tmp_path / "set", {"num_points": 512, "num_train_samples": 4096}
    process = subprocess.Popen(
        command(output, num_ranks=num_ranks, shard_size=4096, **options),
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (output / ".lock").exists():
        assert process.poll() is None
        time.sleep(0.01)
    _kill_ranks(output, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Traceback" not in said
    if num_ranks == 1:
        assert said.splitlines()[-1].startswith("interrupted; run the same command again")


def _kill_ranks(output, number=signal.SIGKILL):
    """Signal every process that was started for this folder: mpirun and its ranks."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(output).encode() in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), number)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile


def test_damaged_shards_are_made_anew_and_good_ones_kept(undisturbed, tmp_path):
    output = tmp_path / "set"
    assert run(output).returncode == 0
    kept = (output / "train/00000.h5").stat().st_mtime_ns
    with h5py.File(output / "train/00001.h5", "r+") as file:
        file["fields"][3, 0, 5, 5] += 1  # the checksum in the header still is the old one
    os.truncate(output / "train/00002.h5", 5000)
    (output / "train/00003.h5").unlink()
    (output / "val/00000.h5").write_text("not HDF5")
    finished = run(output)
    assert finished.returncode == 0, finished.stderr
    assert "3 shards are there already and good" in finished.stderr
    assert shard_bytes(output) == shard_bytes(undisturbed / "poisson_1_5")
    assert (output / "train/00000.h5").stat().st_mtime_ns == kept


def test_complete_set_is_left_alone(undisturbed):
    before = shard_bytes(undisturbed / "poisson_1_5")
    finished = run(undisturbed / "poisson_1_5")
    assert finished.returncode == 0
    assert "7 shards are there already and good" in finished.stderr
    assert shard_bytes(undisturbed / "poisson_1_5") == before


@pytest.mark.mpi
def test_more_ranks_than_shards_works_and_idle_ranks_are_said(tmp_path):
    finished = run(tmp_path / "set", num_ranks=3, num_train_samples=16, num_val_samples=0)
    assert finished.returncode == 0, finished.stderr
    assert "2 of 3 ranks are idle: there are 1 shards to make" in finished.stderr


@pytest.mark.mpi
@pytest.mark.parametrize("num_ranks", [1, 3])
def test_failing_rank_stops_all_and_leaves_finished_shards(undisturbed, tmp_path, num_ranks):
    """A folder comes where a file must go: the rank that has to write it fails, late."""
    output = tmp_path / "set"
    obstructed = """
import sys
from data_gen import output_folder, solve

class Folder(output_folder.OutputFolder):
    def begin(self):
        missing_bytes = super().begin()
        (self.directory / "train/00004.h5").mkdir()
        return missing_bytes

solve.OutputFolder = Folder
sys.exit(solve.main(sys.argv[1:]))
"""
    launcher = [MPIRUN, "-n", str(num_ranks)] if num_ranks > 1 else []
    program = [*launcher, sys.executable, "-c", obstructed, *command(output)[2:]]
    started_at = time.monotonic()
    finished = subprocess.run(program, capture_output=True, text=True, timeout=120)
    assert finished.returncode != 0
    assert time.monotonic() - started_at < 30
    assert "00004.h5" in finished.stderr
    assert "Traceback" not in finished.stderr
    whole = shard_bytes(undisturbed / "poisson_1_5")
    left = _files(output)
    assert left
    assert all(path.read_bytes() == whole[name] for name, path in left.items())


def _files(output):
    return {p.relative_to(output).as_posix(): p for p in output.rglob("*.h5") if p.is_file()}


def run_limited(output, max_file_bytes, num_ranks=1, **options):
    """Run where no file may grow larger: as on a full disk, the write fails in the kernel."""
    limited = (
        "import resource, signal, sys; from mpi4py import MPI; from data_gen import solve; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({max_file_bytes},) * 2); "
        "sys.exit(solve.main(sys.argv[1:]))"
    )
    program = [sys.executable, "-c", limited, *command(output, **options)[2:]]
    launcher = [MPIRUN, "-n", str(num_ranks)] if num_ranks > 1 else []
    return subprocess.run([*launcher, *program], capture_output=True, text=True, timeout=60)


@pytest.mark.mpi
def test_full_disk_stops_with_one_line_and_leaves_no_half_shard(undisturbed, tmp_path):
    output = tmp_path / "set"
    finished = run_limited(output, 40_000)
    assert finished.returncode == 1
    assert finished.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "File too large" in finished.stderr
    assert not _files(output)
    assert not list(output.rglob("*.tmp"))


@pytest.mark.mpi
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_manifest_that_cannot_be_written_stops_all_ranks(tmp_path, num_ranks):
    """Many shards of one sample: the manifest, which names them all, is the only large file."""
    options = {"num_train_samples": 200, "num_val_samples": 0, "shard_size": 1}
    finished = run_limited(tmp_path / "set", 30_000, num_ranks, **options)
    assert finished.returncode == 1, finished.stderr
    assert "error: [Errno 27] File too large" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert len(_files(tmp_path / "set")) == 200


@pytest.mark.mpi
@pytest.mark.parametrize("error", ["OSError(5, 'a disk fails')", "KeyError('a disk fails')"])
def test_what_rank_0_alone_runs_into_all_ranks_raise(error):
    """Before, they waited for its outcome for good."""
    script = f"""
from mpi4py.MPI import COMM_WORLD as comm
from data_gen.ranks import on_rank_0
def fail():
    raise {error}
try:
    on_rank_0(comm, fail)
except {error.split("(")[0]} as found:
    print(comm.rank, found, flush=True)
"""
    launched = [MPIRUN, "-n", "2", sys.executable, "-c", script]
    finished = subprocess.run(launched, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("a disk fails") == 2


def test_changed_configuration_is_rejected_with_the_difference(undisturbed):
    finished = run(undisturbed / "poisson_1_5", seed=1, name="poisson_5_10")
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert "holds another data set" in line
    assert "seed is 0, asked 1" in line
    assert "coefficients.init_args.eigenvalue is [1.0, 5.0], asked [5.0, 10.0]" in line


@pytest.mark.mpi
@pytest.mark.parametrize("num_ranks", [1, 3])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coefficients.eigenvalue": "[5, 1]"}, "eigenvalue must be a range [low, high]"),
        ({"coefficients.eigenvalue": "[-1, 1]"}, "eigenvalue must be positive"),
        ({"shard_size": 0}, "shard_size must be at least 1, got 0"),
        ({"num_points": 16}, "num_points=16 is too few for sources"),
        ({"num_modes": 40}, "num_modes must lie in 1 … num_points/2 = 16, got 40"),
        ({"num_train_samples": -1}, "samples of a split must be 0 or more"),
        (
            {"num_train_samples": 10**10, "shard_size": 10**5},
            "GB free; lower the number of samples",
        ),
        ({"num_trian_samples": 3}, "num_trian_samples"),
        ({"num_points": "many"}, "num_points"),
        ({"coefficients": "WaveCoefficients"}, "WaveCoefficients"),
        ({"seed": -1}, "seed must lie in 0"),
    ],
)
def test_invalid_options_are_rejected_in_one_line(tmp_path, options, message, num_ranks):
    finished = run(tmp_path / "set", num_ranks=num_ranks, **options)
    assert finished.returncode == 2, finished.stderr
    (line,) = finished.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not _files(tmp_path)


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
        solve.parse([f"--config={CONFIGS[0]}", "--output=x", f"--{option}="])


def test_a_name_that_is_a_path_is_rejected():
    with pytest.raises(InputError, match="at most 100 characters, got 'a/b'"):
        solve.parse([f"--config={CONFIGS[0]}", "--output=x", "--name=a/b"])


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


def test_help_is_fast_and_loads_neither_torch_nor_mpi(tmp_path):
    """The time itself is for the benchmark; what would cost it must not be imported."""
    finished = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / "data_gen/solve.py", "--help"],
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0
    assert "--coefficients" in finished.stdout
    imported = {line.split("|")[-1].strip() for line in finished.stderr.splitlines()}
    assert not imported & {"torch", "matplotlib", "lightning", "mpi4py.MPI"}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_config_is_a_published_set_of_the_name_of_its_file(config, tmp_path):
    _, parsed = solve.parse([f"--config={config}", f"--output={tmp_path}"])
    assert isinstance(parsed, DatasetConfig)
    assert parsed.name == config.stem
    assert parsed.num_samples == {"train": 32768, "val": 4096, "test": 4096}
    assert (parsed.num_points, parsed.plan().shard_size) == (128, 1024)
    assert set(yaml.safe_load(config.read_text())) == {"name", "coefficients"}


def test_all_published_sets_have_a_config():
    assert len(CONFIGS) == 13


def test_every_shard_is_dealt_once():
    _, config = solve.parse([f"--config={CONFIGS[0]}", "--output=x", "--num_val_samples=5"])
    tasks = shard_tasks(config.plan())
    assert sum(task.num_samples for task in tasks) == 32768 + 5 + 4096
    for num_ranks in (1, 3, 100):
        dealt_tasks = [t for rank in range(num_ranks) for t in dealt(tasks, rank, num_ranks)]
        assert sorted(dealt_tasks, key=tasks.index) == tasks


def test_manifest_tells_everything_that_defines_the_samples(undisturbed):
    manifest = Manifest.load(undisturbed / "helmholtz_1_10")
    assert manifest.equation == "helmholtz"
    assert manifest.equation_parameters == {"diffusivity": 0.01}
    assert manifest.config["coefficients"]["init_args"]["omega"] == [1, 10]
    assert manifest.config["source"]["num_gaussians"] == 12
    assert manifest.num_samples == {"train": 70, "val": 20, "test": 0}
    assert sum(record.num_rejected for record in manifest.shards) > 0
    assert manifest.histograms["omega"]["edges"][0] == 0.5
    assert {"numpy", "h5py", "git", "python"} <= manifest.versions.keys()
    with h5py.File(undisturbed / "helmholtz_1_10/train/00001.h5") as file:
        assert file.attrs["first_index"] == 16
    header = (undisturbed / "helmholtz_1_10/train/00001.h5").read_bytes().splitlines()[1]
    assert json.loads(header)["plan"]["seed"] == 0
