"""Which augmentations and coordinates are exact for which problems, and why others are not."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.named_equation import AnyEquation
from lightning_sciml.pde.steady import Equation


class Question(NamedTuple):
    """The problem of a data set, of which an augmentation is asked for.

    Attributes:
        name: of the data set.
        equation: of its samples.
        grid: of their fields.
        input_fields: of the problem, of any time.
        has_equal_intervals: whether the states of a window are equally far apart in time.
    """

    name: str
    equation: AnyEquation
    grid: Grid
    input_fields: Collection[str]
    has_equal_intervals: bool


def augmentation_fault(augmentation: str, asked: Question) -> str | None:
    """Say why an augmentation does not make solutions of a problem from others; None if it does."""
    found = _FAULTS[augmentation](asked)
    return f"{found}; leave {augmentation} out of augmentations" if found else None


def lattice_fault(name: str, equation: AnyEquation, grid: Grid) -> str | None:
    """Say why a problem has no coordinates of the lattice; None if it does."""
    if not isinstance(equation, Equation):
        found = f"those of equations Lu = f, {name} has none"
    elif not (grid.is_square and grid.is_periodic):
        found = f"those of a periodic square, {name} has {grid}"
    else:
        return None
    return f"coordinates lattice are {found}; leave lattice out of coordinates"


def _of_square(asked: Question) -> str:
    return ""


def _of_superposition(asked: Question) -> str:
    name, equation, grid, *_ = asked
    if not equation.is_linear:
        return f"superposition is for linear equations, that of {name} is {equation.name}"
    if not grid.is_periodic:
        return (
            f"superposition takes translates on periodic grids, {name} has the boundaries "
            f"{grid.boundary}"
        )
    return ""


def _of_sign(asked: Question) -> str:
    name, equation, _, inputs, _ = asked
    if not equation.reverses_sign:
        return f"sign takes -u for u, which does not solve {equation.name}, that of {name}"
    if equation.even_fields and {*inputs} != {*equation.even_fields, "source"}:
        return f"sign takes -u for u where the source is an input, {name} has {', '.join(inputs)}"
    return ""


def _of_boost(asked: Question) -> str:
    name, equation, grid, *_ = asked
    if equation.velocity is None:
        return (
            "boost adds to a velocity among fields or coefficients of an evolution, that of "
            f"{name} is {equation.name}, which has none"
        )
    if not grid.is_periodic:
        return f"boost moves fields on periodic grids, {name} has the boundaries {grid.boundary}"
    if not asked.has_equal_intervals:
        return f"boost moves states by their time, the intervals between those of {name} differ"
    return ""


_FAULTS: dict[str, Callable[[Question], str]] = {
    "square": _of_square,
    "superposition": _of_superposition,
    "sign": _of_sign,
    "boost": _of_boost,
}
