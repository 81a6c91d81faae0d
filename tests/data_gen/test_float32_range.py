"""Samples that float32 cannot hold are named, and no others are rejected."""

import numpy as np
import pytest
from tiny_generation import POISSON, generated

from data_gen.float32_range import check_float32
from lightning_sciml.errors import InputError
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.verification import verify_dataset


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
