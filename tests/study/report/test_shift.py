"""Overlap of histograms against integrals that are known."""

import numpy as np
import pytest

from lightning_sciml.study.report.shift import overlap


def uniform(low: float, high: float, num_bins: int = 7) -> dict:
    return {"edges": np.linspace(low, high, num_bins + 1).tolist(), "counts": [3] * num_bins}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (uniform(0, 1), uniform(0, 1, 5), 1.0),
        (uniform(0, 1), uniform(2, 3), 0.0),
        (uniform(1, 5), uniform(2.5, 7.5), 2.5 / 5),  # min(1/4, 1/5) over (2.5, 5)
        (uniform(0, 4), uniform(1, 2), 1 / 4),
    ],
)
def test_overlap_of_uniform_distributions(first, second, expected):
    assert overlap(first, second) == pytest.approx(expected)
    assert overlap(second, first) == pytest.approx(expected)
