"""Solve -∇·(a∇u) = f by conjugate gradients with a multigrid cycle, many samples at a time."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, Shaped

from data_gen.finite_volumes import Faces, Walls
from data_gen.multigrid import Multigrid
from lightning_sciml.errors import InputError

_BLOCK_POINTS = 1 << 17  # computed together: fewer pay for the interpreter, more leave the cache
_MAX_ITERATIONS = 500
_MARGIN = 0.8  # of the residual asked for: the true one has round-off as well
_LASTING, _MAX_DROP = 5, 1e-3  # iterations and drop of ‖r‖, after which r is computed in float64
_ROUND_OFF = 1e-10  # of the mean of a source, relative to its norm


class Solved(NamedTuple):
    """B solutions, the iterations each took, and ‖f + ∇·(a∇u)‖/‖f‖, computed anew at the end."""

    solution: Float[np.ndarray, "B N N"]
    iterations: Int64[np.ndarray, " B"]
    residual: Float[np.ndarray, " B"]


def solve(
    a: Float[np.ndarray, "B N N"],
    f: Float[np.ndarray, "B N N"],
    walls: Walls,
    max_residual: float = 1e-10,
) -> Solved:
    """Solve -∇·(a∇u) = f on the unit square, a > 0; ∫u = 0 unless u = 0 at walls.

    Five-point finite volumes on cell centres, with the harmonic mean of a at faces. Conjugate
    gradients (M. R. Hestenes, E. Stiefel, J. Res. Natl. Bur. Stand. 49 (1952) 409) and their
    preconditioner work in float32. u is summed in float64, and the residual is replaced by
    f + ∇·(a∇u) in float64 every few iterations and after a drop by some digits (H. A. van der
    Vorst, Q. Ye, SIAM J. Sci. Comput. 22 (2000) 835), so float32 limits neither. The bits of a
    sample do not depend on the others.

    Args:
        a: diffusivity of the cells.
        f: source in the cells.
        walls: what holds at the edges.
        max_residual: ‖r‖/‖f‖ to go on to.

    Raises:
        InputError: ∫f is not zero where it has to be, or f is zero or not finite everywhere.
    """
    f_norm = _norm(f)
    _check_source(f, f_norm, walls)
    f_scale, a_scale = f_norm[:, None, None], a.max(axis=(1, 2), keepdims=True)
    faces, f = Faces.of_cells(a / a_scale, walls), f / f_scale  # far from the ends of float32
    u, iterations = _conjugate_gradients(faces, f, _MARGIN * max_residual)
    if walls != "dirichlet":
        u -= u.mean(axis=(1, 2), keepdims=True)
    residual = _norm(f - faces.apply(u))
    u *= f_scale / (a_scale * a[0].size)
    return Solved(u, iterations, residual)


def block_size(num_points: int) -> int:
    """Return how many samples of N × N cells are best solved together."""
    return max(1, _BLOCK_POINTS // num_points**2)


def work_bytes(num_points: int, walls: Walls) -> int:
    """Count the bytes of the arrays in which a sample is solved."""
    a_f_u, in_float32, diagonals = 8 * 10, 4 * 10, 4 * (9 if walls == "periodic" else 5)
    return num_points**2 * (a_f_u + in_float32 + 4 * diagonals // 3)


def _conjugate_gradients(
    faces: Faces, f: Float[np.ndarray, "B N N"], max_norm: float
) -> tuple[Float[np.ndarray, "B N N"], Int64[np.ndarray, " B"]]:
    """Solve Au = f. A sample whose ‖r‖ is small enough stays as it is."""
    precondition, in_float32 = Multigrid(faces), faces.in_float32()
    u, r = np.zeros_like(f), f.astype(np.float32)
    p, scaled = np.zeros_like(r), np.empty_like(r)
    rz = np.ones(len(f), np.float32)
    iterations = np.zeros(len(f), np.int64)
    active, known_norm = np.ones(len(f), bool), np.ones(len(f))
    for iteration in range(1, _MAX_ITERATIONS + 1):
        z = precondition(r)
        previous, rz = rz, _dot(r, z)
        p *= _ratio(rz, previous, active)
        p += z
        Ap = in_float32.apply(p)
        step = _ratio(rz, _dot(p, Ap), active)
        u += np.multiply(step, p, out=scaled)
        r -= np.multiply(step, Ap, out=scaled)
        iterations += active
        is_due = ~(_norm(r) > np.maximum(max_norm, _MAX_DROP * known_norm))
        rows = np.flatnonzero(active & (is_due | (iteration % _LASTING == 0)))
        r[rows] = f[rows] - faces.of_samples(rows).apply(u[rows])
        known_norm[rows] = _norm(r[rows])
        active[rows] = ~(known_norm[rows] <= max_norm)
        if not active.any():
            break
    return u, iterations


def _dot(
    u: Shaped[np.ndarray, "B N N"], v: Shaped[np.ndarray, "B N N"]
) -> Shaped[np.ndarray, " B"]:
    """Add up products row by row: BLAS splits longer sums by its number of threads."""
    return np.vecdot(u, v).sum(axis=1)


def _norm(u: Shaped[np.ndarray, "B N N"]) -> Shaped[np.ndarray, " B"]:
    return np.sqrt(_dot(u, u))


def _ratio(
    numerator: Float32[np.ndarray, " B"],
    denominator: Float32[np.ndarray, " B"],
    active: Bool[np.ndarray, " B"],
) -> Float32[np.ndarray, "B 1 1"]:
    """Divide; 0 for samples that are done."""
    out = np.zeros_like(numerator)
    return np.divide(numerator, denominator, out=out, where=active)[:, None, None]


def _check_source(
    f: Float[np.ndarray, "B N N"], f_norm: Float[np.ndarray, " B"], walls: Walls
) -> None:
    wrong = np.flatnonzero(~((f_norm > 0) & np.isfinite(f_norm)))
    if wrong.size:
        raise InputError(
            f"a source must be finite and not zero, got one of norm {f_norm[wrong[0]]:g}; change it"
        )
    if walls == "dirichlet":
        return
    mean = np.abs(f.mean(axis=(1, 2))) * np.sqrt(f[0].size) / f_norm
    wrong = np.flatnonzero(mean > _ROUND_OFF)
    if wrong.size:
        raise InputError(
            f"with {walls} walls ∫f must be 0, got a source whose mean is {mean[wrong[0]]:.1e} of "
            "its norm: there is no solution; subtract the mean, or take dirichlet walls"
        )
