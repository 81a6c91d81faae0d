"""The coordinates in which a network sees a problem: its standard form, or all of its images."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.operators.field_maps import FieldMaps
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.points_in_graph import points_in_graph
from lightning_sciml.operators.problem import Problem, by_problem
from lightning_sciml.pde.exact_augmentations import lattice_fault
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.symmetries import BASES, SQUARE, is_symmetry, moved_points

Coordinates = Literal["lattice", "square", "square_average"]
"""lattice: the coordinates of the torus, of those that integer matrices give, in which the
problem's diffusion is least anisotropic. square: one of the eight images of the problem under the
symmetries of the square, the same for all of them. square_average: in evaluation, the mean of the
predictions for all eight images. Of a grid that is no square the four flips alone are symmetries.
"""

Numbers = Int[Tensor, " B"]


class CoordinateChanges(nn.Module):
    """Linear maps x ↦ gx of the domain that act on fields and coefficients, each sample by its own.

    Fields are moved by indexing, so nothing is rounded; coefficients are not rounded by elements of
    ``SQUARE``, whose matrices hold one ±1 a row. Nor are vectors.

    Args:
        problems: whose equations tell how coefficients and fields change.
        names: of the operator's channels.
        matrices: the maps g: integers, with determinant ±1. Of an equation with a Laplacian only
            those of ``SQUARE`` are symmetries.

    Raises:
        InputError: a problem has no equation, or a vector without one of its components.
    """

    coefficient_maps: Tensor
    """(P, G, c, c): M(g) of each problem on the operator's columns; 1 on those that it lacks."""
    kind: Tensor
    """(P,): which of the different kinds of grids a problem has, by boundary and shape."""

    def __init__(
        self, problems: Sequence[Problem], names: ChannelNames, matrices: Int[np.ndarray, "G 2 2"]
    ) -> None:
        super().__init__()
        self.problems, self.matrices = tuple(problems), matrices
        num_coefficients = len(names.coefficients)
        shape = (len(problems), len(matrices), num_coefficients, num_coefficients)
        maps = np.broadcast_to(np.eye(num_coefficients), shape).copy()
        for of_problem, p in zip(maps, problems, strict=True):
            for of_element, g in zip(of_problem, matrices, strict=True):
                of_element[np.ix_(p.columns, p.columns)] = p.known_equation().coefficient_map(g)
        # A constant, made anew by every run: it does not belong into a checkpoint.
        self.register_buffer("coefficient_maps", torch.from_numpy(maps).float(), persistent=False)
        self.of_inputs = FieldMaps.of_inputs(problems, names, matrices)
        self.of_outputs = FieldMaps.of_outputs(problems, names, matrices)
        kinds = {(p.grid.boundary, p.grid.is_square): p.grid for p in problems}
        self._grids, numbers = list(kinds.values()), list(kinds)
        kind = torch.tensor([numbers.index((p.grid.boundary, p.grid.is_square)) for p in problems])
        self.register_buffer("kind", kind, persistent=False)
        self._points: dict[tuple[torch.Size, torch.device], tuple[Tensor, Tensor]] = {}

    def move_inputs(
        self, inputs: Float[Tensor, "B S H W"], problem: Numbers, elements: Numbers
    ) -> Float[Tensor, "B S H W"]:
        """M(g) f(g⁻¹x) of each sample."""
        taken = _values_at(self._points_from(inputs, problem, elements), inputs)
        return self.of_inputs(taken, problem, elements)

    def move_outputs(
        self, outputs: Float[Tensor, "B *K F H W"], problem: Numbers, elements: Numbers
    ) -> Float[Tensor, "B *K F H W"]:
        """M(g) u(g⁻¹x) of each sample, of one step or of several."""
        taken = _values_at(self._points_from(outputs, problem, elements), outputs)
        return self.of_outputs(taken, problem, elements)

    def move_outputs_back(
        self, outputs: Float[Tensor, "B *K F H W"], problem: Numbers, elements: Numbers
    ) -> Float[Tensor, "B *K F H W"]:
        """M(g)⁻¹ u(gx) of each sample: undo ``move_outputs``."""
        mapped = self.of_outputs(outputs, problem, elements, back=True)
        return _values_at(self._points_from(outputs, problem, elements, back=True), mapped)

    def move_coefficients(
        self, coefficients: Float[Tensor, "B c"], problem: Numbers, elements: Numbers
    ) -> Float[Tensor, "B c"]:
        """M(g) c of each sample."""
        maps = self.coefficient_maps[problem, elements]
        return (maps * coefficients[:, None]).sum(dim=-1)

    def all_coefficients(
        self, coefficients: Float[Tensor, "B c"], problem: Numbers
    ) -> Float[Tensor, "B G c"]:
        """M(g) c for all elements."""
        maps = self.coefficient_maps[problem]
        return (maps * coefficients[:, None, None]).sum(dim=-1)

    def _points_from(
        self,
        fields: Float[Tensor, "B *C H W"],
        problem: Numbers,
        elements: Numbers,
        *,
        back: bool = False,
    ) -> Int[Tensor, "B n"]:
        """Find the points from which each sample's fields are moved by its element, or back."""
        if torch.compiler.is_exporting():
            inverses = np.rint(np.linalg.inv(self.matrices)).astype(int)
            grids, matrices = [p.grid for p in self.problems], self.matrices if back else inverses
            return points_in_graph(fields, grids, matrices, problem, elements)
        points = self._on_grid(fields)[back]
        return points[0][elements] if len(points) == 1 else points[self.kind[problem], elements]

    def _on_grid(self, field: Float[Tensor, "B *C H W"]) -> tuple[Tensor, Tensor]:
        """(kinds, G, H·W) indices of the points that fields are moved from, and back from."""
        key = (field.shape[-2:], field.device)
        if key not in self._points:
            height, width = key[0]
            if height != width and all(grid.is_square for grid in self._grids):
                raise InputError(
                    f"the problem has as many points along y as along x, got fields of "
                    f"{height}x{width}"
                )
            points = np.stack([self._moved_points(grid, *key[0]) for grid in self._grids])
            there = torch.from_numpy(points).to(field.device)
            self._points[key] = there, there.argsort(dim=-1)
        return self._points[key]

    def _moved_points(self, grid: Grid, height: int, width: int) -> Int[np.ndarray, "G n"]:
        """Find the points of each element; what is no symmetry of the grid moves none."""
        here, unmoved = replace(grid, shape=(height, width)), np.arange(height * width)
        return np.stack(
            [moved_points(g, here) if is_symmetry(g, here) else unmoved for g in self.matrices]
        )


def _values_at(
    points: Int[Tensor, "B n"], fields: Float[Tensor, "B *C H W"]
) -> Float[Tensor, "B *C H W"]:
    """Take the values of each sample's channels from its points."""
    channels = fields.flatten(1, -3).flatten(2)
    return channels.gather(2, points[:, None].expand_as(channels)).view_as(fields)


class LatticeReduction(CoordinateChanges):
    """Coordinates of the torus in which a sample's diffusion is least anisotropic.

    det K is the same in all of them, so g minimises the mean eigenvalue of gKgᵀ: that is Lagrange's
    reduction of the quadratic form kᵀKk, after which 2|k12| ≤ min(k11, k22). The Laplacian of
    Helmholtz is isotropic already; its problems stay as they are.

    Raises:
        InputError: a grid is not a periodic square, or a problem has no equation Lu = f.
    """

    def __init__(self, problems: Sequence[Problem], names: ChannelNames) -> None:
        super().__init__(problems, names, BASES)
        for p in problems:
            if fault := lattice_fault(p.name, p.known_equation(), p.grid):
                raise InputError(fault)

    def elements(self, coefficients: Float[Tensor, "B c"], problem: Numbers) -> Numbers:
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
    """The flips and transpositions that are symmetries of each problem, of grid and equation.

    They are eight on a square, four on a rectangle, and fewer where a force has a direction.
    """

    order: Tensor
    symmetries: Tensor
    """(P, 8): the elements of ``SQUARE`` that a problem has, again and again."""
    num_symmetries: Tensor
    """(P,): how many these are."""

    def __init__(self, problems: Sequence[Problem], names: ChannelNames) -> None:
        super().__init__(problems, names, SQUARE)
        num_coefficients = len(names.coefficients)
        # The coefficients that are compared, in the order of each equation; the last one again and
        # again, or one of another equation, decides nothing.
        rows = [
            (*p.columns, *(p.columns[-1:] or (0,)) * num_coefficients)[:num_coefficients]
            for p in problems
        ]
        order = torch.tensor(rows, dtype=torch.long).view(len(rows), num_coefficients)
        self.register_buffer("order", order, persistent=False)
        symmetries = [tuple(i for i, g in enumerate(SQUARE) if p.has_symmetry(g)) for p in problems]
        repeated = torch.tensor([(own * len(SQUARE))[: len(SQUARE)] for own in symmetries])
        self.register_buffer("symmetries", repeated, persistent=False)
        counts = torch.tensor([len(own) for own in symmetries])
        self.register_buffer("num_symmetries", counts, persistent=False)
        self.size = max(map(len, symmetries))

    def elements(self, coefficients: Float[Tensor, "B c"], problem: Numbers) -> Numbers:
        """The first element that makes each sample's coefficients lexicographically greatest.

        Moved coefficients are compared bit by bit, so all samples of an orbit are sent to the same
        coefficients. Elements that leave those alone (x ↦ -x where there is no velocity, all eight
        for the Laplacian) are not decided between.
        """
        moved = self.all_coefficients(coefficients, problem)
        moved = moved.gather(2, self.order[problem][:, None].expand_as(moved))
        moved = moved.gather(1, self.symmetries[problem][..., None].expand_as(moved))
        is_greatest = torch.ones(moved.shape[:2], dtype=torch.bool, device=moved.device)
        for column in moved.unbind(dim=-1):
            among = torch.where(is_greatest, column, -torch.inf)
            is_greatest = is_greatest & (among == among.amax(dim=1, keepdim=True))
        return self.symmetries[problem, is_greatest.int().argmax(dim=1)]

    def average(
        self,
        solve: Callable[[Tensor, Tensor, Tensor], Float[Tensor, "B F H W"]],
        inputs: Float[Tensor, "B S H W"],
        coefficients: Float[Tensor, "B c"],
        problem: Numbers,
    ) -> Float[Tensor, "B F H W"]:
        """Mean over the group of g⁻¹ applied to the prediction for g applied to the problem.

        It is equivariant whatever `solve` is, up to the order of eight terms in a sum, and in the
        mean over the group no worse: for errors e_g, ‖Σ e_g / 8‖ ≤ Σ ‖e_g‖ / 8.
        """
        total = inputs.new_zeros(())
        for g in range(self.size):
            elements = self.symmetries[problem, g]
            moved = solve(
                self.move_inputs(inputs, problem, elements),
                self.move_coefficients(coefficients, problem, elements),
                problem,
            )
            total = total + self.move_outputs_back(moved, problem, elements)
        return total / self.size
