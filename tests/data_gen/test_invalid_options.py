"""Values that make no data set end generation at once, in one line, and leave nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from damaged_copies import Generation, time_limit
from programs import ROOT
from tiny_generation import ADVECTION, HELMHOLTZ, POISSON, SMALL, arguments, generated

from data_gen.coefficients import HelmholtzCoefficients
from data_gen.configuration import DatasetConfig
from data_gen.decomposition import ShardTask
from data_gen.generation import SampleGenerator
from lightning_sciml.errors import InputError
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.verification import verify_dataset


def run(launcher, options):
    """The program in processes of its own."""
    program = [*launcher, sys.executable, ROOT / "data_gen/solve.py", *options]
    return subprocess.run(program, capture_output=True, text=True, timeout=60)


INVALID = [
    (POISSON, "num_points", 10**9, "num_points must be at most 1048576"),
    (POISSON, "num_train_samples", 10**12, "makes 125,000,000,001 files"),
    (POISSON, "num_train_samples", 10**30, "samples of a split at most"),
    (POISSON, "shard_size", 10**12, "makes files of 8,192,000 GB"),
    (POISSON, "num_modes", 10**9, "num_modes must lie in 1 … num_points/2 = 16"),
    (POISSON, "source.num_gaussians", 10**9, "are 6.25e+07 sides of the square wide"),
    (POISSON, "source.num_gaussians", "1" + 400 * "0", "must be at most 1,000,000,000, got 1"),
    (POISSON, "source.spacing", "1" + 400 * "0", "an integer that no float can hold"),
    (POISSON, "source.spacing", ".nan", "must be positive"),
    (POISSON, "source.spacing", 0.5, "are 5.5 sides of the square wide"),
    (POISSON, "source.standard_deviation", ".inf", "must be at most 0.5 sides of the square"),
    (POISSON, "source.amplitude", "[1, .inf]", "source.amplitude must be"),
    (POISSON, "source.amplitude", "[1e-300, 1e-300]", "source.amplitude must be"),
    (POISSON, "source.sparsity", "[.nan]", "source.sparsity must hold probabilities"),
    (POISSON, "coefficients.diffusivity", 1e-300, "diffusivity must lie in 1e-30 … 1e+30"),
    (POISSON, "coefficients.diffusivity", 1e-40, "diffusivity must lie in 1e-30 … 1e+30"),
    (POISSON, "coefficients.diffusivity", 1e40, "diffusivity must lie in 1e-30 … 1e+30"),
    (
        POISSON,
        "coefficients.diffusivity",
        "null",
        "coefficients.diffusivity: wanted float, got null",
    ),
    (POISSON, "coefficients.eigenvalue", "[1, .nan]", "with low ≤ high"),
    (POISSON, "coefficients.eigenvalue", "[1, 1e300]", "eigenvalue must lie in 1e-06 … 1e+06"),
    (POISSON, "coefficients.eigenvalue", "[1e-300, 1]", "eigenvalue must lie in 1e-06 … 1e+06"),
    (ADVECTION, "coefficients.eigenvalue", "[1e-7, 1]", "eigenvalue must lie in 1e-06 … 1e+06"),
    (ADVECTION, "coefficients.diffusivity", 1e-200, "diffusivity must lie in 1e-30 … 1e+30"),
    (ADVECTION, "coefficients.advection_diffusion_ratio", "[1e-300, 1]", "is lost in rounding"),
    (HELMHOLTZ, "coefficients.diffusivity", 1e-200, "diffusivity must lie in 1e-30 … 1e+30"),
    (HELMHOLTZ, "coefficients.diffusivity", 1e12, "has the residual"),
    (HELMHOLTZ, "coefficients.omega", "[1, 100000000]", "waves shorter than two points"),
    (HELMHOLTZ, "coefficients.omega", f"[-{10**30}, 1]", "omega must lie in -1e+09 … 1e+09"),
    (HELMHOLTZ, "coefficients.max_solution", 1e-300, "the smallest max|u| is 0.1"),
]


@pytest.mark.parametrize(
    ("name", "option", "value", "message"), INVALID, ids=[f"{o}={v}"[:60] for _, o, v, _ in INVALID]
)
def test_an_invalid_value_is_rejected_in_one_line_and_leaves_nothing(
    tmp_path, name, option, value, message
):
    status, lines = generated(tmp_path / "set", name, **{option: value})
    assert status in (1, 2)
    (line,) = lines
    assert line.startswith("error: ")
    assert message in line
    assert not any(tmp_path.iterdir())


def test_memory_that_a_machine_does_not_have_is_told_before_it_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("data_gen.memory.available_memory", lambda: 10**6)
    status, lines = generated(tmp_path / "set", POISSON, num_points=512, shard_size=4)
    assert status == 2
    (line,) = lines
    assert "generation needs 0.02 GB of memory for 1 rank on" in line
    assert "most is for shard_size=4; lower it or start fewer ranks" in line
    assert not any(tmp_path.iterdir())


def test_an_error_does_not_speak_to_the_terminal(tmp_path):
    file = tmp_path / "a\x1b[2J"
    file.touch()
    status, (line,) = generated(file / "set", POISSON)
    assert status == 2
    assert "\x1b" not in line
    assert r"a\x1b[2J/set cannot be written: Not a directory" in line


def test_a_disk_that_is_too_small_is_told_before_it_is_filled(tmp_path, monkeypatch):
    disk = SimpleNamespace(free=10**5)
    monkeypatch.setattr("shutil.disk_usage", lambda _: disk)
    status, (line,) = generated(tmp_path / "set", POISSON, num_train_samples=2000)
    assert status == 2
    assert "set needs 0.02 GB and its disk has 0.00 GB free; lower the number of" in line
    assert not any(tmp_path.iterdir())


def test_a_ratio_outside_of_its_table_is_rejected(tmp_path):
    """np.interp gave the nearest end of the table."""
    options = {"coefficients.ratio": "table"}
    options["coefficients.advection_diffusion_ratio"] = "[1e-6, 2e-6]"
    status, (line,) = generated(tmp_path / "set", ADVECTION, **options)
    assert status == 2
    assert "is outside the table of ratio: table" in line


@pytest.mark.mpi
def test_an_error_that_all_ranks_meet_late_is_told_by_one(tmp_path):
    small = {"num_train_samples": 1, "num_val_samples": 40, "shard_size": 1}
    options = {"coefficients.eigenvalue": "[1e-5, 1e-4]", "decomposition": "slab", **small}
    launcher = [Path(sys.executable).parent / "mpirun", "-n", "3"]
    failed = run(launcher, arguments(tmp_path / "set", ADVECTION, **options))
    assert failed.returncode != 0
    assert failed.stderr.count("error: val sample") == 1
    assert "Traceback" not in failed.stderr


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("decomposition", "option", "value"),
    [
        ("shards", "num_points", 10**6),
        ("shards", "coefficients.max_solution", 1e-300),
        pytest.param("slab", "coefficients.max_solution", 1e-300, marks=pytest.mark.slow),
        ("slab", "coefficients.diffusivity", 1e12),
    ],
)
def test_all_ranks_end_with_one_line(tmp_path, decomposition, option, value):
    options = {"decomposition": decomposition, "shard_size": 1, option: value}
    launcher = [Path(sys.executable).parent / "mpirun", "-n", "3"]
    finished = run(launcher, arguments(tmp_path / "set", HELMHOLTZ, **options))
    assert finished.returncode in (1, 2)
    (line,) = finished.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert not any(tmp_path.iterdir())


def test_a_sample_that_is_found_late_does_not_block_the_corrected_command(tmp_path):
    """Only the training split is tried before anything is written; here val is what fails."""
    small = {"num_train_samples": 1, "num_val_samples": 40, "shard_size": 40}
    options = {"coefficients.eigenvalue": "[1e-5, 1e-4]", **small}
    failed = run([], arguments(tmp_path / "set", ADVECTION, **options))
    assert failed.returncode == 2
    line = failed.stderr.splitlines()[-1]
    assert line.startswith("error: val sample 0 or one after it: advection_diffusion_ratio")
    assert "cannot be reached" in line
    for path in (tmp_path / "set").rglob("*.h5"):
        path.unlink()  # those of before the failure
    assert (tmp_path / "set/manifest.json").exists()
    assert generated(tmp_path / "set", ADVECTION, **small)[0] == 0
    assert Manifest.load(tmp_path / "set").config["coefficients"]["init_args"]["eigenvalue"] == [
        1.0,
        5.0,
    ]


def test_a_sample_that_takes_many_draws_is_warned_of(monkeypatch):
    """A limit that one of 60 draws meets, and a patience of five draws."""
    monkeypatch.setattr("data_gen.rejections.MANY_DRAWS", 5)
    rare = HelmholtzCoefficients(omega=(3, 3), max_solution=0.3)
    warnings = []
    config = DatasetConfig(name="test", coefficients=rare, num_points=32)
    SampleGenerator(config).shard(ShardTask(0, "train", 7, 1), warn=warnings.append)
    (line,) = warnings
    assert line.startswith("warning: train sample 7 was rejected: of 5 draws the smallest max|u|")
    assert line.endswith("max_solution is 0.3; raise coefficients.max_solution")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_value_of_any_option_gives_a_traceback_or_leaves_a_blocking_folder(tmp_path):
    """Some 400 values: each is used, or rejected in one line."""
    numbers = ["0", "-1", "1", "1e-300", "1e-12", "1e12", "1e300", ".nan", ".inf", "-.inf"]
    numbers += ["1000000000", str(10**400), "0.5", "null", "true", "abc", "[]"]
    ranges = ["[1,100000000]", "[5,1]", "[.nan,1]", "[0,1]", "[-3,-1]", "[1,1e300]", "[1,.inf]"]
    ranges += ["[1]", "[1,2,3]", f"[1,{10**400}]", "[1,1]", "[1e-5,1e-4]", "[1e-3,19]", "null"]
    of_all = ["num_points", "num_modes", "num_train_samples", "num_val_samples", "seed"]
    of_all += ["shard_size", "source.num_gaussians", "source.standard_deviation"]
    of_all += ["source.spacing", "source.periodic", "coefficients.diffusivity"]
    systems = (POISSON, ADVECTION, HELMHOLTZ)
    cases = [(name, option, value) for name in systems for option in of_all for value in numbers]
    cases += [(HELMHOLTZ, "coefficients.max_solution", value) for value in numbers]
    of_ranges = [
        (HELMHOLTZ, "coefficients.omega"),
        (POISSON, "coefficients.eigenvalue"),
        (ADVECTION, "coefficients.eigenvalue"),
        (ADVECTION, "coefficients.advection_diffusion_ratio"),
        (POISSON, "source.amplitude"),
        (POISSON, "source.sparsity"),
    ]
    cases += [(*case, value) for case in of_ranges for value in ranges]
    for name, option, value in cases:
        status, lines = generated(tmp_path / "set", name, **{option: value})
        assert status in (0, 1, 2), (name, option, value)
        if status:
            assert [line[:7] for line in lines[-1:]] == ["error: "], (name, option, value, lines)
            is_late = "sample" in lines[-1]  # the first ones had a solution
            assert is_late or not (tmp_path / "set").exists(), (name, option, value)
        shutil.rmtree(tmp_path / "set", ignore_errors=True)


def planted_in(folder, name):
    """Put a folder, a pipe or a device in the place of a file, one after the other."""
    path = folder / name
    path.unlink(missing_ok=True)
    for place in (path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to("/dev/full")):
        place()
        yield path
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)


def test_a_folder_in_the_place_of_a_shard_is_named_before_any_work(tmp_path):
    """A file there is made anew; a folder may hold something of the user's."""
    assert run([], arguments(tmp_path, POISSON)).returncode == 0
    for path in planted_in(tmp_path, "train/00001.h5"):
        is_folder = path.is_dir()
        done = run([], arguments(tmp_path, POISSON))
        assert done.returncode == (2 if is_folder else 0)
        message = f"error: {path} is a folder, a shard belongs there; move it away\n"
        assert (done.stderr == message) == is_folder
    assert run([], arguments(tmp_path, POISSON)).returncode == 0
    assert verify_dataset(tmp_path) == []


@pytest.mark.parametrize("name", [".lock", "manifest.json", "train/.00000.h5.1.tmp"])
def test_what_lies_in_the_way_of_a_file_is_named(tmp_path, name):
    """A pipe in the place of the lock must not block; what can be replaced is replaced."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    generation, said = Generation(tmp_path, POISSON, SMALL), {}
    for path in planted_in(tmp_path, name):
        try:
            with time_limit(20):
                generation.begin()
        except InputError as error:
            said[path] = str(error)
    assert said
    assert all(f"choose another folder, or move {p} away" in line for p, line in said.items())
