"""Draw training samples from others: moved, superposed with translates, reversed, boosted."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.operators.boosts import Boosts
from lightning_sciml.operators.channels import ProblemTable
from lightning_sciml.operators.coordinate_changes import CoordinateChanges
from lightning_sciml.operators.coordinates import SquareSymmetries
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.problem import Problem
from lightning_sciml.operators.random_integers import random_integers
from lightning_sciml.pde.exact_augmentations import Question, augmentation_fault
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.random_streams import Stream
from lightning_sciml.streaming.windows import field_of

Augmentation = Literal["square", "superposition", "sign", "boost"]
"""square: every sample is moved by a random symmetry of the square in every step. superposition: to
every sample a random multiple of a random translate of it is added in every step, which is exact
for linear equations with constant coefficients. sign: every sample is multiplied by 1 or -1, where
-u solves the equation, too. boost: every sample is seen from a frame at a random velocity, where
the equation has one.
"""


class Augmentations(nn.Module):
    """Draws another sample from each sample in every step.

    Args:
        names: which; applied in the order square, superposition, sign, boost.
        problems: the operator's.
        channels: of the operator.

    Raises:
        InputError: a problem has no equation, or not one that an augmentation is exact for.
    """

    def __init__(
        self, names: Sequence[Augmentation], problems: Sequence[Problem], channels: ChannelNames
    ) -> None:
        super().__init__()
        for problem in problems:
            for name in names:
                if fault := augmentation_fault(name, _question(problem)):
                    raise InputError(fault)
        self.square = SquareSymmetries(problems, channels) if "square" in names else None
        self.superposes = "superposition" in names
        self.sign = Sign(problems, channels) if "sign" in names else None
        self.boost = Boosts(problems, channels) if "boost" in names else None

    def forward(self, batch: Batch, *, seed: int, step: int) -> Batch:
        """Augment the batch of this step; channels are in the operator's order."""
        if self.square is not None:
            counts = self.square.num_symmetries[batch.dataset]
            draws = random_integers(batch, counts, Stream.SYMMETRY, seed=seed, step=step)
            batch = moved(batch, self.square, self.square.symmetries[batch.dataset, draws])
        if self.superposes:
            batch = superposed(batch, seed=seed, step=step)
        if self.sign is not None:
            is_reversed = random_integers(batch, 2, Stream.SIGN, seed=seed, step=step)
            batch = self.sign.reversed(batch, is_reversed)
        return batch if self.boost is None else self.boost(batch, seed=seed, step=step)


class Sign(nn.Module):
    """Takes -u for u, -f for f, and -c for coefficients that change their sign with u.

    Args:
        problems: whose equations are the same for -u.
        names: of the operator's channels.
    """

    def __init__(self, problems: Sequence[Problem], names: ChannelNames) -> None:
        super().__init__()
        equations = [problem.known_equation() for problem in problems]
        self.is_odd = ProblemTable(
            [[name in e.odd_coefficients for name in names.coefficients] for e in equations]
        )
        self.is_even = ProblemTable(
            [[field_of(name) in e.even_fields for name in names.fields] for e in equations]
        )

    def reversed(self, batch: Batch, is_reversed: Int[Tensor, " B"]) -> Batch:
        """Reverse the samples with a 1."""
        d, twice = batch.dataset, 2.0 * is_reversed[:, None]
        of_inputs, of_outputs, of_coefficients = (
            (1.0 - twice * is_odd).to(batch.inputs.dtype)
            for is_odd in (1.0 - self.is_even.rows[d], 1.0, self.is_odd.rows[d])
        )
        return batch._replace(
            inputs=of_inputs[..., None, None] * batch.inputs,
            outputs=of_outputs[..., None, None, None] * batch.outputs,
            coefficients=of_coefficients * batch.coefficients,
        )


def _question(problem: Problem) -> Question:
    return Question(
        name=problem.name,
        equation=problem.known_equation(),
        grid=problem.grid,
        input_fields=dict.fromkeys(map(field_of, problem.input_fields)),
        has_equal_intervals=problem.has_equal_intervals,
    )


def moved(batch: Batch, changes: CoordinateChanges, elements: Int[Tensor, " B"]) -> Batch:
    """Apply element g of each sample to it: M(g) f(g⁻¹x), M(g) u(g⁻¹x) of all steps, M(g) c."""
    problem = batch.dataset
    return batch._replace(
        inputs=changes.move_inputs(batch.inputs, problem, elements),
        outputs=changes.move_outputs(batch.outputs, problem, elements),
        coefficients=changes.move_coefficients(batch.coefficients, problem, elements),
    )


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
