"""The coordinates in which a network sees a problem: its standard form, or all eight images."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_sciml.operators.problem import Problem, by_problem
from lightning_sciml.pde.symmetries import BASES, SQUARE, moved_points

Coordinates = Literal["lattice", "square", "square_average"]
"""lattice: the coordinates of the torus, of those that integer matrices give, in which the
problem's diffusion is least anisotropic. square: one of the eight images of the problem under the
symmetries of the square, the same for all of them. square_average: in evaluation, the mean of the
predictions for all eight images.
"""

Elements = Int[Tensor, " B"]


class CoordinateChanges(nn.Module):
    """Linear maps x ↦ gx of the torus that act on fields and coefficients, each sample by its own.

    Fields are moved by indexing, so nothing is rounded; coefficients are not rounded by elements of
    ``SQUARE``, whose matrices hold one ±1 a row.

    Args:
        problems: whose equations tell how coefficients change.
        num_coefficients: c of the operator.
        matrices: the maps g: integers, with determinant ±1. Of an equation with a Laplacian only
            those of ``SQUARE`` are symmetries.

    Raises:
        InputError: a problem has no equation.
    """

    coefficient_maps: Tensor
    """(P, G, c, c): M(g) of each problem on the operator's columns; 0 on those that it lacks."""

    def __init__(
        self,
        problems: Sequence[Problem],
        num_coefficients: int,
        matrices: Int[np.ndarray, "G 2 2"],
    ) -> None:
        super().__init__()
        self.problems, self.matrices = tuple(problems), matrices
        maps = np.zeros((len(problems), len(matrices), num_coefficients, num_coefficients))
        for of_problem, p in zip(maps, problems, strict=True):
            for of_element, g in zip(of_problem, matrices, strict=True):
                of_element[np.ix_(p.columns, p.columns)] = p.known_equation().coefficient_map(g)
        # A constant, made anew by every run: it does not belong into a checkpoint.
        self.register_buffer("coefficient_maps", torch.from_numpy(maps).float(), persistent=False)
        self._points: dict[tuple[int, torch.device], tuple[Tensor, Tensor]] = {}

    def move_field(
        self, field: Float[Tensor, "B 1 N N"], elements: Elements
    ) -> Float[Tensor, "B 1 N N"]:
        """u(g⁻¹x) of each sample."""
        points, _ = self._on_grid(field)
        return field.flatten(1).gather(1, points[elements]).view_as(field)

    def move_field_back(
        self, field: Float[Tensor, "B 1 N N"], elements: Elements
    ) -> Float[Tensor, "B 1 N N"]:
        """u(gx) of each sample: undo ``move_field``."""
        _, points_back = self._on_grid(field)
        return field.flatten(1).gather(1, points_back[elements]).view_as(field)

    def move_coefficients(
        self,
        coefficients: Float[Tensor, "B c"],
        problem: Int[Tensor, " B"],
        elements: Elements,
    ) -> Float[Tensor, "B c"]:
        """M(g) c of each sample."""
        maps = self.coefficient_maps[problem, elements]
        return (maps * coefficients[:, None]).sum(dim=-1)

    def all_coefficients(
        self, coefficients: Float[Tensor, "B c"], problem: Int[Tensor, " B"]
    ) -> Float[Tensor, "B G c"]:
        """M(g) c for all elements."""
        maps = self.coefficient_maps[problem]
        return (maps * coefficients[:, None, None]).sum(dim=-1)

    def _on_grid(self, field: Float[Tensor, "B 1 N N"]) -> tuple[Tensor, Tensor]:
        """(G, N²) indices of the points that fields are moved from, and back from."""
        key = (field.shape[-1], field.device)
        if key not in self._points:
            points = np.stack([moved_points(g, field.shape[-1]) for g in self.matrices])
            there = torch.from_numpy(points).to(field.device)
            self._points[key] = there, there.argsort(dim=1)
        return self._points[key]


class LatticeReduction(CoordinateChanges):
    """Coordinates of the torus in which a sample's diffusion is least anisotropic.

    det K is the same in all of them, so g minimises the mean eigenvalue of gKgᵀ: that is Lagrange's
    reduction of the quadratic form kᵀKk, after which 2|k12| ≤ min(k11, k22). The Laplacian of
    Helmholtz is isotropic already; its problems stay as they are.
    """

    def __init__(self, problems: Sequence[Problem], num_coefficients: int) -> None:
        super().__init__(problems, num_coefficients, BASES)

    def elements(self, coefficients: Float[Tensor, "B c"], problem: Int[Tensor, " B"]) -> Elements:
        """The first element with the smallest mean diffusivity."""
        moved = self.all_coefficients(coefficients, problem)
        B, G, _ = moved.shape
        means = by_problem(
            lambda equation, c: equation.mean_diffusivity(c),
            moved.flatten(0, 1),
            problem.repeat_interleave(G),
            self.problems,
        ).view(B, G)
        return means.argmin(dim=1)


class SquareSymmetries(CoordinateChanges):
    """The eight flips and transpositions."""

    order: Tensor

    def __init__(self, problems: Sequence[Problem], num_coefficients: int) -> None:
        super().__init__(problems, num_coefficients, SQUARE)
        # The coefficients that are compared, in the order of each equation; the last one again and
        # again decides nothing.
        rows = [
            (*p.columns, *p.columns[-1:] * num_coefficients)[:num_coefficients] for p in problems
        ]
        order = torch.tensor(rows, dtype=torch.long).view(len(rows), num_coefficients)
        self.register_buffer("order", order, persistent=False)

    def elements(self, coefficients: Float[Tensor, "B c"], problem: Int[Tensor, " B"]) -> Elements:
        """The first element that makes each sample's coefficients lexicographically greatest.

        Moved coefficients are compared bit by bit, so all samples of an orbit are sent to the same
        coefficients. Elements that leave those alone (x ↦ -x where there is no velocity, all eight
        for the Laplacian) are not decided between.
        """
        moved = self.all_coefficients(coefficients, problem)
        moved = moved.gather(2, self.order[problem][:, None].expand_as(moved))
        is_greatest = torch.ones_like(moved[..., 0], dtype=torch.bool)
        for column in moved.unbind(dim=-1):
            among = torch.where(is_greatest, column, -torch.inf)
            is_greatest = is_greatest & (among == among.amax(dim=1, keepdim=True))
        return is_greatest.int().argmax(dim=1)

    def average(
        self,
        solve: Callable[[Tensor, Tensor, Tensor], Float[Tensor, "B 1 N N"]],
        inputs: Float[Tensor, "B 1 N N"],
        coefficients: Float[Tensor, "B c"],
        problem: Int[Tensor, " B"],
    ) -> Float[Tensor, "B 1 N N"]:
        """Mean over the group of g⁻¹ applied to the prediction for g applied to the problem.

        It is equivariant whatever `solve` is, up to the order of eight terms in a sum, and in the
        mean over the group no worse: for errors e_g, ‖Σ e_g / 8‖ ≤ Σ ‖e_g‖ / 8.
        """
        total = torch.zeros_like(inputs)
        for g in range(len(SQUARE)):
            elements = torch.full_like(problem, g)
            moved = solve(
                self.move_field(inputs, elements),
                self.move_coefficients(coefficients, problem, elements),
                problem,
            )
            total += self.move_field_back(moved, elements)
        return total / len(SQUARE)
