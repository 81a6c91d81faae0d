"""The symmetries of the square and of the torus, as they act on grid points and on vectors.

With the coefficients changed alongside (``Equation.coefficient_map``) they map solutions to
solutions: flips and transpositions exactly, also on the grid. So does every integer matrix with
determinant ±1, a shear for one, where the equation has a tensor K that can change alongside, not a
Laplacian. It permutes grid points, too; only what it moves beyond the grid's highest mode is not as
in the continuum. Translations are symmetries as well; a network without coordinates, such as the
FNO, has them built in.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid

SQUARE: Int[np.ndarray, "8 2 2"] = np.array(
    [
        np.diag(signs)[list(order)]
        for order in ((0, 1), (1, 0))
        for signs in itertools.product((1, -1), repeat=2)
    ]
)
"""The dihedral group of the square as signed permutation matrices of (x, y); the identity first."""


def bases(bound: int) -> Int[np.ndarray, "n 2 2"]:
    """List integer matrices with determinant ±1 and components up to `bound`, one of each class.

    A class is {hg : h in SQUARE}; the identity comes first.
    """
    axis = range(-bound, bound + 1)
    up_to_sign = [v for v in itertools.product(axis, axis) if v > (0, 0) and math.gcd(*v) == 1]
    up_to_sign.sort(key=lambda v: (v[0] ** 2 + v[1] ** 2, -v[0], -v[1]))
    pairs = np.array(list(itertools.combinations(up_to_sign, 2)))
    return pairs[abs(np.rint(np.linalg.det(pairs))) == 1]


BASES: Int[np.ndarray, "29 2 2"] = bases(3)
"""Those with components up to 3: the smallest trace of gKgᵀ is among them for ratios of the
eigenvalues of K up to 50; at 100 the smallest that is among them is 4 % larger in the mean over
directions.
"""


def is_symmetry(g: Int[np.ndarray, "2 2"], grid: Grid) -> bool:
    """Tell whether g maps a grid onto itself, where there are no walls up to integers."""
    if np.array_equal(abs(g), np.eye(2)):
        return True
    is_turn = np.array_equal(abs(g[::-1]), np.eye(2))
    return grid.is_square and (is_turn or grid.is_periodic)


def moved_points(g: Int[np.ndarray, "2 2"], grid: Grid) -> Int[np.ndarray, " n"]:
    """Find the points that the field u(g⁻¹x) takes its values from, as flat indices of [y, x].

    On a periodic axis points are i/N, so x ↦ -x is i ↦ -i mod N: the first row of a flipped field
    stays. Between walls they are (i + ½)/N, so x ↦ 1 - x is i ↦ N-1-i.

    Args:
        g: an integer matrix with determinant ±1 that maps the grid onto itself.
        grid: of the field.
    """
    H, W = grid.shape
    y, x = np.divmod(np.arange(H * W), W)
    # twice the distance, in steps, from the point that g leaves where it is
    y_first, x_first = (
        0 if boundary == "periodic" else 1 - N
        for boundary, N in zip(grid.boundary, grid.shape, strict=True)
    )
    g_inverse = np.rint(np.linalg.inv(g)).astype(np.int64)
    x_from, y_from = g_inverse @ np.stack([2 * x + x_first, 2 * y + y_first])
    return ((y_from - y_first) // 2 % H) * W + (x_from - x_first) // 2 % W


def field_map(g: Int[np.ndarray, "2 2"], names: Sequence[str]) -> Float[np.ndarray, "C C"]:
    """M(g) with: the fields of the moved problem are M(g) u(g⁻¹x).

    NAME_x and NAME_y are the components of a vector, v ↦ g v; "vorticity" is a pseudo-scalar,
    w ↦ det(g) w; all others are scalars.

    Raises:
        InputError: g mixes the components of a vector, of which there is only one.
    """
    M = np.eye(len(names))
    for i, name in enumerate(names):
        stem, _, axis = name.rpartition("_")
        if name == "vorticity":
            M[i, i] = np.rint(np.linalg.det(g))
        elif stem and axis in ("x", "y"):
            row, other = "xy".index(axis), f"{stem}_{'y' if axis == 'x' else 'x'}"
            M[i, i] = g[row, row]
            if g[row, 1 - row] and other not in names:
                raise InputError(
                    f"symmetries turn the vector of {name} and {other}, there is no field {other}; "
                    "leave out coordinates and augmentations, or rename the field"
                )
            if other in names:
                M[i, names.index(other)] = g[row, 1 - row]
    return M
