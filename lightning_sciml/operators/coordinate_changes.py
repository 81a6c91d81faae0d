"""Changes of coordinates x ↦ gx that act on the fields and coefficients of each sample."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.operators.field_maps import FieldMaps, input_groups, output_groups
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.points_in_graph import points_in_graph
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.symmetries import is_symmetry, moved_points

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
        of_inputs = [input_groups(p, names) for p in problems]
        self.of_inputs = FieldMaps(problems, of_inputs, len(names.fields), matrices)
        of_outputs = [output_groups(p, names) for p in problems]
        self.of_outputs = FieldMaps(problems, of_outputs, len(names.outputs), matrices)
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
