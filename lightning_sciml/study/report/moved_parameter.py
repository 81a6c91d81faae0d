"""The parameter by which a downstream set differs from a pre-training set, and its extent."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from lightning_sciml.shards.dataset_statistics import realised_range
from lightning_sciml.shards.manifest import Histogram, Manifest
from lightning_sciml.shards.schema import MEASURES
from lightning_sciml.study.report.shift import overlap

PARTS = ("coefficients", "diffusivity", "source")
"""Parts of the configuration of a generator that say which problems are drawn."""
SAME_DRAW = 0.9
"""Histograms of two draws from one distribution overlap more than this."""


class Extent(NamedTuple):
    """Values of a parameter in a data set.

    Attributes:
        low: the smallest.
        median: of the samples.
        high: the largest.
    """

    low: float
    median: float
    high: float


def extents(manifest: Manifest) -> dict[str, Extent]:
    """Find the extent of each parameter by name.

    They are those realised in the samples. Of a parameter that is no coefficient, such as λ, from
    which the components of K follow, the configured range and its middle are.
    """
    drawn = {name: _middle(limits) for name, limits in _ranges(manifest).items()}
    return drawn | {name: _realised(h) for name, h in _histograms(manifest).items()}


def moved_parameter(pretraining: Manifest, downstream: Manifest) -> str | None:
    """Find the parameter that has moved furthest; None where none has.

    One whose configured range is another; where no configuration is known, a coefficient that is
    distributed otherwise.
    """
    own, other = _ranges(pretraining), _ranges(downstream)
    moved = [name for name in own if name in other and own[name] != other[name]]
    if moved:
        return min(moved, key=lambda name: overlap(_uniform(own[name]), _uniform(other[name])))
    if own or other:
        return None
    before, after = _histograms(pretraining), _histograms(downstream)
    shared = {name: overlap(before[name], after[name]) for name in before if name in after}
    nearest = min(shared, key=lambda name: shared[name], default=None)
    return nearest if nearest is not None and shared[nearest] < SAME_DRAW else None


def is_log_uniform(extent: Extent) -> bool:
    """Tell whether values spread over ratios: their median is nearer to the geometric middle."""
    low, median, high = extent
    if low <= 0:
        return False
    return abs(median - np.sqrt(low * high)) < abs(median - (low + high) / 2)


def _histograms(manifest: Manifest) -> dict[str, Histogram]:
    return {name: h for name, h in manifest.histograms.items() if name not in MEASURES}


def _ranges(manifest: Manifest) -> dict[str, tuple[float, float]]:
    """List the configured ranges by the name of their option."""
    return dict(pair for part in PARTS for pair in _leaves(part, manifest.config.get(part)))


def _leaves(name: str, value: Any) -> Iterator[tuple[str, tuple[float, float]]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(str(key), part)
    elif isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)):
        yield name, (float(value[0]), float(value[1]))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _middle(limits: tuple[float, float]) -> Extent:
    low, high = limits
    return Extent(low, (low + high) / 2, high)


def _uniform(limits: tuple[float, float]) -> dict[str, list[float]]:
    """Return the histogram of a uniform distribution; of a single value, one of no width."""
    low, high = limits
    width = max(high - low, 1e-12 * max(abs(low), abs(high), 1e-300))
    return {"edges": [low, low + width], "counts": [1.0]}


def _realised(histogram: Histogram) -> Extent:
    """Read the extent off a histogram, its median interpolated within a bin."""
    low, high = realised_range(histogram)
    counts = np.asarray(histogram["counts"], float)
    shares = np.concatenate([[0.0], np.cumsum(counts)]) / counts.sum()
    median = float(np.interp(0.5, shares, histogram["edges"]))
    return Extent(float(low), median, float(high))
