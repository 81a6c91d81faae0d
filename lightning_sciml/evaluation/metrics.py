"""Errors of predicted fields: pure functions of tensors, and METRICS, the list of all.

B samples, C channels, H × W points of the periodic unit square. Spatial means stand for integrals.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_sciml.pde.grid import PeriodicGrid, Wavenumbers
from lightning_sciml.pde.residual import relative_residual
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

    Spectral, in double precision: L amplifies rounding by its largest symbol.
    """
    wavenumbers = Wavenumbers._make(
        torch.as_tensor(k, dtype=torch.float64, device=prediction.device)
        for k in PeriodicGrid(prediction.shape[-1]).wavenumbers
    )
    fields = (prediction[:, 0].double(), source[:, 0].double(), coefficients.double())
    residual: Tensor = relative_residual(equation, *fields, fft=torch.fft, wavenumbers=wavenumbers)
    return residual.to(prediction.dtype)


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
    """Count each mode of the half-spectrum in each band (conjugates are implied)."""
    ny = torch.fft.fftfreq(height, 1 / height, dtype=torch.float64, device=device)
    nx = torch.arange(width // 2 + 1, dtype=torch.float64, device=device)
    radius = torch.hypot(ny[:, None], nx)
    multiplicity = 2.0 - ((nx == 0) | (2 * nx == width)).double()
    bounds = (0.0, *edges, math.inf)
    bands = [(low <= radius) & (radius < high) for low, high in pairwise(bounds)]
    return torch.stack([(multiplicity * band).flatten() for band in bands], dim=1)


@dataclass(frozen=True)
class Metric:
    """An error of each sample, at least 0; the smaller, the better.

    Attributes:
        names: of its numbers, in reports and tables.
        of_samples: (prediction, reference) ↦ (B,), or (B, n) for n names. With an equation
            (prediction, source, coefficients, equation) ↦ (B,).
        needs_equation: whether it is NaN for samples of an unknown equation.
        undefined_where: why it may lack a finite value, beside a zero reference.
    """

    names: tuple[str, ...]
    of_samples: Callable[..., Float[Tensor, "B ..."]]
    needs_equation: bool = False
    undefined_where: str = ""


METRICS: tuple[Metric, ...] = (
    Metric(("relative_l2",), relative_l2),
    Metric(("vrmse",), vrmse),
    Metric(("max_error",), max_error),
    Metric(
        ("band_error_low", "band_error_mid", "band_error_high"),
        band_errors,
        undefined_where="the grid has no modes in this band",
    ),
    Metric(("pde_residual",), pde_residual, needs_equation=True),
)
"""What ``sciml test`` measures. Reports, tables of samples and studies take names from here."""
