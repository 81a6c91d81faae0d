"""Errors of predicted fields: pure functions, one number (or one a band) for each sample.

B samples, C channels, H × W points of the periodic unit square. Spatial means stand for integrals.
"""

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import PeriodicGrid, Wavenumbers
from lightning_sciml.pde.steady import Equation

BAND_EDGES = (4.0, 12.0)
"""Radial wavenumbers (periods a side) between the low, middle and high band, as in PDEBench."""


def relative_l2(
    prediction: Float[Tensor, "B C H W"], reference: Float[Tensor, "B C H W"]
) -> Float[Tensor, " B"]:
    """‖û - u‖₂ / ‖u‖₂ over channels and grid."""
    return _norm(prediction - reference) / _norm(reference)


def vrmse(
    prediction: Float[Tensor, "B C H W"], reference: Float[Tensor, "B C H W"]
) -> Float[Tensor, " B"]:
    """‖û - u‖₂ / ‖u - ū‖₂, ū the mean of each channel: 1 is what predicting the mean scores.

    The variance-scaled error of The Well (Ohana et al., NeurIPS 2024), without its 1e-7 guard.
    """
    mean = reference.mean(dim=(-2, -1), keepdim=True)
    return _norm(prediction - reference) / _norm(reference - mean)


def max_error(
    prediction: Float[Tensor, "B C H W"], reference: Float[Tensor, "B C H W"]
) -> Float[Tensor, " B"]:
    """max |û - u|, in the units of u."""
    return (prediction - reference).abs().flatten(1).amax(dim=1)


def band_errors(
    prediction: Float[Tensor, "B C H W"],
    reference: Float[Tensor, "B C H W"],
    edges: tuple[float, float] = BAND_EDGES,
) -> Float[Tensor, "B 3"]:
    """Σ|û̂ - û|² / Σ|û|² over the modes of each radial band: low, middle, high.

    A mode (nx, ny), in periods a side, has radius |n| = √(nx² + ny²); the bands are |n| < 4,
    4 ≤ |n| < 12 and 12 ≤ |n|: the bands of PDEBench's fRMSE (Takamoto et al., NeurIPS 2022,
    App. B), independent of resolution. Each is divided by the reference's own energy in that band,
    as The Well does, so 1 means "as wrong as predicting nothing there".
    """
    height, width = reference.shape[-2:]
    weights = _band_weights(height, width, edges, reference.device)
    error_energy = _energy_by_band(prediction.double() - reference.double(), weights)
    return (error_energy / _energy_by_band(reference.double(), weights)).to(reference.dtype)


def pde_residual(
    prediction: Float[Tensor, "B 1 N N"],
    source: Float[Tensor, "B 1 N N"],
    coefficients: Float[Tensor, "B c"],
    equation: Equation,
) -> Float[Tensor, " B"]:
    """‖L û - f‖₂ / ‖f‖₂ of the prediction, L the operator that made the data.

    Spectral, in double precision: L amplifies rounding by its largest symbol. Sources may hold
    modes that the generator's operator cannot reach (the mean, Nyquist); they count as residual.
    """
    height, width = prediction.shape[-2:]
    if height != width:
        raise InputError(f"pde_residual needs an N x N grid, got {height}x{width}; resample first")
    wavenumbers = PeriodicGrid(height).wavenumbers
    on_device = Wavenumbers._make(
        torch.as_tensor(k, dtype=torch.float64, device=prediction.device) for k in wavenumbers
    )
    symbol = equation.symbol(coefficients.double(), on_device)
    applied = symbol * torch.fft.rfft2(prediction[:, 0].double())
    residual = torch.fft.irfft2(applied, s=(height, width))[:, None] - source.double()
    return (_norm(residual) / _norm(source.double())).to(prediction.dtype)


def _norm(field: Float[Tensor, "B C H W"]) -> Float[Tensor, " B"]:
    return torch.linalg.vector_norm(field.flatten(1), dim=1)


def _energy_by_band(
    field: Float[Tensor, "B C H W"], weights: Float[Tensor, "modes 3"]
) -> Float[Tensor, "B 3"]:
    spectrum = torch.fft.rfft2(field)
    energy = spectrum.real.square() + spectrum.imag.square()
    return energy.sum(dim=1).flatten(1) @ weights


def _band_weights(
    height: int, width: int, edges: tuple[float, float], device: torch.device
) -> Float[Tensor, "modes 3"]:
    """How often each mode of the half-spectrum counts in each band (conjugates are implied)."""
    ny = torch.fft.fftfreq(height, 1 / height, dtype=torch.float64, device=device)
    nx = torch.arange(width // 2 + 1, dtype=torch.float64, device=device)
    radius = torch.hypot(ny[:, None], nx)
    multiplicity = 2.0 - ((nx == 0) | (2 * nx == width)).double()
    bounds = (0.0, *edges, math.inf)
    bands = [(low <= radius) & (radius < high) for low, high in pairwise(bounds)]
    return torch.stack([(multiplicity * band).flatten() for band in bands], dim=1)
