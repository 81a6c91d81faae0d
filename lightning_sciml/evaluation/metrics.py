"""Errors of predicted fields: pure functions of tensors, and METRICS, the list of all.

Each measures one field on H × W points; "*batch" are samples, steps and fields, each by itself.
Spatial means stand for integrals.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_sciml.pde.grid import Grid, Wavenumbers
from lightning_sciml.pde.residual import relative_residual
from lightning_sciml.pde.steady import Equation
from lightning_sciml.pde.walls import PERIODIC, Boundaries, continued_wavenumbers

Fields = Float[Tensor, "*batch H W"]
BAND_EDGES = (4.0, 12.0)
"""Radial wavenumbers (periods a side) between the low, middle and high band, as in PDEBench."""
_ROUNDING_ENERGY = 2.0**-48
"""Relative energy of values rounded to float32 is at most (2⁻²⁴)²."""


def relative_l2(prediction: Fields, reference: Fields) -> Float[Tensor, "*batch"]:
    """‖û - u‖₂ / ‖u‖₂."""
    return _norm(prediction - reference) / _norm(reference)


def vrmse(prediction: Fields, reference: Fields) -> Float[Tensor, "*batch"]:
    """‖û - u‖₂ / ‖u - ū‖₂, ū the mean of u: 1 is what predicting the mean scores.

    The variance-scaled error of The Well (Ohana et al., NeurIPS 2024), without its 1e-7 guard.
    """
    mean = reference.mean(dim=(-2, -1), keepdim=True)
    return _norm(prediction - reference) / _norm(reference - mean)


def max_error(prediction: Fields, reference: Fields) -> Float[Tensor, "*batch"]:
    """max |û - u|, in the units of u."""
    return (prediction - reference).abs().amax(dim=(-2, -1))


def h1(prediction: Fields, reference: Fields, grid: Grid) -> Float[Tensor, "*batch"]:
    """‖û - u‖_H¹ / ‖u‖_H¹ with ‖u‖²_H¹ = ‖u‖² + ‖∂u/∂x‖² + ‖∂u/∂y‖².

    Derivatives are spectral along periodic axes, differences of neighbours along others, in the
    unit of the grid's lengths.
    """
    error_energy = _h1_energy(prediction.double() - reference.double(), grid)
    return (error_energy / _h1_energy(reference.double(), grid)).sqrt().to(reference.dtype)


def band_errors(
    prediction: Fields,
    reference: Fields,
    grid: Grid,
    edges: tuple[float, float] = BAND_EDGES,
) -> Float[Tensor, "*batch 3"]:
    """Σ|û̂ - û|² / Σ|û|² over the modes of each radial band: low, middle, high.

    A mode (nx, ny), in periods along the longer side, has radius |n| = √(nx² + ny²); the bands are
    |n| < 4, 4 ≤ |n| < 12 and 12 ≤ |n|: the bands of PDEBench's fRMSE (Takamoto et al., NeurIPS
    2022, App. B), independent of resolution. Each is divided by the reference's own energy in that
    band, as The Well does, so 1 means "as wrong as predicting nothing there". Along an axis with
    walls the modes are cosines, of half a period and its multiples. NaN where the reference holds
    no more in a band than the rounding of its values to float32.
    """
    weights = _band_weights(grid, edges, reference.device)
    error_energy = _energy_by_band(prediction.double() - reference.double(), weights, grid)
    energy = _energy_by_band(reference.double(), weights, grid)
    is_rounding = energy <= _ROUNDING_ENERGY * energy.sum(dim=-1, keepdim=True)
    return torch.where(is_rounding, torch.nan, error_energy / energy).to(reference.dtype)


def pde_residual(
    prediction: Float[Tensor, "B 1 N N"],
    source: Float[Tensor, "B 1 N N"],
    coefficients: Float[Tensor, "B c"],
    equation: Equation,
    boundary: Boundaries = PERIODIC,
) -> Float[Tensor, " B"]:
    """‖L û - f‖₂ / ‖f‖₂ of the prediction, L the operator that made the data.

    Spectral, in double precision: L amplifies rounding by its largest symbol. Between walls û is a
    series of sines or cosines, so that it meets the boundary condition: what it lacks of it shows
    as a large Lû beside the wall.
    """
    wavenumbers = Wavenumbers._make(
        torch.as_tensor(k, dtype=torch.float64, device=prediction.device)
        for k in continued_wavenumbers(prediction.shape[-1], boundary)
    )
    fields = (prediction[:, 0].double(), source[:, 0].double(), coefficients.double())
    residual: Tensor = relative_residual(
        equation, *fields, boundary=boundary, xp=torch, wavenumbers=wavenumbers
    )
    return residual.to(prediction.dtype)


def mean_over_fields(
    errors: Float[Tensor, "B K F"], present: Float[Tensor, "B F"] | None = None
) -> Float[Tensor, " B"]:
    """Average over steps, and over the fields that each sample has.

    Args:
        errors: of each field at each step.
        present: 1 for the fields of a sample, else 0; None where all have all.
    """
    if errors.shape[1:].numel() == 1:
        return errors[:, 0, 0]
    by_field = errors.mean(dim=1)
    if present is None:
        return by_field.mean(dim=1)
    return torch.where(present > 0, by_field, 0.0).sum(dim=1) / present.sum(dim=1)


def _norm(field: Fields) -> Float[Tensor, "*batch"]:
    return torch.linalg.vector_norm(field.flatten(-2), dim=-1)


def _h1_energy(field: Fields, grid: Grid) -> Float[Tensor, "*batch"]:
    """Sum u² + |∇u|² over the grid."""
    energy = field.square().sum(dim=(-2, -1))
    for axis, length, boundary in zip((-2, -1), grid.lengths, grid.boundary, strict=True):
        num_points = field.shape[axis]
        if boundary == "periodic":
            spectrum = torch.fft.rfft(field, dim=axis, norm="ortho").transpose(axis, -1)
            modes = torch.arange(spectrum.shape[-1], dtype=torch.float64, device=field.device)
            squares = (2 * math.pi * modes / length) ** 2 * _multiplicity(modes, num_points)
            energy = energy + (_squared(spectrum) * squares).sum(dim=(-2, -1))
        else:
            slopes = field.diff(dim=axis) * (num_points / length)
            energy = energy + slopes.square().sum(dim=(-2, -1))
    return energy


def _energy_by_band(
    field: Fields, weights: Float[Tensor, "modes 3"], grid: Grid
) -> Float[Tensor, "*batch 3"]:
    for axis, boundary in zip((-2, -1), grid.boundary, strict=True):
        if boundary != "periodic":  # even about its ends, periodic over twice its length
            field = torch.cat([field, field.flip(axis)], dim=axis)
    return _squared(torch.fft.rfft2(field)).flatten(-2) @ weights


def _band_weights(
    grid: Grid, edges: tuple[float, float], device: torch.device
) -> Float[Tensor, "modes 3"]:
    """Count each mode of the half-spectrum in each band (conjugates are implied)."""
    repeats = [1 if boundary == "periodic" else 2 for boundary in grid.boundary]
    height, width = (n * repeat for n, repeat in zip(grid.shape, repeats, strict=True))
    longest = max(grid.lengths)
    scales = [longest / (r * length) for r, length in zip(repeats, grid.lengths, strict=True)]
    ny = torch.fft.fftfreq(height, 1 / height, dtype=torch.float64, device=device)
    nx = torch.arange(width // 2 + 1, dtype=torch.float64, device=device)
    radius = torch.hypot(scales[0] * ny[:, None], scales[1] * nx)
    bounds = (0.0, *edges, math.inf)
    bands = [(low <= radius) & (radius < high) for low, high in pairwise(bounds)]
    return torch.stack([(_multiplicity(nx, width) * band).flatten() for band in bands], dim=1)


def _multiplicity(modes: Float[Tensor, " M"], num_points: int) -> Float[Tensor, " M"]:
    """Count a mode of a half spectrum and its conjugate, where that is another mode."""
    return 2.0 - ((modes == 0) | (2 * modes == num_points)).double()


def _squared(spectrum: Tensor) -> Tensor:
    return spectrum.real.square() + spectrum.imag.square()


@dataclass(frozen=True)
class Metric:
    """An error of one field, at least 0; the smaller, the better.

    Attributes:
        names: of its numbers, in reports and tables.
        of_fields: (prediction, reference) ↦ (*batch,), or (*batch, n) for n names; with a grid
            (prediction, reference, grid). With an equation (prediction, source, coefficients,
            equation, boundary) ↦ (B,); it is NaN for samples of which that is not known.
        takes: what it is a function of, beside the prediction.
        undefined_where: why it may lack a finite value, beside a zero reference.
    """

    names: tuple[str, ...]
    of_fields: Callable[..., Float[Tensor, "..."]]
    takes: Literal["reference", "grid", "equation"] = "reference"
    undefined_where: str = ""


METRICS: tuple[Metric, ...] = (
    Metric(("relative_l2",), relative_l2),
    Metric(("vrmse",), vrmse),
    Metric(("max_error",), max_error),
    Metric(("h1",), h1, takes="grid"),
    Metric(
        ("band_error_low", "band_error_mid", "band_error_high"),
        band_errors,
        takes="grid",
        undefined_where="the grid has no modes, or the reference no energy, in this band",
    ),
    Metric(("pde_residual",), pde_residual, takes="equation"),
)
"""What ``sciml test`` measures. Reports, tables of samples and studies take names from here."""
