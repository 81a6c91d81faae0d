"""Fields between walls, continued beyond them to periodic ones.

Walls lie half a step outside of the points, see ``Grid``. A field that vanishes there (dirichlet)
is continued oddly about them, one without flux (neumann) evenly: its period is twice the side, and
its waves are sin πmx or cos πmx. So the symbols of periodic equations hold, at k = πm.

Lu = f has solutions of this form where L is the same for mirrored fields: odd derivatives along an
axis with walls would mix sines with cosines.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from lightning_sciml.pde.grid import Boundary, PeriodicGrid, Wavenumbers
from lightning_sciml.pde.steady import Equation

Boundaries = tuple[Boundary, Boundary]
PERIODIC: Boundaries = ("periodic", "periodic")
_FLIPS = (np.diag([1, -1]), np.diag([-1, 1]))  # of y and of x


def has_continuation(boundary: Boundaries) -> bool:
    """Tell whether fields with this boundary along y and x are known beyond it."""
    return all(condition in ("periodic", "dirichlet", "neumann") for condition in boundary)


def continued(
    field: Float[Any, "*batch H W"], boundary: Boundaries, xp: Any = np
) -> Float[Any, "*batch H2 W2"]:
    """Continue fields to one period: an axis with walls becomes twice as long.

    Args:
        field: at cell centres along axes with walls.
        boundary: along y and x.
        xp: ``numpy`` or ``torch``.
    """
    for axis, condition in zip((-2, -1), boundary, strict=True):
        if condition != "periodic":
            mirrored = xp.flip(field, (axis,))
            field = xp.concat([field, -mirrored if condition == "dirichlet" else mirrored], axis)
    return field


def continued_wavenumbers(num_points: int, boundary: Boundaries) -> Wavenumbers:
    """Angular wavenumbers of the half spectrum of a continued field of N × N points.

    Along an axis with walls they are πm, radians per side, of 2N points.
    """
    y, x = (
        PeriodicGrid(num_points if condition == "periodic" else 2 * num_points).wavenumbers
        for condition in boundary
    )
    y_share, x_share = (1.0 if condition == "periodic" else 0.5 for condition in boundary)
    return Wavenumbers(
        kx=x_share * x.kx,
        ky=y_share * y.ky,
        kx_squared=x_share**2 * x.kx_squared,
        ky_squared=y_share**2 * y.ky_squared,
    )


def eigenmodes(num_points: int, boundary: Boundaries) -> Wavenumbers:
    """Angular wavenumbers of all waves that N × N points hold, for even powers of k.

    Between walls: sin πmx with m = 1 … N, cos πmx with m = 0 … N-1. Odd powers, kx and ky, are zero
    there: an L with walls has none.
    """
    periodic = PeriodicGrid(num_points).wavenumbers
    modes = np.arange(num_points)[None, :]
    between = {"dirichlet": np.pi * (modes + 1), "neumann": np.pi * modes}
    kx, ky, kx_squared, ky_squared = periodic
    y, x = boundary
    if y != "periodic":
        ky, ky_squared = np.zeros((num_points, 1)), between[y].T ** 2
    if x != "periodic":
        kx, kx_squared = np.zeros((1, num_points)), between[x] ** 2
    return Wavenumbers(kx, ky, kx_squared, ky_squared)


def highest_mode(num_points: int, condition: Boundary) -> int:
    """Count the periods, or half waves between walls, of the finest wave on N points of an axis."""
    return {"periodic": num_points // 2, "dirichlet": num_points}.get(condition, num_points - 1)


def has_free_mean(equation: Equation, boundary: Boundaries) -> bool:
    """Tell whether constants solve Lu = 0: not where u vanishes at a wall."""
    return equation.fixes_mean and "dirichlet" not in boundary


def is_mirror_symmetric(
    equation: Equation, coefficients: Float[np.ndarray, "*batch c"], boundary: Boundaries
) -> bool:
    """Tell whether each L is the same for fields that are mirrored along the axes with walls."""
    return all(
        condition == "periodic"
        or np.array_equal(coefficients @ equation.coefficient_map(flip).T, coefficients)
        for condition, flip in zip(boundary, _FLIPS, strict=True)
    )
