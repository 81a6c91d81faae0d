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


def fields_in_order(
    fields: Array | Mapping[str, Array], names: Sequence[str]
) -> Float[Tensor, "B S N N"]:
    """Stack a user's fields in an operator's order.

    Raises:
        InputError: names, shapes or values that the operator cannot use.
    """
    if not isinstance(fields, Mapping):
        if len(names) > 1:
            raise InputError(
                f"the operator takes the fields {', '.join(names)}, got one array; give a mapping "
                "from these names to arrays"
            )
        fields = {names[0]: fields}
    if set(fields) != set(names):
        raise InputError(
            f"the operator takes the fields {', '.join(names)}, got {', '.join(fields) or 'none'}"
        )
    arrays = {name: _field(name, fields[name]) for name in names}
    shapes = {name: tuple(array.shape) for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise InputError(f"all fields need one shape, got {shapes}")
    return torch.stack(list(arrays.values()), dim=1)


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
    solution: Float[Tensor, "B H W"], fields: Array | Mapping[str, Array]
) -> Float[Array, "*B H W"]:
    """Return the solution in the shape, kind and place of the user's fields."""
    given = next(iter(fields.values())) if isinstance(fields, Mapping) else fields
    shaped = solution[0] if given.ndim == 2 else solution
    return shaped.to(given.device) if isinstance(given, Tensor) else shaped.cpu().numpy()


def report_on(
    solution: Float[Tensor, "B H W"],
    inputs: Float[Tensor, "B S H W"],
    coefficients: Float[Tensor, "B e"],
    trained: TrainedProblem,
) -> PredictionReport:
    """Measure what is known without a reference solution; coefficients are those of `trained`."""
    equation, residual = named_equation(trained.equation, trained.parameters), None
    numbers = coefficients.double().numpy()
    if equation is not None:
        u, f = solution.double().cpu().numpy(), inputs[:, 0].double().numpy()
        residual = relative_residual(equation, u, f, numbers)
    outside = {}
    for name, values in zip(trained.coefficient_names, numbers.T, strict=True):
        low, high = trained.ranges[name]
        slack = 1e-6 * max(abs(low), abs(high))  # stored ranges are float64, inputs float32
        if values.min() < low - slack or values.max() > high + slack:
            outside[name] = (low, high)
    return PredictionReport(pde_residual=residual, outside=outside)


def trained_problem_like(
    trained_on: Sequence[TrainedProblem], coefficients: Mapping[str, Number], name: str | None
) -> TrainedProblem:
    """Find the training problem that has exactly these coefficients, and the name if one is given.

    Raises:
        InputError: there is none, or there are several with different equations.
    """
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


def _field(name: str, array: Array) -> Float[Tensor, "B N N"]:
    tensor = _finite(name, array)
    if tensor.ndim not in (2, 3) or tensor.shape[-1] != tensor.shape[-2] or not tensor.numel():
        raise InputError(
            f"{name} must be (N, N) or (B, N, N), [y, x] on the periodic square, got "
            f"{tuple(tensor.shape)}"
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
