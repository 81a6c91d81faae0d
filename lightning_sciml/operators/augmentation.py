"""Draw training samples from others: moved by symmetries, superposed with translates."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_sciml.operators.coordinates import CoordinateChanges, SquareSymmetries
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.symmetries import SQUARE
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.random_streams import Stream, stream_words

Augmentation = Literal["square", "superposition"]
"""square: every sample is moved by a random symmetry of the square in every step. superposition: to
every sample a random multiple of a random translate of it is added in every step, which is exact
for linear equations with constant coefficients.
"""


class Augmentations(nn.Module):
    """Draws another sample from each sample in every step.

    Args:
        names: which; applied in the order square, superposition.
        problems: the operator's.
        num_coefficients: c of the operator.

    Raises:
        InputError: a problem has no equation.
    """

    def __init__(
        self, names: Sequence[Augmentation], problems: Sequence[Problem], num_coefficients: int
    ) -> None:
        super().__init__()
        self.square = SquareSymmetries(problems, num_coefficients) if "square" in names else None
        self.superposes = "superposition" in names
        if names:  # known equations are linear, with constant coefficients
            for problem in problems:
                problem.known_equation()

    def forward(self, batch: Batch, *, seed: int, step: int) -> Batch:
        """Augment the batch of this step; coefficients are in the operator's order."""
        if self.square is not None:
            elements = random_integers(batch, len(SQUARE), Stream.SYMMETRY, seed=seed, step=step)
            batch = moved(batch, self.square, elements)
        return superposed(batch, seed=seed, step=step) if self.superposes else batch


def moved(batch: Batch, changes: CoordinateChanges, elements: Int[Tensor, " B"]) -> Batch:
    """Apply element g of each sample to it: f(g⁻¹x), u(g⁻¹x), M(g) c."""
    return batch._replace(
        inputs=changes.move_field(batch.inputs, elements),
        outputs=changes.move_field(batch.outputs[:, 0], elements)[:, None],
        coefficients=changes.move_coefficients(batch.coefficients, batch.dataset, elements),
    )


def random_integers(
    batch: Batch, num_values: int, stream: Stream, *, seed: int, step: int
) -> Int[Tensor, " B"]:
    """Draw integers in [0, num_values) from (seed, stream, step, data set, window) alone.

    So they depend neither on ranks nor on what was drawn before, and a resumed run draws the same.
    Computed where the batch lies: products and shifts of integers are the same on every device.
    """
    key = int(stream_words(seed, stream, step, count=1, dtype=np.uint32)[0])
    window = batch.sample_index ^ (0x9E3779B1 * batch.time_index)
    return _mix(window ^ _mix(batch.dataset ^ key)) % num_values


def superposed(batch: Batch, *, seed: int, step: int) -> Batch:
    """Return f(x) + a f(x - s), u(x) + a u(x - s); a in [-1, 1) and s are drawn by sample.

    A linear operator with constant coefficients commutes with translations, so every sample stands
    for all superpositions of its translates: exact, as s is a grid point. Drawn like
    ``random_integers``.
    """
    N = batch.inputs.shape[-1]
    shift = random_integers(batch, N * N, Stream.SHIFT, seed=seed, step=step)
    amplitude = random_integers(batch, 1 << 24, Stream.AMPLITUDE, seed=seed, step=step)
    amplitude = amplitude / (1 << 23) - 1.0
    points = torch.arange(N * N, device=shift.device)
    y = (points // N - shift[:, None] // N) % N
    x = (points % N - shift[:, None] % N) % N
    moved_from, a = y * N + x, amplitude[:, None, None, None].to(batch.inputs.dtype)

    def added(field: Float[Tensor, "B 1 N N"]) -> Float[Tensor, "B 1 N N"]:
        return field + a * field.flatten(1).gather(1, moved_from).view_as(field)

    return batch._replace(inputs=added(batch.inputs), outputs=added(batch.outputs[:, 0])[:, None])


def _mix(x: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
    """MurmurHash3's 32-bit finaliser (Appleby 2011), on the low words of 64-bit integers."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        x = x & 0xFFFFFFFF
        x = (x ^ (x >> shift)) * factor
    return x & 0xFFFFFFFF
