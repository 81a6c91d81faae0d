"""Metrics against fields whose errors are known on paper."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.metrics import (
    band_errors,
    max_error,
    pde_residual,
    relative_l2,
    vrmse,
)
from lightning_sciml.pde.steady import EQUATIONS

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"


def wave(nx: int, ny: int, num_points: int = 32) -> torch.Tensor:
    """cos 2π(nx x + ny y), one sample, one channel."""
    points = torch.arange(num_points, dtype=torch.float64) / num_points
    return torch.cos(2 * torch.pi * (nx * points + ny * points[:, None]))[None, None]


def test_relative_l2_and_max_error_of_a_scaled_field():
    reference = torch.cat([wave(1, 2), 5 * wave(3, 0)])
    prediction = reference * torch.tensor([0.9, 1.25]).double()[:, None, None, None]
    torch.testing.assert_close(
        relative_l2(prediction, reference), torch.tensor([0.1, 0.25]).double()
    )
    torch.testing.assert_close(max_error(prediction, reference), torch.tensor([0.1, 1.25]).double())


def test_vrmse_of_the_mean_is_one():
    reference = torch.cat([wave(1, 2) + 7, wave(3, 0) - 2])
    mean = reference.mean(dim=(-2, -1), keepdim=True).expand_as(reference)
    torch.testing.assert_close(vrmse(mean, reference), torch.ones(2).double())
    torch.testing.assert_close(vrmse(reference, reference), torch.zeros(2).double())


@pytest.mark.parametrize(
    ("mode", "band"),
    [((0, 0), 0), ((3, 2), 0), ((0, 4), 1), ((-8, 8), 1), ((12, 0), 2), ((16, -3), 2)],
)
def test_an_error_in_one_mode_shows_in_its_band(mode, band):
    """Each band of the reference holds one unit cosine, the error is a tenth of one."""
    reference = wave(2, 1) + wave(5, 5) + wave(13, 4)
    error = 0.1 * wave(*mode)
    expected = torch.zeros(1, 3, dtype=torch.float64)
    # ‖cos‖² is a half of the square, but 1 for modes that are their own conjugates.
    expected[0, band] = 0.01 * error.square().mean() / 0.005
    torch.testing.assert_close(band_errors(reference + error, reference), expected)


@pytest.mark.parametrize("shape", [(16, 16), (33, 32), (27, 41)])
def test_one_band_is_relative_l2_squared(shape):
    """Parseval: with the edges beyond the grid's wavenumbers all energy lies in the low band."""
    generator = torch.Generator().manual_seed(0)
    reference, prediction = torch.randn(2, 4, 2, *shape, dtype=torch.float64, generator=generator)
    low = band_errors(prediction, reference, edges=(100.0, 200.0))[:, 0]
    torch.testing.assert_close(low, relative_l2(prediction, reference).square())


@pytest.mark.parametrize("name", sorted(EQUATIONS))
@pytest.mark.parametrize("num_points", [31, 32])
def test_residual_of_a_manufactured_solution(name, num_points):
    """L cos(k·x) = Re(L(k) e^{ik·x}) solves the equation: the residual is rounding."""
    equation = EQUATIONS[name]()
    coefficients = torch.tensor([[0.02, 0.03, 0.01, 0.4, -0.3][: len(equation.coefficient_names)]])
    coefficients = coefficients.double()
    nx, ny = 3, -2
    kx, ky = 2 * torch.pi * nx, 2 * torch.pi * ny
    c = coefficients[0]
    if name == "helmholtz":
        real, imaginary = 0.01 * (kx**2 + ky**2) - c[0], 0.0
    else:
        real = c[0] * kx**2 + c[1] * ky**2 + 2 * c[2] * kx * ky
        imaginary = c[3] * kx + c[4] * ky if name == "advection_diffusion" else 0.0
    points = torch.arange(num_points, dtype=torch.float64) / num_points
    phase = kx * points + ky * points[:, None]
    source = (real * torch.cos(phase) - imaginary * torch.sin(phase))[None, None]
    solution = torch.cos(phase)[None, None]
    assert pde_residual(solution, source, coefficients, equation) < 1e-12
    torch.testing.assert_close(
        pde_residual(1.1 * solution, source, coefficients, equation),
        torch.tensor([0.1], dtype=torch.float64),
    )


@pytest.mark.skipif(
    not REFERENCE.is_dir(),
    reason=f"arrays solved by the published implementation are absent: {REFERENCE}",
)
@pytest.mark.parametrize("name", sorted(EQUATIONS))
def test_residual_of_stored_solutions_is_their_rounding(name):
    """float32 rounding of u is white, 3e-8‖u‖; L amplifies it by up to κ(2π64)²·√2·5 ≈ 1e4."""
    data = np.load(REFERENCE / f"{name}.npz")
    solution, source = (torch.from_numpy(data[key])[:, None] for key in ("solution", "source"))
    coefficients = torch.from_numpy(data["coefficients"])
    if EQUATIONS[name].fixes_mean:
        source = source - source.mean(dim=(-2, -1), keepdim=True)
    residual = pde_residual(solution, source, coefficients, EQUATIONS[name]())
    assert residual.max() < 1e-3


@pytest.mark.untyped
def test_residual_needs_a_square_grid():
    field = torch.ones(1, 1, 8, 6)
    with pytest.raises(InputError, match="N x N grid, got 8x6"):
        pde_residual(field, field, torch.ones(1, 3), EQUATIONS["poisson"]())
