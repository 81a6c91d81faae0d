"""Draw training samples from others: moved by symmetries, superposed with translates."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.operators.coordinates import CoordinateChanges, SquareSymmetries
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.problem import Problem
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
        channels: of the operator.

    Raises:
        InputError: a problem has no equation, or not one that an augmentation is exact for.
    """

    def __init__(
        self, names: Sequence[Augmentation], problems: Sequence[Problem], channels: ChannelNames
    ) -> None:
        super().__init__()
        self.square = SquareSymmetries(problems, channels) if "square" in names else None
        self.superposes = "superposition" in names
        for problem in problems if names else ():
            equation = problem.known_equation()
            if self.superposes and not equation.is_linear:
                raise InputError(
                    f"superposition is for linear equations, that of {problem.name} is "
                    f"{equation.name}; leave superposition out of augmentations"
                )
            if self.superposes and not problem.grid.is_periodic:
                raise InputError(
                    f"superposition takes translates on periodic grids, {problem.name} has the "
                    f"boundaries {problem.grid.boundary}; leave superposition out of augmentations"
                )

    def forward(self, batch: Batch, *, seed: int, step: int) -> Batch:
        """Augment the batch of this step; channels are in the operator's order."""
        if self.square is not None:
            counts = self.square.num_symmetries[batch.dataset]
            draws = random_integers(batch, counts, Stream.SYMMETRY, seed=seed, step=step)
            batch = moved(batch, self.square, self.square.symmetries[batch.dataset, draws])
        return superposed(batch, seed=seed, step=step) if self.superposes else batch


def moved(batch: Batch, changes: CoordinateChanges, elements: Int[Tensor, " B"]) -> Batch:
    """Apply element g of each sample to it: M(g) f(g⁻¹x), M(g) u(g⁻¹x) of all steps, M(g) c."""
    problem = batch.dataset
    return batch._replace(
        inputs=changes.move_inputs(batch.inputs, problem, elements),
        outputs=changes.move_outputs(batch.outputs, problem, elements),
        coefficients=changes.move_coefficients(batch.coefficients, problem, elements),
    )


def random_integers(
    batch: Batch, num_values: int | Int[Tensor, " B"], stream: Stream, *, seed: int, step: int
) -> Int[Tensor, " B"]:
    """Draw integers in [0, num_values) from (seed, stream, step, data set, sample, time) alone.

    So they depend neither on ranks nor on what was drawn before, and a resumed run draws the same.
    Computed where the batch lies: products and shifts of integers are the same on every device.
    """
    key = int(stream_words(seed, stream, step, count=1, dtype=np.uint32)[0])
    sample = batch.sample_index ^ (batch.time_index * 0x9E3779B1)
    return mixed(sample ^ mixed(batch.dataset ^ key)) % num_values


def superposed(batch: Batch, *, seed: int, step: int) -> Batch:
    """Return f(x) + a f(x - s), u(x) + a u(x - s); a in [-1, 1) and s are drawn by sample.

    A linear operator with constant coefficients commutes with translations, so every sample stands
    for all superpositions of its translates: exact, as s is a grid point. Drawn like
    ``random_integers``.
    """
    H, W = batch.inputs.shape[-2:]
    shift = random_integers(batch, H * W, Stream.SHIFT, seed=seed, step=step)
    amplitude = random_integers(batch, 1 << 24, Stream.AMPLITUDE, seed=seed, step=step)
    amplitude = amplitude / (1 << 23) - 1.0
    points = torch.arange(H * W, device=shift.device)
    y = (points // W - shift[:, None] // W) % H
    x = (points % W - shift[:, None] % W) % W
    moved_from, a = (y * W + x)[:, None], amplitude[:, None, None].to(batch.inputs.dtype)

    def added(fields: Float[Tensor, "B *C H W"]) -> Float[Tensor, "B *C H W"]:
        channels = fields.flatten(1, -3).flatten(2)
        moved = channels.gather(2, moved_from.expand_as(channels))
        return (channels + a * moved).view_as(fields)

    return batch._replace(inputs=added(batch.inputs), outputs=added(batch.outputs))


def mixed(x: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
    """MurmurHash3's 32-bit finaliser (Appleby 2011), on the low words of 64-bit integers."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        x = x & 0xFFFFFFFF
        x = (x ^ (x >> shift)) * factor
    return x & 0xFFFFFFFF
