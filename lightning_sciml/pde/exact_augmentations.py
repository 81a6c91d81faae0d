"""Which augmentations and coordinates are exact for which problems, and why others are not."""

from collections.abc import Callable

from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.named_equation import AnyEquation
from lightning_sciml.pde.steady import Equation


def augmentation_fault(
    augmentation: str, name: str, equation: AnyEquation, grid: Grid, *, has_equal_intervals: bool
) -> str | None:
    """Say why an augmentation does not make solutions of a problem from others; None if it does.

    Args:
        augmentation: its name.
        name: of the data set.
        equation: of the problem.
        grid: of its fields.
        has_equal_intervals: whether the states of a window are equally far apart in time.
    """
    found = _FAULTS[augmentation](name, equation, grid, has_equal_intervals)
    return f"{found}; leave {augmentation} out of augmentations" if found else None


def lattice_fault(name: str, equation: AnyEquation, grid: Grid) -> str | None:
    """Say why a problem has no coordinates of the lattice; None if it does.

    Arguments as for ``augmentation_fault``.
    """
    if not isinstance(equation, Equation):
        found = f"those of equations Lu = f, {name} has none"
    elif not (grid.is_square and grid.is_periodic):
        found = f"those of a periodic square, {name} has {grid}"
    else:
        return None
    return f"coordinates lattice are {found}; leave lattice out of coordinates"


def _of_square(name: str, equation: AnyEquation, grid: Grid, is_even: bool) -> str:
    return ""


def _of_superposition(name: str, equation: AnyEquation, grid: Grid, is_even: bool) -> str:
    if not equation.is_linear:
        return f"superposition is for linear equations, that of {name} is {equation.name}"
    if not grid.is_periodic:
        return (
            f"superposition takes translates on periodic grids, {name} has the boundaries "
            f"{grid.boundary}"
        )
    return ""


def _of_sign(name: str, equation: AnyEquation, grid: Grid, is_even: bool) -> str:
    if not equation.reverses_sign:
        return f"sign takes -u for u, which does not solve {equation.name}, that of {name}"
    return ""


def _of_boost(name: str, equation: AnyEquation, grid: Grid, is_even: bool) -> str:
    if equation.velocity is None:
        return (
            "boost adds to a velocity among fields or coefficients of an evolution, that of "
            f"{name} is {equation.name}, which has none"
        )
    if not grid.is_periodic:
        return f"boost moves fields on periodic grids, {name} has the boundaries {grid.boundary}"
    if not is_even:
        return f"boost moves states by their time, the intervals between those of {name} differ"
    return ""


_FAULTS: dict[str, Callable[[str, AnyEquation, Grid, bool], str]] = {
    "square": _of_square,
    "superposition": _of_superposition,
    "sign": _of_sign,
    "boost": _of_boost,
}
