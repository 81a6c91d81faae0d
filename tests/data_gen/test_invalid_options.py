"""Values that make no data set end generation at once, in one line, and leave nothing."""

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from damaged_copies import Generation, time_limit

from data_gen import solve
from data_gen.coefficients import Coefficients, HelmholtzCoefficients, PoissonCoefficients
from data_gen.configuration import DatasetConfig
from data_gen.decomposition import ShardTask
from data_gen.float32_range import check_float32
from data_gen.generation import SampleGenerator
from lightning_sciml.errors import InputError
from lightning_sciml.pde.steady import Equation
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.verification import verify_dataset

ROOT = Path(__file__).parents[2]
SMALL = {
    "num_points": 32,
    "num_train_samples": 20,
    "num_val_samples": 5,
    "num_test_samples": 0,
    "shard_size": 8,
}
POISSON, ADVECTION, HELMHOLTZ = "poisson_1_5", "advection_diffusion_0p2_1", "helmholtz_1_10"


def arguments(output, name, **options):
    flags = [f"--{key}={value}" for key, value in (SMALL | options).items()]
    config = ROOT / f"launch/configs/data/{name}.yaml"
    return [f"--config={config}", f"--output={output}", *flags]


def generated(output, name, **options):
    """Exit status of the program, and the lines it says."""
    said = io.StringIO()
    with redirect_stderr(said):
        status = solve.main(arguments(output, name, **options))
    lines = said.getvalue().replace("\r", "\n").splitlines()
    return status, [line for line in lines if line.strip() and "samples/s" not in line]


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
    monkeypatch.setattr("data_gen.output_folder.shutil.disk_usage", lambda _: disk)
    status, (line,) = generated(tmp_path / "set", POISSON, num_train_samples=2000)
    assert status == 2
    assert "set needs 0.02 GB and its disk has 0.00 GB free; lower the number of" in line
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("decomposition", ["shards", "slab"])
@pytest.mark.parametrize(
    ("diffusivity", "quantity"),
    [
        (1e-300, "largest coefficient of 1.0e-300"),
        (1e-40, "largest coefficient of 1.0e-40"),
        (1e40, "largest coefficient of 1.0e+40"),
        (1e35, "max|u| of 8.7e-38"),
    ],
)
def test_a_sample_that_float32_cannot_hold_is_named(
    tmp_path, monkeypatch, diffusivity, quantity, decomposition
):
    """Where the range of diffusivity, which is checked first, does not keep it out."""
    monkeypatch.setattr("data_gen.coefficients._MAX_DIFFUSIVITY", 1e301)
    options = {"coefficients.diffusivity": diffusivity, "decomposition": decomposition}
    status, lines = generated(tmp_path / "set", POISSON, shard_size=1, **options)
    assert status == 2
    (line,) = lines
    assert f"train sample 0 has a {quantity}, float32 holds" in line
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("decomposition", ["shards", "slab"])
def test_a_large_solution_that_float32_holds_is_generated(tmp_path, monkeypatch, decomposition):
    """The residual is that of L, without what stands in place of L(0) where the mean is free."""
    monkeypatch.setattr("data_gen.coefficients._MAX_DIFFUSIVITY", 1e301)
    options = {"coefficients.diffusivity": 1e-37, "decomposition": decomposition}
    status, _ = generated(tmp_path / "set", POISSON, shard_size=1, num_train_samples=2, **options)
    assert status == 0
    assert max(r.max_residual or 0 for r in Manifest.load(tmp_path / "set").shards) < 1e-10
    assert verify_dataset(tmp_path / "set") == []


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39, 1e-40, 0.0])
@pytest.mark.parametrize("column", [0, 4])
def test_norms_that_are_no_numbers_of_float32_name_their_sample(value, column):
    """Check samples that are kept: those that are rejected may be anything."""
    norms, is_kept = np.ones((3, 5)), np.array([True, False, True])
    norms[1:, column] = value
    with pytest.raises(InputError, match=r"^val sample 9 has a (source norm|max\|u\|) of"):
        check_float32(norms, np.ones((3, 1)), is_kept, [f"val sample {i}" for i in (7, 8, 9)])


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


@dataclass(frozen=True)
class Biharmonic(Equation):
    """Δ²u = f: known to this test, and to no reader of a data set."""

    name = "biharmonic"
    coefficient_names = ("c",)
    fixes_mean = True

    def symbol(self, coefficients, wavenumbers):
        squared = wavenumbers.kx_squared + wavenumbers.ky_squared
        return coefficients[..., 0, None, None] * squared**2

    def operator_scale(self, coefficients):
        return coefficients[..., 0]

    def mean_diffusivity(self, coefficients):
        return coefficients[..., 0]

    def coefficient_map(self, g):
        return np.ones((1, 1))


@dataclass(frozen=True, kw_only=True)
class BiharmonicCoefficients(Coefficients):
    """c = 1."""

    num_uniforms = 1

    @property
    def equation(self):
        return Biharmonic()

    def draw(self, uniforms, source):
        return np.ones((len(uniforms), 1))


class MyPoisson(PoissonCoefficients):
    """A subclass that is a dataclass by its parent."""


def test_an_equation_that_no_reader_knows_is_rejected_before_the_first_sample():
    with pytest.raises(InputError, match="add the class to EQUATIONS in"):
        DatasetConfig(name="test", coefficients=BiharmonicCoefficients())
    assert DatasetConfig(name="test", coefficients=MyPoisson(eigenvalue=(1.0, 5.0)))


class TwoCoefficients(PoissonCoefficients):
    """Poisson's without k12."""

    def draw(self, uniforms, source):
        return super().draw(uniforms, source)[:, :2]


def test_coefficients_of_another_shape_than_the_equation_has_are_rejected():
    coefficients = TwoCoefficients(eigenvalue=(1.0, 5.0))
    config = DatasetConfig(name="test", coefficients=coefficients, num_points=32)
    with pytest.raises(InputError, match=r"TwoCoefficients.draw must return the shape \(4, 3\)"):
        SampleGenerator(config).shard(ShardTask(0, "train", 0, 4))


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


CLASSES = "one of AdvectionDiffusionCoefficients, HelmholtzCoefficients, PoissonCoefficients"
WRONG_TYPES = [
    ("num_points", "", "num_points: wanted int, got ''"),
    ("num_modes", "", "num_modes: wanted int or null, got ''"),
    ("decomposition", "", "decomposition: wanted shards or slab, got ''"),
    ("source.amplitude", [1], "source.amplitude: wanted a list of 2 values, got [1]"),
    ("coefficients", "Poisson", f"coefficients: no class is called Poisson, wanted {CLASSES}"),
    ("coefficients", "", f"coefficients: wanted {CLASSES}"),
    ("coefficients", [1], f"coefficients: wanted {CLASSES}"),
    ("coefficients", {"a": 1}, "coefficients: "),
    ("coefficients.class_path", None, f"coefficients: wanted {CLASSES}"),
    ("coefficients.class_path", [1], f"coefficients: wanted {CLASSES}"),
    ("coefficients.init_args", "abc", "coefficients: wanted init_args as `name: value`"),
    ("source", "abc", "source: wanted options as `name: value`, got abc"),
    ("source", [1], "source: wanted options as `name: value`, got [1]"),
    ("source", {"a": 1}, "there is no option source.a"),
]
NULLS = [
    ("num_points", "wanted int"),
    ("seed", "wanted int"),
    ("decomposition", "wanted shards or slab"),
    ("resume", "wanted true or false"),
    ("source", "wanted options as `name: value`"),
    ("source.periodic", "wanted true or false"),
    ("source.sparsity", "wanted a list"),
    ("coefficients.init_args.ratio", "wanted exact or table"),
    ("coefficients.init_args.diffusivity", "wanted float"),
]


def parsed(tmp_path, options):
    """Parse a file that says this of a data set."""
    tree = {
        "name": "set",
        "coefficients": {
            "class_path": "AdvectionDiffusionCoefficients",
            "init_args": {"advection_diffusion_ratio": [0.2, 1.0]},
        },
    }
    for option, value in options.items():
        *groups, name = option.split(".")
        group = tree
        for key in groups:
            group = group.setdefault(key, {})
        group[name] = value
    (tmp_path / "set.yaml").write_text(yaml.safe_dump(tree))
    return solve.parse([f"--config={tmp_path / 'set.yaml'}", f"--output={tmp_path / 'set'}"])


@pytest.mark.parametrize(("option", "value", "message"), WRONG_TYPES)
def test_a_value_of_another_type_is_named_with_what_is_wanted(tmp_path, option, value, message):
    with pytest.raises(InputError) as in_file:
        parsed(tmp_path, {option: value})
    word = value if isinstance(value, str) else json.dumps(value)
    with pytest.raises(InputError) as in_command:
        solve.parse(arguments(tmp_path / "set", POISSON, **{option: word}))
    assert message in str(in_file.value)
    assert message in str(in_command.value)
    assert "did you mean Poisson?" not in str(in_command.value)


@pytest.mark.parametrize(("option", "wanted"), NULLS)
def test_null_in_a_file_is_rejected_where_a_value_is_wanted(tmp_path, option, wanted):
    """`ratio: null` meant table, `decomposition: null` wrote shards that nothing could read."""
    name = option.replace(".init_args", "")
    with pytest.raises(InputError, match=f"{name}: {wanted}, got"):
        parsed(tmp_path, {option: None})
    assert parsed(tmp_path, {"num_modes": None, "shard_size": None})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b\n", "name is given twice, in lines 1 and 2; keep one"),
        ("config: {a: 1}\n", "config: wanted the path of a further file"),
    ],
)
@pytest.mark.parametrize("as_file", [True, False])
def test_a_config_that_can_be_read_in_two_ways_is_rejected(tmp_path, text, message, as_file):
    (tmp_path / "set.yaml").write_text(text)
    config = str(tmp_path / "set.yaml") if as_file else text
    with pytest.raises(InputError, match=message):
        solve.parse(["--config", config, "--output", str(tmp_path / "set")])


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
