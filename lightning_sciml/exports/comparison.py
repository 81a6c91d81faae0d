"""Compare a graph with the operator that it was made from, on random inputs."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lightning_sciml.exports.named_operator import NamedOperator
from lightning_sciml.operators.median_normalization import MedianNormalization
from lightning_sciml.operators.standard_normalization import StandardNormalization

ALLOWED = 1e-4
"""Largest difference, of the largest value, that rounding to float32 explains by far."""


def random_inputs(
    named: NamedOperator, batch_size: int, shape: tuple[int, int], seed: int = 0
) -> dict[str, Tensor]:
    """Draw white noise of the size of the training's fields, and coefficients of its ranges.

    Coefficients are from the middle fifth of each range: tensors with two extremes may be singular.
    """
    rng = np.random.default_rng(seed)
    given: dict[str, Tensor] = {}
    positive = getattr(named.operator.problems[0].equation, "even_fields", ())
    for name in named.fields:
        mean, std = _moments(named, name)
        noise = torch.from_numpy(rng.standard_normal((batch_size, *shape), dtype=np.float32))
        given[name] = noise.exp() * (abs(mean) + std) if name in positive else mean + std * noise
    for name in named.numbers:
        low, high = np.clip(named.problem.ranges[name], -1e3, 1e3)  # of the paper's code: infinite
        shares = rng.uniform(0.4, 0.6, batch_size)
        given[name] = torch.from_numpy(low + shares * (high - low)).float()
    return given


def _moments(named: NamedOperator, name: str) -> tuple[float, float]:
    """Return mean and deviation of a field; in its own units, where it has some."""
    normalization = named.operator.normalization
    place = normalization.names.fields.index(name)
    if isinstance(normalization, StandardNormalization):
        return float(normalization.field_means[place]), float(normalization.field_stds[place])
    if isinstance(normalization, MedianNormalization):
        return 0.0, float(normalization.median_field_norms[place])
    return 0.0, 1.0


def largest_difference(
    found: Mapping[str, Float[np.ndarray, "B *K H W"]],
    wanted: Mapping[str, Float[Tensor, "B *K H W"]],
) -> float:
    """Return max |û - u| / max |u|, the largest of all output fields; infinity where one is NaN."""
    ratios = []
    for name, reference in wanted.items():
        u = reference.double().numpy()
        ratios.append(float(np.abs(found[name] - u).max() / np.abs(u).max()))
    return max(ratios) if np.isfinite(ratios).all() else float("inf")
