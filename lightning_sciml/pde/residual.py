"""Does u solve Lu = f? The residual of any u; the error of a u that is stored in float32."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Float32, Shaped

from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Wavenumbers
from lightning_sciml.pde.steady import Equation
from lightning_sciml.pde.walls import (
    PERIODIC,
    Boundaries,
    continued,
    continued_wavenumbers,
    has_free_mean,
)

_SINGLE = np.finfo(np.float32)
_EPSILON = float(_SINGLE.eps)
# Relative: what a solver in float32 loses, and a source whose highest modes are not solved for.
_ALLOWED = 1e-4
MAX_TOLERANCE = 0.1
"""Error of a solution beyond which a wrong one would pass."""
_SINGULAR = 1e-15  # of the mean of |L|: keeps 1/L finite


def residual(
    equation: Equation,
    solution: Float[Any, "*batch N N"],
    source: Float[Any, "*batch N N"],
    coefficients: Float[Any, "*batch c"],
    *,
    boundary: Boundaries = PERIODIC,
    xp: Any = np,
    wavenumbers: Wavenumbers | None = None,
) -> Float[Any, "*batch N N"]:
    """Return Lu - f, in the precision of the arguments: L amplifies rounding.

    Args:
        equation: L.
        solution: u.
        source: f; modes that L cannot reach (the mean, Nyquist) stay in the residual.
        coefficients: of L.
        boundary: along y and x; between walls derivatives are those of sines or cosines.
        xp: ``numpy`` or ``torch``.
        wavenumbers: ``continued_wavenumbers`` as tensors, where the fields are tensors.

    Raises:
        InputError: the grid is not square.
    """
    height, width = solution.shape[-2:]
    if height != width:
        raise InputError(f"a residual needs an N x N grid, got {height}x{width}; resample first")
    waves = wavenumbers or continued_wavenumbers(height, boundary)
    u = continued(solution, boundary, xp)
    u_hat = equation.symbol(coefficients, waves) * xp.fft.rfft2(u)
    return xp.fft.irfft2(u_hat, s=u.shape[-2:])[..., :height, :width] - source


def relative_residual(
    equation: Equation,
    solution: Float[Any, "*batch N N"],
    source: Float[Any, "*batch N N"],
    coefficients: Float[Any, "*batch c"],
    **options: Any,
) -> Float[Any, "*batch"]:
    """‖Lu - f‖₂ / ‖f‖₂ of each sample; arguments and errors as for ``residual``."""
    return _norm(residual(equation, solution, source, coefficients, **options)) / _norm(source)


def _norm(field: Float[Any, "*batch N N"]) -> Float[Any, "*batch"]:
    return (field * field).sum((-2, -1)) ** 0.5


class SolutionCheck(NamedTuple):
    """How far a stored solution is from the solution of its source.

    Attributes:
        residual: ‖Lu-f‖/‖f‖.
        error: ‖e‖ relative to that of u = 0, see `check_solution`.
        explained: the error that rounding to float32 explains, or the tolerance where that is more;
            it does not depend on the stored u.
    """

    residual: float
    error: float
    explained: float

    @property
    def is_checkable(self) -> bool:
        """Return whether a wrong solution would differ by more than rounding explains."""
        return not self.explained > MAX_TOLERANCE

    @property
    def is_wrong(self) -> bool:
        """Return whether the solution differs by more than rounding explains, or is not finite."""
        return self.is_checkable and not self.error <= self.explained


@np.errstate(over="ignore", divide="ignore", invalid="ignore")  # NaN is wrong
def check_solution(
    fields: Float32[np.ndarray, "2 N N"],
    coefficients: Float[np.ndarray, " c"],
    equation: Equation,
    boundary: Boundaries = PERIODIC,
    tolerance: float = 0.0,
) -> SolutionCheck:
    """Compare a stored [source, solution] with the solution of the source in float64.

    The residual Lu - f is no measure of a stored u: L amplifies its rounding, for fine grids and
    high orders beyond f itself. In Fourier space, with s the harmonic mean of |L| over the energy
    of f,

        e = (Lû - f̂) / (|L| + s)

    is the error û - f̂/L where L is large, whose rounding L does not amplify, and the residual where
    L is nearly singular, where f̂/L would amplify the rounding of f. Fields between walls are
    continued beyond them.

    Args:
        fields: source and solution.
        coefficients: of the equation.
        equation: L.
        boundary: along y and x.
        tolerance: the error that is known of the solver that u is from.
    """
    source, solution = continued(fields.astype(float), boundary)
    waves = continued_wavenumbers(fields.shape[-1], boundary)
    symbol = equation.symbol(coefficients.astype(float), waves)
    f_hat = np.fft.rfft2(source, norm="forward")
    if has_free_mean(equation, boundary):
        f_hat[0, 0] = 0.0
    magnitude, energy = np.abs(symbol), f_hat.real**2 + f_hat.imag**2
    if not energy.any():  # of no source, u = 0 is the solution
        wrong = np.inf if solution.any() else 0.0
        return SolutionCheck(residual=wrong, error=wrong, explained=0.0)
    singular = _SINGULAR * (magnitude * energy).sum() / energy.sum()
    s = float(energy.sum() / (energy / (magnitude + singular)).sum())
    misfit = symbol * np.fft.rfft2(solution, norm="forward") - f_hat
    solved = f_hat * np.conj(symbol) / (magnitude**2 + singular**2)
    of_nothing = _root_mean_square(f_hat / (magnitude + s), source.shape)
    largest = np.abs(source).max() / s + np.abs(_on_grid(solved, source.shape)).max()
    if np.abs(solution).max() < float(_SINGLE.tiny):  # denormal: it has lost digits
        misfit = np.full_like(misfit, np.nan)
    return SolutionCheck(
        residual=_root_mean_square(misfit, source.shape) / _root_mean_square(f_hat, source.shape),
        error=_root_mean_square(misfit / (magnitude + s), source.shape) / of_nothing,
        explained=max(tolerance, _ALLOWED + _EPSILON * float(largest) / of_nothing),
    )


def _on_grid(hat: Shaped[np.ndarray, "H M"], shape: tuple[int, ...]) -> Float[np.ndarray, "H W"]:
    return np.fft.irfft2(hat, s=shape, norm="forward")


def _root_mean_square(hat: Complex[np.ndarray, "H M"], shape: tuple[int, ...]) -> float:
    return float(np.sqrt((_on_grid(hat, shape) ** 2).mean()))
