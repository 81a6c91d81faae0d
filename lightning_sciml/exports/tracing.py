"""Trace an operator into a graph that takes batches of any size on grids of any size."""

from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from lightning_sciml.errors import InputError
from lightning_sciml.exports.named_operator import NamedOperator
from lightning_sciml.models.dft_matrices import one_graph
from lightning_sciml.pde.grid import Grid

_BATCH = 3  # any number but 0 and 1, which the tracer takes for constants


def traced(named: NamedOperator) -> ExportedProgram:
    """Trace one step of an operator that is bound to its problem.

    Raises:
        InputError: the network cannot be traced, or not for any batch and grid.
    """
    given = _sample(named)
    any_size = {
        name: dict.fromkeys(range(tensor.ndim), torch.export.Dim.DYNAMIC)
        for name, tensor in given.items()
    }
    try:
        with one_graph(), torch.no_grad():
            return torch.export.export(named, (given,), dynamic_shapes=(any_size,), strict=False)
    except Exception as error:  # of dynamo, of sympy, and of the network itself
        name = type(named.operator.network).__name__
        raise InputError(
            f"the network {name} cannot be exported for any batch and grid: {_reason(error)}"
        ) from error


def smallest_grid(program: ExportedProgram) -> tuple[int, int]:
    """Find how few points along y and x the graph takes."""
    field = program.graph_signature.user_inputs[0]
    node = next(node for node in program.graph.nodes if node.name == field)
    height, width = (_smallest(program, size) for size in node.meta["val"].shape[1:])
    return height, width


def _smallest(program: ExportedProgram, size: Any) -> int:
    bounds = program.range_constraints.get(size.node.expr)
    return max(1, int(bounds.lower)) if bounds is not None else 1


def _sample(named: NamedOperator) -> dict[str, Tensor]:
    """Make inputs on a grid that is none of the training, as wide as it is high only if it has to.

    Its points are multiples of those of the training, for networks that halve their grids.
    """
    grid: Grid = named.problem.grid
    H, W = grid.shape
    wide = 1 if grid.is_square and named.operator.coordinates else 2
    shape = 2 * H, 2 * W * wide
    fields = {name: torch.ones(_BATCH, *shape) for name in named.fields}
    return fields | {name: torch.ones(_BATCH) for name in named.numbers}


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:300]}"
