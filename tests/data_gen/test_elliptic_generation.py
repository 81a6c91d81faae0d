"""Data sets of -∇·(a∇u) = f: a sample is a function of its index, and solves its equation."""

import io
import shutil
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import pytest
from edited_shards import edit_with_checksum
from programs import ROOT

from data_gen import solve
from data_gen.decomposition import ShardTask
from data_gen.elliptic_configuration import EllipticConfig
from data_gen.elliptic_generation import EllipticGenerator
from data_gen.elliptic_verification import check_sample
from data_gen.finite_volumes import Faces
from data_gen.generation import InaccurateSolutionError
from data_gen.verification import check_of
from lightning_sciml.errors import InputError
from lightning_sciml.shards.field_norms import field_norms
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.verification import verify_dataset

SMALL = ROOT / "tests/support/darcy_small.yaml"


def told(output, *words, **options):
    """Run the program here; return its exit status and its lines."""
    said, flags = io.StringIO(), [f"--{name}={value}" for name, value in options.items()]
    with redirect_stderr(said):
        status = solve.main([f"--config={SMALL}", f"--output={output}", *words, *flags])
    return status, said.getvalue().strip().splitlines()


def config(path: Path = SMALL, **options) -> EllipticConfig:
    flags = [f"--{name}={value}" for name, value in options.items()]
    _, parsed = solve.parse([f"--config={path}", "--output=set", *flags])
    assert isinstance(parsed, EllipticConfig)
    return parsed


def arrays(of: EllipticConfig, first_index: int = 0, num_samples: int = 5):
    return EllipticGenerator(of).shard(ShardTask(0, "train", first_index, num_samples)).datasets


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("darcy") / "small"
    status, lines = told(folder)
    assert status == 0, lines
    return folder


@pytest.fixture
def copy(generated, tmp_path):
    return Path(shutil.copytree(generated, tmp_path / "copy"))


OTHERS = {
    "neumann": {"boundary": "neumann"},
    "periodic": {
        "boundary": "periodic",
        "source": "RandomFieldSource",
        "source.field.num_modes": 5,
    },
    "log-normal": {"diffusivity": "LogNormalDiffusivity", "diffusivity.field.num_modes": 6},
    "constant": {"source": "ConstantSource"},
}


@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS)
def test_stored_fields_solve_the_equation(options):
    of = config(**options)
    found = arrays(of)
    a, *f, u = found["fields"].swapaxes(0, 1).astype(float)
    source = f[0] if f else np.ones_like(a)
    residual = of.num_points**2 * Faces.of_cells(a, of.boundary).apply(u) - source
    # rounding of u to float32 times the largest eigenvalue, 8 N² max a
    largest = 8 * of.num_points**2 * a.max(axis=(1, 2)) * np.abs(u).max(axis=(1, 2))
    assert (np.abs(residual).max(axis=(1, 2)) <= 2**-24 * (largest + 8)).all()
    assert (found["residual"] <= of.max_residual).all()
    assert (found["iterations"] >= 1).all()
    norms = field_norms(found["fields"][:, :-1], found["fields"][:, None, -1:])
    np.testing.assert_array_equal(found["norms"], norms)


def test_samples_do_not_depend_on_the_shard():
    of = config()
    whole, part = arrays(of, 0, 9), arrays(of, 4, 3)
    for name, values in part.items():
        assert values.tobytes() == whole[name][4:7].tobytes(), name


def test_coefficients_are_the_ranges_that_have_a_width():
    of = config()
    assert of.plan().coefficient_names == ("contrast", "correlation_length")
    found = arrays(of)
    a, contrast = found["fields"][:, 0], found["coefficients"][:, 0]
    np.testing.assert_allclose(a.max(axis=(1, 2)) / a.min(axis=(1, 2)), contrast, rtol=1e-6)
    assert arrays(config(**{"diffusivity.contrast": "[4,4]"}))["coefficients"].shape == (5, 1)


def test_set_of_the_fno_paper_has_its_two_values():
    of = config(ROOT / "launch/configs/data/darcy_fno.yaml")
    assert of.plan().input_fields == ("diffusivity",)
    assert of.plan().coefficient_names == ()
    fields = arrays(of, num_samples=1)["fields"]
    assert set(np.unique(fields[:, 0])) == {3.0, 12.0}
    # u = 0.0737 / a in the middle of the square with constant a: between both values
    assert 0.0737 / 12 < fields[:, 1].max() < 0.0737 / 3


def test_good_set_is_good_and_its_accuracy_is_recorded(generated):
    manifest = Manifest.load(generated)
    assert verify_dataset(generated, check=check_of(manifest)) == []
    assert 0 < max(record.max_residual for record in manifest.shards) <= 1e-10
    assert ShardedDataset(generated, "train")[0]["diffusivity"].shape == (12, 12)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_edited_field_is_found(copy, channel):
    def change(content):
        content["fields"][:, channel, 3, 4] *= 1.01
        content["norms"] = field_norms(content["fields"][:, :2], content["fields"][:, None, 2:])

    edit_with_checksum(copy, "train/00001.h5", change)
    faults = verify_dataset(copy, check=check_of(Manifest.load(copy)))
    assert len(faults) == 3  # its samples
    assert all("train/00001.h5: sample" in f and "differs from the solution" in f for f in faults)


def test_impossible_fields_are_wrong_not_an_error():
    fields = arrays(config())["fields"][0]
    for value in (0.0, -1.0, np.nan):
        edited = fields.copy()
        edited[0, 2, 2] = value
        assert check_sample(edited, "dirichlet").is_wrong


def test_manifest_that_contradicts_itself_is_rejected(copy):
    manifest = Manifest.load(copy)
    manifest.config["max_residual"] = "small"
    with pytest.raises(InputError, match=r"does not say how .* was solved; generate the set again"):
        check_of(manifest)
    del manifest.config["diffusivity"]
    assert check_of(manifest) is None


INVALID = [
    ("diffusivity.contrast", "[0.5,4]", "diffusivity.contrast is the largest a over the smallest"),
    ("diffusivity.contrast", "[9,4]", "diffusivity.contrast must be a range [low, high]"),
    ("diffusivity.contrast", "[1,1e9]", "diffusivity.contrast must lie in 1 … 1e+06"),
    ("diffusivity.low", -1, "diffusivity.low must lie in"),
    ("diffusivity.field.correlation_length", "[0,1]", "correlation_length must be positive"),
    ("diffusivity.field.smoothness", "[0.5,2]", "smoothness must lie in 1 … 20"),
    ("diffusivity.field.num_modes", 13, "num_modes=13 half waves need at least as many points"),
    ("diffusivity", "Sand", "diffusivity: no class is called Sand, wanted one of"),
    ("source", "Well", "source: no class is called Well, wanted one of"),
    ("source.standard_deviation", 0.01, "num_points=12 is too few for sources"),
    ("source.periodic", "true", "source.periodic must be false with boundary dirichlet"),
    ("boundary", "wall", "boundary: wanted"),
    ("max_residual", 0, "max_residual must lie in"),
    ("num_points", 3, "num_points must be at least 4, got 3"),
    ("decomposition", "slab", "decomposition must be shards"),
]


@pytest.mark.parametrize(("option", "value", "message"), INVALID)
def test_invalid_options_are_one_line_and_leave_nothing(tmp_path, option, value, message):
    status, lines = told(tmp_path / "set", "--shard_size=1", f"--{option}={value}")
    assert (status, len(lines)) == (2, 1)
    assert message in lines[0]
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("boundary", ["neumann", "periodic"])
def test_constant_source_without_walls_at_zero_is_one_line(tmp_path, boundary):
    status, lines = told(tmp_path / "set", "--source=ConstantSource", boundary=boundary)
    assert (status, len(lines)) == (2, 1)
    assert f"a constant source needs boundary dirichlet, got {boundary}" in lines[0]


def test_residual_out_of_reach_names_the_sample():
    of = config(**{"diffusivity.contrast": "[1e6,1e6]", "max_residual": 1e-13})
    message = r"train sample 0 has the residual .* raise max_residual"
    with pytest.raises(InaccurateSolutionError, match=message):
        arrays(of, num_samples=1)
