"""Apply an equation to fields: L u by the Fourier symbol of L, in NumPy or torch alike."""

from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import PeriodicGrid, Wavenumbers
from lightning_sciml.pde.steady import Equation


def applied_hat(
    symbol: Shaped[Any, "*batch N M"],
    solution: Float[Any, "*batch N N"],
    fft: Any = np.fft,
    *,
    norm: str = "backward",
) -> Shaped[Any, "*batch N M"]:
    """L(k) û(k), with `norm` as ``rfft2`` knows it."""
    return symbol * fft.rfft2(solution, norm=norm)


def relative_residual(
    equation: Equation,
    solution: Float[Any, "*batch N N"],
    source: Float[Any, "*batch N N"],
    coefficients: Float[Any, "*batch c"],
    *,
    fft: Any = np.fft,
    wavenumbers: Wavenumbers | None = None,
) -> Float[Any, "*batch"]:
    """‖Lu - f‖₂ / ‖f‖₂ of each sample, in the precision of the arguments: L amplifies rounding.

    Args:
        equation: L.
        solution: u.
        source: f; modes that L cannot reach (the mean, Nyquist) count as residual.
        coefficients: of L.
        fft: ``numpy.fft`` or ``torch.fft``.
        wavenumbers: of the grid, as tensors where the fields are tensors.

    Raises:
        InputError: the grid is not square.
    """
    height, width = solution.shape[-2:]
    if height != width:
        raise InputError(f"a residual needs an N x N grid, got {height}x{width}; resample first")
    symbol = equation.symbol(coefficients, wavenumbers or PeriodicGrid(height).wavenumbers)
    misfit = fft.irfft2(applied_hat(symbol, solution, fft), s=solution.shape[-2:]) - source
    return _norm(misfit) / _norm(source)


def _norm(field: Float[Any, "*batch N N"]) -> Float[Any, "*batch"]:
    return (field * field).sum((-2, -1)) ** 0.5
