"""Shift of a downstream set from a pre-training set, by the coefficients realised in both."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.schema import MEASURES


def overlap(histogram: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """∫ min(p, q) of two histograms taken as piecewise constant densities: 1 equal, 0 disjoint."""
    edges = np.union1d(histogram["edges"], other["edges"])
    p, q = _density(histogram, edges), _density(other, edges)
    return float((np.minimum(p, q) * np.diff(edges)).sum())


def _density(histogram: Mapping[str, Any], edges: Float[np.ndarray, " E"]) -> np.ndarray:
    own = np.asarray(histogram["edges"], float)
    counts = np.asarray(histogram["counts"], float)
    density = counts / (counts.sum() * np.diff(own))
    middles = (edges[:-1] + edges[1:]) / 2
    cells = np.searchsorted(own, middles, side="right") - 1
    is_inside = (middles > own[0]) & (middles < own[-1])
    return np.where(is_inside, density[np.clip(cells, 0, len(density) - 1)], 0.0)


def shift(pretraining: Sequence[Manifest], downstream: Manifest) -> float:
    """1 - overlap of the coefficient that has moved furthest, from the nearest pre-training set.

    0 where no coefficient is known; 1 where no pre-training set has the downstream set's equation.
    Marginal distributions only: a set whose coefficients are correlated in another way counts as
    near.
    """
    same = [m for m in pretraining if m.equation == downstream.equation]
    return min((_shift(m, downstream) for m in same), default=1.0)


def _shift(pretraining: Manifest, downstream: Manifest) -> float:
    names = [n for n in downstream.histograms if n in pretraining.histograms and n not in MEASURES]
    pairs = ((pretraining.histograms[n], downstream.histograms[n]) for n in names)
    return 1.0 - min((overlap(*pair) for pair in pairs), default=1.0)
