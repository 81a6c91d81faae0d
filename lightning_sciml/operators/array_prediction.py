"""Apply a neural operator to a user's arrays, NumPy's or torch's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.operators.description import TrainedProblem
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.residual import relative_residual
from lightning_sciml.pde.steady import named_equation

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


@dataclass(frozen=True, kw_only=True)
class ArrayProblem:
    """Problems that a user gave as arrays, in the order and precision of an operator.

    Attributes:
        inputs: (B, S, H, W) float32.
        coefficients: (B, c) float32.
        trained: the training problem that they are like.
        problem: its equation and columns.
    """

    inputs: Float[Tensor, "B S H W"]
    coefficients: Float[Tensor, "B c"]
    trained: TrainedProblem
    problem: Problem

    def outside(self) -> dict[str, tuple[float, float]]:
        """Name the coefficients that leave the range of the training, and that range."""
        found = {}
        for name, column in zip(self.trained.coefficient_names, self.problem.columns, strict=True):
            low, high = self.trained.ranges[name]
            values = self.coefficients[:, column].double()
            slack = 1e-6 * max(abs(low), abs(high))  # stored ranges are float64, inputs float32
            if values.min() < low - slack or values.max() > high + slack:
                found[name] = (low, high)
        return found


def array_problem(
    fields: Array | Mapping[str, Array],
    coefficients: Mapping[str, Number],
    *,
    input_fields: Sequence[str],
    coefficient_names: Sequence[str],
    trained_on: Sequence[TrainedProblem],
    problem: str | None = None,
) -> ArrayProblem:
    """Bring a user's arrays into the order of an operator.

    Args:
        fields: [y, x] arrays (N, N) or (B, N, N); by name where there are several.
        coefficients: a number, or one for each sample, by name.
        input_fields: of the operator.
        coefficient_names: of the operator.
        trained_on: of the operator.
        problem: name of the training problem that these are like, where names do not tell.

    Raises:
        InputError: names, shapes or values that the operator cannot use.
    """
    if not isinstance(fields, Mapping):
        if len(input_fields) > 1:
            raise InputError(
                f"the operator takes the fields {', '.join(input_fields)}, got one array; give a "
                "mapping from these names to arrays"
            )
        fields = {input_fields[0]: fields}
    inputs = _stacked(fields, input_fields)
    trained = _trained_problem(trained_on, coefficients, problem)
    columns = tuple(coefficient_names.index(n) for n in trained.coefficient_names)
    numbers = torch.zeros(len(inputs), len(coefficient_names))
    for name, column in zip(trained.coefficient_names, columns, strict=True):
        numbers[:, column] = _numbers(name, coefficients[name], len(inputs))
    return ArrayProblem(
        inputs=inputs,
        coefficients=numbers,
        trained=trained,
        problem=Problem(
            name=trained.name,
            coefficient_names=trained.coefficient_names,
            equation=named_equation(trained.equation, trained.parameters),
            columns=columns,
        ),
    )


def report_on(solution: Float[Tensor, "B H W"], given: ArrayProblem) -> PredictionReport:
    """Measure what is known without a reference solution."""
    equation, residual = given.problem.equation, None
    if equation is not None:
        columns = list(given.problem.columns)
        residual = relative_residual(
            equation,
            solution.double().cpu().numpy(),
            given.inputs[:, 0].double().numpy(),
            given.coefficients[:, columns].double().numpy(),
        )
    return PredictionReport(pde_residual=residual, outside=given.outside())


def _stacked(fields: Mapping[str, Array], names: Sequence[str]) -> Float[Tensor, "B S H W"]:
    """Stack the fields in the operator's order as one float32 tensor."""
    if set(fields) != set(names):
        raise InputError(
            f"the operator takes the fields {', '.join(names)}, got {', '.join(fields) or 'none'}"
        )
    arrays = [_field(name, fields[name]) for name in names]
    shapes = {name: tuple(array.shape) for name, array in zip(names, arrays, strict=True)}
    if len(set(shapes.values())) > 1:
        raise InputError(f"all fields need one shape, got {shapes}")
    return torch.stack(arrays, dim=1)


def _field(name: str, array: Array) -> Float[Tensor, "B N N"]:
    tensor = _real(name, array).float()
    if tensor.ndim not in (2, 3) or tensor.shape[-1] != tensor.shape[-2] or not tensor.numel():
        raise InputError(
            f"{name} must be (N, N) or (B, N, N), [y, x] on the periodic square, got "
            f"{tuple(tensor.shape)}"
        )
    if not bool(torch.isfinite(tensor).all()):
        raise InputError(f"{name} must be finite in float32, got NaN or an infinity")
    return tensor[None] if tensor.ndim == 2 else tensor


def _real(name: str, values: Any) -> Tensor:
    """The values on the CPU, of any NumPy or torch type of real number, in any layout."""
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
    return values.detach().cpu()


def _numbers(name: str, values: Number, num_samples: int) -> Float[Tensor, " B"]:
    tensor = _real(name, values).double()
    if tensor.ndim > 1 or tensor.numel() not in (1, num_samples):
        raise InputError(
            f"{name} must be one number, or one for each of the {num_samples} samples, got the "
            f"shape {tuple(tensor.shape)}"
        )
    if not bool(torch.isfinite(tensor).all()):
        raise InputError(f"{name} must be finite, got NaN or an infinity")
    return tensor.float()


def _trained_problem(
    trained_on: Sequence[TrainedProblem], coefficients: Mapping[str, Number], name: str | None
) -> TrainedProblem:
    """Find the training problem that has exactly these coefficients."""
    among = [p for p in trained_on if name in (None, p.name)]
    alike = [p for p in among if set(p.coefficient_names) == set(coefficients)]
    if not alike:
        choices = {p.name: ", ".join(p.coefficient_names) or "none" for p in trained_on}
        wanted = "; or ".join(f"{text} ({of})" for of, text in choices.items())
        raise InputError(
            f"the coefficients {', '.join(coefficients) or 'none'} are none that the operator was "
            f"trained on; give {wanted}" + (f"; problem is {name}" if name else "")
        )
    equations = {(p.equation, str(p.parameters)) for p in alike}
    if len(equations) > 1:
        raise InputError(
            "the coefficients belong to several of the training problems; give problem="
            f"{' or '.join(p.name for p in alike)}"
        )
    return alike[0]
