"""Samples in other coordinates: moved at random in training, to a standard form, or by all."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.pde.steady import Equation
from lightning_sciml.pde.symmetries import BASES, SQUARE, moved_points
from lightning_sciml.streaming.mixture import Batch, Mixture, MixtureMember, by_equation
from lightning_sciml.streaming.random_streams import Stream, stream_words

Elements = Int[Tensor, " B"]


class CoordinateChanges(nn.Module):
    """Problems (f, c) and fields under linear maps x ↦ gx of the torus, each sample by its own.

    Fields are moved by indexing alone, so nothing is rounded; nor are coefficients by elements of
    ``SQUARE``, whose matrices hold one ±1 a row.

    Args:
        mixture: gives the grid, and the equation by which each data set's coefficients change.
        matrices: the maps g: integers, with determinant ±1. Of an equation with a Laplacian only
            those of ``SQUARE`` are symmetries.

    Raises:
        InputError: a data set has no equation.
    """

    points: Tensor
    points_back: Tensor
    coefficient_maps: Tensor

    def __init__(self, mixture: Mixture, matrices: Int[np.ndarray, "G 2 2"]) -> None:
        super().__init__()
        points = torch.from_numpy(np.stack([moved_points(g, mixture.num_points) for g in matrices]))
        # Constants, made anew by every run: none of them belongs into a checkpoint.
        self.register_buffer("points", points, persistent=False)
        self.register_buffer("points_back", points.argsort(dim=1), persistent=False)
        maps = _coefficient_maps(mixture, matrices)
        self.register_buffer("coefficient_maps", maps, persistent=False)

    def move(self, batch: Batch, elements: Elements) -> Batch:
        """The batch with element g of each sample applied to it: f(g⁻¹x), u(g⁻¹x), M(g) c."""
        maps = self.coefficient_maps[batch.dataset, elements]
        return batch._replace(
            source=self.move_field(batch.source, elements),
            solution=self.move_field(batch.solution, elements),
            coefficients=(maps * batch.coefficients[:, None]).sum(dim=-1),
        )

    def move_field(
        self, field: Float[Tensor, "B 1 N N"], elements: Elements
    ) -> Float[Tensor, "B 1 N N"]:
        """u(g⁻¹x) of each sample."""
        return field.flatten(1).gather(1, self.points[elements]).view_as(field)

    def move_field_back(
        self, field: Float[Tensor, "B 1 N N"], elements: Elements
    ) -> Float[Tensor, "B 1 N N"]:
        """u(gx) of each sample: what ``move_field`` has moved, where it was."""
        return field.flatten(1).gather(1, self.points_back[elements]).view_as(field)

    def moved_coefficients(self, batch: Batch) -> Float[Tensor, "B G c"]:
        """M(g) c for all elements."""
        maps = self.coefficient_maps[batch.dataset]
        return (maps * batch.coefficients[:, None, None]).sum(dim=-1)


class LatticeReduction(CoordinateChanges):
    """Coordinates of the torus in which a sample's diffusion is least anisotropic.

    det K is the same in all of them, so g minimises the mean eigenvalue of gKgᵀ: that is Lagrange's
    reduction of the quadratic form kᵀKk, after which 2|k12| ≤ min(k11, k22). The Laplacian of
    Helmholtz is isotropic already; its problems stay as they are.

    Args:
        mixture: as in ``CoordinateChanges``.
    """

    def __init__(self, mixture: Mixture) -> None:
        super().__init__(mixture, BASES)
        self._members = mixture.members

    def elements(self, batch: Batch) -> Elements:
        """The first element with the smallest mean diffusivity."""
        moved = self.moved_coefficients(batch)
        B, G, _ = moved.shape
        means = by_equation(
            lambda equation, c: equation.mean_diffusivity(c),
            moved.flatten(0, 1),
            batch.dataset.repeat_interleave(G),
            self._members,
        ).view(B, G)
        return means.argmin(dim=1)


class SquareSymmetries(CoordinateChanges):
    """The eight flips and transpositions.

    Args:
        mixture: as in ``CoordinateChanges``.
    """

    def __init__(self, mixture: Mixture) -> None:
        super().__init__(mixture, SQUARE)

    def move_at_random(self, batch: Batch, *, seed: int, step: int) -> Batch:
        """Every sample moved by an element that is drawn for it in this step."""
        elements = random_integers(batch, len(SQUARE), Stream.SYMMETRY, seed=seed, step=step)
        return self.move(batch, elements)

    def canonical_elements(self, batch: Batch) -> Elements:
        """The first element that makes each sample's coefficients lexicographically greatest.

        Moved coefficients are compared bit by bit, so all samples of an orbit are sent to the same
        coefficients. Elements that leave those alone (x ↦ -x where there is no velocity, all eight
        for the Laplacian) are not decided between.
        """
        moved = self.moved_coefficients(batch)
        is_greatest = torch.ones_like(moved[..., 0], dtype=torch.bool)
        for column in moved.unbind(dim=-1):
            among = torch.where(is_greatest, column, -torch.inf)
            is_greatest = is_greatest & (among == among.amax(dim=1, keepdim=True))
        return is_greatest.int().argmax(dim=1)

    def average(
        self, predict: Callable[[Batch], Float[Tensor, "B 1 N N"]], batch: Batch
    ) -> Float[Tensor, "B 1 N N"]:
        """Mean over the group of g⁻¹ applied to the prediction for g applied to the problem.

        It is equivariant whatever `predict` is, up to the order of eight terms in a sum, and in the
        mean over the group no worse: for errors e_g, ‖Σ e_g / 8‖ ≤ Σ ‖e_g‖ / 8.
        """
        total = torch.zeros_like(batch.source)
        for g in range(len(SQUARE)):
            elements = torch.full_like(batch.dataset, g)
            moved = predict(self.move(batch, elements))
            total += self.move_field_back(moved, elements)
        return total / len(SQUARE)


def random_integers(
    batch: Batch, num_values: int, stream: Stream, *, seed: int, step: int
) -> Int[Tensor, " B"]:
    """Integers in [0, num_values): functions of (seed, stream, step, data set, sample index) alone.

    So they depend neither on ranks nor on what was drawn before, and a resumed run draws the same.
    Computed where the batch lies: products and shifts of integers are the same on every device.
    """
    key = int(stream_words(seed, stream, step, count=1, dtype=np.uint32)[0])
    return _mix(batch.sample_index ^ _mix(batch.dataset ^ key)) % num_values


def superposed(batch: Batch, *, seed: int, step: int) -> Batch:
    """f(x) + a f(x - s) and u(x) + a u(x - s), with a in [-1, 1) and s drawn for each sample.

    A linear operator with constant coefficients commutes with translations, so every sample stands
    for all superpositions of its translates: exact, as s is a grid point. Drawn like
    ``random_integers``.
    """
    N = batch.source.shape[-1]
    shift = random_integers(batch, N * N, Stream.SHIFT, seed=seed, step=step)
    amplitude = random_integers(batch, 1 << 24, Stream.AMPLITUDE, seed=seed, step=step)
    amplitude = amplitude / (1 << 23) - 1.0
    points = torch.arange(N * N, device=shift.device)
    y = (points // N - shift[:, None] // N) % N
    x = (points % N - shift[:, None] % N) % N
    moved_from, a = y * N + x, amplitude[:, None, None, None].to(batch.source.dtype)

    def added(field: Float[Tensor, "B 1 N N"]) -> Float[Tensor, "B 1 N N"]:
        return field + a * field.flatten(1).gather(1, moved_from).view_as(field)

    return batch._replace(source=added(batch.source), solution=added(batch.solution))


def _mix(x: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
    """MurmurHash3's 32-bit finaliser (Appleby 2011), on the low words of 64-bit integers."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        x = x & 0xFFFFFFFF
        x = (x ^ (x >> shift)) * factor
    return x & 0xFFFFFFFF


def known_equation(member: MixtureMember) -> Equation:
    """The equation of a data set, whose symmetries are to be used.

    Raises:
        InputError: it has none.
    """
    if member.equation is None:
        raise InputError(
            f"symmetries are those of an equation, got {member.name} without one; set augment, "
            "superpose, canonicalize, reduce_anisotropy and symmetrize to false"
        )
    return member.equation


def _coefficient_maps(
    mixture: Mixture, matrices: Int[np.ndarray, "G 2 2"]
) -> Float[Tensor, "D G c c"]:
    """M(g) of each data set's equation, on the mixture's columns; 0 on those that it lacks."""
    num_coefficients = len(mixture.coefficient_names)
    maps = np.zeros((len(mixture.members), len(matrices), num_coefficients, num_coefficients))
    for of_member, member in zip(maps, mixture.members, strict=True):
        equation, columns = known_equation(member), member.columns
        for of_element, g in zip(of_member, matrices, strict=True):
            of_element[np.ix_(columns, columns)] = equation.coefficient_map(g)
    return torch.from_numpy(maps).float()
