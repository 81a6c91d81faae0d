"""Where moved fields take their values from, in an exported graph: its grid is a symbol there."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.symmetries import is_symmetry


def points_in_graph(
    fields: Float[Tensor, "B *C H W"],
    grids: Sequence[Grid],
    matrices: Int[np.ndarray, "G 2 2"],
    problem: Int[Tensor, " B"],
    elements: Int[Tensor, " B"],
) -> Int[Tensor, "B n"]:
    """Find the points that each sample's fields are moved from, as ``symmetries.moved_points``.

    Args:
        fields: on a grid of any size; of a square grid H = W.
        grids: of the problems.
        matrices: g⁻¹ of each element; what is no symmetry of a grid moves nothing on it.
        problem: number of each sample's problem.
        elements: number of each sample's element.
    """
    height, width = fields.shape[-2:]
    if any(grid.is_square for grid in grids):
        torch._check(height == width)
    unmoved = np.eye(2, dtype=int)
    own = [[g if is_symmetry(g, grid) else unmoved for g in matrices] for grid in grids]
    walls = [[kind != "periodic" for kind in grid.boundary] for grid in grids]
    (xx, xy), (yx, yy) = (
        [entry[..., None, None] for entry in row.unbind(-1)]
        for row in torch.tensor(np.array(own))[problem, elements].unbind(-2)
    )
    H, W = (torch.full((), n, dtype=torch.long) for n in (height, width))
    y_wall, x_wall = torch.tensor(walls).long()[problem, :, None, None].unbind(1)
    # twice the distance, in steps, from the point that g leaves where it is
    y_first, x_first = y_wall * (1 - H), x_wall * (1 - W)
    y, x = 2 * torch.arange(height)[:, None] + y_first, 2 * torch.arange(width) + x_first
    y_from = (yx * x + yy * y - y_first).remainder(2 * H) // 2
    x_from = (xx * x + xy * y - x_first).remainder(2 * W) // 2
    return (y_from * W + x_from).flatten(1)
