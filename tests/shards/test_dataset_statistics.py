"""What the manifest says of realised coefficients is what they are."""

import re

import numpy as np
import pytest

from lightning_sciml import write_dataset
from lightning_sciml.shards.dataset_statistics import histogram, realised_range
from lightning_sciml.shards.description import describe
from lightning_sciml.study.report.shift import overlap


@pytest.mark.parametrize(
    "values",
    [
        np.full(5, 1.0),
        np.full(5, 0.01),
        np.full(3, 1e17),
        np.zeros(4),
        np.full(2, -2.5e-30),
        np.array([2.0, 5.0, 3.0]),
        np.array([0.25, 0.5, 0.125]),
        np.array([0.0, 1e6]),
    ],
)
def test_the_realised_range_is_that_of_the_values(values):
    counted = histogram(values)
    assert sum(counted["counts"]) == len(values)
    np.testing.assert_allclose(
        realised_range(counted), (values.min(), values.max()), rtol=1e-15, atol=0
    )


def test_the_constant_of_an_older_set_is_its_lowest_edge():
    old = {"edges": np.linspace(0.01, 1.01, 51).tolist(), "counts": [7] + 49 * [0]}
    assert realised_range(old) == (0.01, 0.01)


def test_sets_of_different_constants_do_not_overlap():
    one, other = (histogram(np.full(5, c)) for c in (0.01, 0.02))
    assert overlap(one, other) == 0
    assert overlap(one, one) == pytest.approx(1)


def test_describe_names_samples_that_are_far_larger_than_most(tmp_path):
    u = np.ones((12, 8, 8)) * np.array([1.0] * 10 + [475.0, 20.0])[:, None, None]
    inputs = {"f": np.ones_like(u)}
    write_dataset(tmp_path / "far", inputs, {"u": u}, split={"train": 12})
    told = describe(tmp_path / "far").split("outliers: ")[1]
    assert re.match("u +largest max 475, 475 times the median; 2 samples beyond 10 times", told)
    write_dataset(tmp_path / "near", inputs, {"u": u}, split={"train": 10, "test": 2})
    assert "outliers" not in describe(tmp_path / "near")
