"""Apply a neural operator to a user's arrays, NumPy's or torch's."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.operators.description import TrainedProblem
from lightning_sciml.operators.network_contract import ChannelNames, matched_outputs
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.named_equation import named_equation
from lightning_sciml.pde.residual import relative_residual
from lightning_sciml.pde.walls import has_continuation

Array = np.ndarray[Any, Any] | Tensor
Number = float | Sequence[float] | Array


@dataclass(frozen=True, kw_only=True)
class PredictionReport:
    """PDE residual of a prediction, and coefficients outside the training range.

    Attributes:
        pde_residual: ‖Lû - f‖/‖f‖ of each sample, in float64; None where no equation is known.
        outside: coefficients with values outside those of the training: (smallest, largest) of the
            training, by name. An operator extrapolates there.
    """

    pde_residual: Float[np.ndarray, " B"] | None
    outside: dict[str, tuple[float, float]]


def fields_in_order(
    fields: Array | Mapping[str, Array], names: Sequence[str], trained: TrainedProblem
) -> Float[Tensor, "B S H W"]:
    """Stack a user's fields in an operator's order; channels that the problem lacks are zero.

    Raises:
        InputError: shapes or values that the operator cannot use.
    """
    by_name = fields if isinstance(fields, Mapping) else {trained.input_fields[0]: fields}
    arrays = {name: _field(name, array, trained.grid) for name, array in by_name.items()}
    shapes = {name: tuple(array.shape) for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise InputError(f"all fields need one shape, got {shapes}")
    zeros = torch.zeros_like(next(iter(arrays.values())))
    return torch.stack([arrays.get(name, zeros) for name in names], dim=1)


def coefficients_in_order(
    coefficients: Mapping[str, Number], names: Sequence[str], num_samples: int
) -> Float[Tensor, "B c"]:
    """Give each sample a user's coefficients in an operator's order; those not given are zero.

    Raises:
        InputError: shapes or values that the operator cannot use.
    """
    columns = torch.zeros(num_samples, len(names))
    for name, values in coefficients.items():
        given = _finite(name, values)
        if given.ndim > 1 or given.numel() not in (1, num_samples):
            raise InputError(
                f"{name} must be one number, or one for each of the {num_samples} samples, got the "
                f"shape {tuple(given.shape)}"
            )
        columns[:, names.index(name)] = given
    return columns


def as_given(
    predicted: Float[Tensor, "B *K F H W"],
    names: Sequence[str],
    problem: Problem,
    fields: Array | Mapping[str, Array],
) -> Any:
    """Return predictions in the shape, kind and place of the user's fields.

    Args:
        predicted: of the operator.
        names: of its output fields; several are returned by name.
        problem: which of them are returned.
        fields: what the user gave.
    """
    given = next(iter(fields.values())) if isinstance(fields, Mapping) else fields
    results = {}
    for name, place in zip(
        problem.output_fields, matched_outputs(problem.output_fields, names), strict=True
    ):
        field = predicted.select(-3, place)
        shaped = field[0] if given.ndim == 2 else field
        results[name] = shaped.to(given.device) if isinstance(given, Tensor) else _on_host(shaped)
    return results if len(names) > 1 else next(iter(results.values()))


def _on_host(field: Float[Tensor, "..."]) -> Float[np.ndarray, "..."]:
    return np.ascontiguousarray(field.cpu().numpy())


def report_on(
    predicted: Float[Tensor, "B K F H W"],
    inputs: Float[Tensor, "B S H W"],
    coefficients: Float[Tensor, "B c"],
    names: ChannelNames,
    trained: TrainedProblem,
) -> PredictionReport:
    """Measure what is known without a reference solution.

    Args:
        predicted: all output fields of the operator.
        inputs: all its input fields.
        coefficients: all of the operator.
        names: of the operator's channels.
        trained: the problem.
    """
    equation, residual = named_equation(trained.equation, trained.parameters), None
    numbers = coefficients.double().numpy()
    by_name = dict(zip(names.coefficients, numbers.T, strict=True))
    boundary = trained.grid.boundary
    if equation is not None and not trained.state_fields and has_continuation(boundary):
        place = matched_outputs(trained.output_fields, names.outputs)[0]
        source = inputs[:, names.fields.index(trained.input_fields[0])]
        u, f = predicted[:, 0, place].double().cpu().numpy(), source.double().numpy()
        own = numbers[:, [names.coefficients.index(name) for name in trained.coefficient_names]]
        residual = relative_residual(equation, u, f, own, boundary=boundary)
    outside = {}
    for name in trained.asked_names:
        values = by_name[name]
        low, high = trained.ranges[name]
        slack = 1e-6 * max(abs(low), abs(high))  # stored ranges are float64, inputs float32
        if values.min() < low - slack or values.max() > high + slack:
            outside[name] = (low, high)
    return PredictionReport(pde_residual=residual, outside=outside)


def trained_problem_like(
    trained_on: Sequence[TrainedProblem],
    fields: Array | Mapping[str, Array],
    coefficients: Mapping[str, Number],
    name: str | None,
) -> TrainedProblem:
    """Find the training problem that has these fields and coefficients, and the name if given.

    Raises:
        InputError: there is none, or there are several that differ.
    """
    named = [p for p in trained_on if name in (None, p.name)]
    if not named:
        known = " or ".join(p.name for p in trained_on)
        raise InputError(f"problem must be {known}, got {name}")
    with_fields = [p for p in named if _has_fields(p, fields)]
    if not with_fields:
        choices = dict.fromkeys(", ".join(p.input_fields) for p in named)
        got = "one array; give a mapping from these names to arrays"
        if isinstance(fields, Mapping):
            got = (", ".join(fields) or "none") + _missing_states(named, fields)
        raise InputError(f"the operator takes the fields {'; or '.join(choices)}, got {got}")
    alike = [p for p in with_fields if set(p.asked_names) == set(coefficients)]
    if not alike:
        names = {p.name: ", ".join(p.asked_names) or "none" for p in with_fields}
        wanted = "; or ".join(f"{text} ({of})" for of, text in names.items())
        got = ", ".join(coefficients) or "none"
        first = with_fields[0].asked_names
        which = "them" if len(names) == 1 else "those of one problem"
        such = f" by name: {', '.join(f'{n}=...' for n in first)}" if first else ""
        raise InputError(
            f"the operator takes the coefficients {wanted}, got {got}; give {which}{such}"
        )
    if len({_kind(p) for p in alike}) > 1:
        raise InputError(
            "the coefficients belong to several of the training problems; give problem="
            f"{' or '.join(p.name for p in alike)}"
        )
    return alike[0]


def _missing_states(problems: Sequence[TrainedProblem], fields: Mapping[str, Array]) -> str:
    """Say how earlier states are given, where nothing but some of these is missing."""
    for missing in (set(p.input_fields) - set(fields) for p in problems):
        if missing and all("@" in name for name in missing):
            return "; give the states before as NAME@-1, NAME@-2 and so on"
    return ""


def are_alike(one: TrainedProblem, other: TrainedProblem) -> bool:
    """Tell whether predictions for two training problems are the same for the same arrays."""
    names = [(set(p.input_fields), set(p.asked_names)) for p in (one, other)]
    return names[0] == names[1] and _kind(one) == _kind(other)


def _kind(problem: TrainedProblem) -> tuple[Any, ...]:
    """What a prediction for the problem depends on."""
    p, grid = problem, problem.grid
    return p.equation, str(p.parameters), p.output_fields, grid.boundary, grid.lengths


def _has_fields(problem: TrainedProblem, fields: Array | Mapping[str, Array]) -> bool:
    """Tell whether a problem has exactly these input fields; of a single array one field."""
    if isinstance(fields, Mapping):
        return set(problem.input_fields) == set(fields)
    return len(problem.input_fields) == 1


def _field(name: str, array: Array, grid: Grid) -> Float[Tensor, "B H W"]:
    tensor = _finite(name, array)
    H, W = tensor.shape[-2:] if tensor.ndim in (2, 3) else (0, 0)
    (height, width), common = grid.shape, math.gcd(*grid.shape)
    if not tensor.numel() or H * width != W * height or not H * W:
        raise InputError(
            f"{name} must be (H, W) or (B, H, W), [y, x], with H:W = {height // common}:"
            f"{width // common} as in the training, got {tuple(tensor.shape)}"
        )
    return tensor[None] if tensor.ndim == 2 else tensor


def _finite(name: str, values: Any) -> Tensor:
    """Convert numbers of any real type and layout, NumPy's or torch's, to float32 on the CPU."""
    if not isinstance(values, Tensor):
        array = np.asarray(values)
        if array.dtype.kind not in "biufc":
            raise InputError(f"{name} must be numbers, got an array of {array.dtype}")
        if array.dtype.kind != "c":
            is_single = np.can_cast(array.dtype, np.float32)
            array = array.astype(np.float32 if is_single else np.float64, order="C")
        values = torch.from_numpy(array)
    if values.is_complex():
        raise InputError(f"{name} must be real, got complex numbers")
    tensor: Tensor = values.detach().cpu().float()
    if not bool(torch.isfinite(tensor).all()):
        raise InputError(f"{name} must be finite in float32, got NaN or an infinity")
    return tensor
