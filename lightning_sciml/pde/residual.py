"""How well a field solves its equation: L applied to it, in double precision."""

import numpy as np
from jaxtyping import Float

from lightning_sciml.pde.grid import PeriodicGrid
from lightning_sciml.pde.steady import Equation


def relative_residual(
    equation: Equation,
    solution: Float[np.ndarray, "*batch N N"],
    source: Float[np.ndarray, "*batch N N"],
    coefficients: Float[np.ndarray, "*batch c"],
) -> Float[np.ndarray, "*batch"]:
    """‖Lu - f‖₂ / ‖f‖₂ of each sample, L u by its Fourier symbol on the periodic unit square."""
    symbol = equation.symbol(coefficients, PeriodicGrid(solution.shape[-1]).wavenumbers)
    applied = np.fft.irfft2(symbol * np.fft.rfft2(solution), s=solution.shape[-2:])
    misfit = np.linalg.norm(applied - source, axis=(-2, -1))
    result: Float[np.ndarray, "*batch"] = misfit / np.linalg.norm(source, axis=(-2, -1))
    return result
