"""The symmetries of the periodic square: flips and transpositions, as they act on grid points.

With the coefficients changed alongside (``Equation.coefficient_map``) they map solutions to
solutions, exactly also on the grid. Translations are symmetries as well; a network without
coordinates, such as the FNO, has them built in.
"""

import itertools

import numpy as np
from jaxtyping import Int

SQUARE: Int[np.ndarray, "8 2 2"] = np.array(
    [
        np.diag(signs)[list(order)]
        for order in ((0, 1), (1, 0))
        for signs in itertools.product((1, -1), repeat=2)
    ]
)
"""The dihedral group of the square as signed permutation matrices of (x, y); the identity first."""


def inverse(index: int) -> int:
    """Index of the inverse in ``SQUARE``: the matrices are orthogonal."""
    return int(np.flatnonzero((SQUARE == SQUARE[index].T).all(axis=(1, 2)))[0])


def moved_points(g: Int[np.ndarray, "2 2"], num_points: int) -> Int[np.ndarray, " n"]:
    """Where the field u(g⁻¹x) takes its values from: flat indices of g⁻¹x mod 1 for all points x.

    The points are x_i = i/N, so x ↦ -x is i ↦ -i mod N: the first row of a flipped field stays.

    Args:
        g: an integer matrix with determinant ±1.
        num_points: N; the field is [y, x], flattened.
    """
    N = num_points
    y, x = np.divmod(np.arange(N * N), N)
    g_inverse = np.rint(np.linalg.inv(g)).astype(np.int64)
    x_from, y_from = (g_inverse @ np.stack([x, y])) % N
    return y_from * N + x_from
