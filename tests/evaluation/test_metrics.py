"""Metrics against fields whose errors are known on paper."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.metrics import (
    METRICS,
    band_errors,
    h1,
    max_error,
    mean_over_fields,
    pde_residual,
    relative_l2,
    vrmse,
)
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.steady import EQUATIONS

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"


def wave(nx: int, ny: int, num_points: int = 32) -> torch.Tensor:
    """cos 2π(nx x + ny y), one sample, one channel."""
    points = torch.arange(num_points, dtype=torch.float64) / num_points
    return torch.cos(2 * torch.pi * (nx * points + ny * points[:, None]))[None, None]


def square(num_points: int = 32) -> Grid:
    return Grid(shape=(num_points, num_points))


def random_fields(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_relative_l2_and_max_error_of_a_scaled_field():
    reference = torch.cat([wave(1, 2), 5 * wave(3, 0)])
    prediction = reference * torch.tensor([0.9, 1.25]).double()[:, None, None, None]
    expected = torch.tensor([[0.1], [0.25]]).double()
    torch.testing.assert_close(relative_l2(prediction, reference), expected)
    torch.testing.assert_close(h1(prediction, reference, square()), expected)
    absolute = torch.tensor([[0.1], [1.25]]).double()
    torch.testing.assert_close(max_error(prediction, reference), absolute)


def test_vrmse_of_the_mean_is_one():
    reference = torch.cat([wave(1, 2) + 7, wave(3, 0) - 2])
    mean = reference.mean(dim=(-2, -1), keepdim=True).expand_as(reference)
    torch.testing.assert_close(vrmse(mean, reference), torch.ones(2, 1).double())
    torch.testing.assert_close(vrmse(reference, reference), torch.zeros(2, 1).double())


@pytest.mark.parametrize(
    ("mode", "band"),
    [((0, 0), 0), ((3, 2), 0), ((0, 4), 1), ((-8, 8), 1), ((12, 0), 2), ((16, -3), 2)],
)
def test_an_error_in_one_mode_shows_in_its_band(mode, band):
    """Each band of the reference holds one unit cosine, the error is a tenth of one."""
    reference = wave(2, 1) + wave(5, 5) + wave(13, 4)
    error = 0.1 * wave(*mode)
    expected = torch.zeros(1, 1, 3, dtype=torch.float64)
    # ‖cos‖² is a half of the square, but 1 for modes that are their own conjugates.
    expected[..., band] = 0.01 * error.square().mean() / 0.005
    torch.testing.assert_close(band_errors(reference + error, reference, square()), expected)


@pytest.mark.parametrize("boundary", ["periodic", "neumann"])
@pytest.mark.parametrize("shape", [(16, 16), (33, 32), (27, 41)])
def test_one_band_is_relative_l2_squared(shape, boundary):
    """Parseval: with the edges beyond the grid's wavenumbers all energy lies in the low band."""
    grid = Grid(shape=shape, lengths=(2.0, 3.0), boundary=(boundary, "periodic"))
    reference, prediction = random_fields(2, 4, 2, *shape)
    low = band_errors(prediction, reference, grid, edges=(100.0, 200.0))[..., 0]
    torch.testing.assert_close(low, relative_l2(prediction, reference).square())


def mode(grid: Grid, periods_x: float, periods_y: float) -> torch.Tensor:
    """cos 2πn_y y · cos 2πn_x x: on an axis with walls a half period is a mode as well."""
    y, x = (torch.from_numpy(axis) for axis in grid.coordinates())
    return torch.cos(2 * torch.pi * periods_y * y)[:, None] * torch.cos(
        2 * torch.pi * periods_x * x
    )


@pytest.mark.parametrize(
    ("periods_x", "band"), [(1.5, 0), (3.5, 0), (4.0, 1), (11.5, 1), (12.5, 2)]
)
def test_a_mode_between_walls_lies_in_the_band_of_its_wavelength(periods_x, band):
    grid = Grid(shape=(16, 40), lengths=(0.5, 0.5), boundary=("periodic", "wall"))
    reference = mode(grid, 1, 1) + mode(grid, 8, 0) + mode(grid, 15, 3)
    errors = band_errors(reference + 0.1 * mode(grid, periods_x, 0), reference, grid)
    assert errors.argmax() == band
    torch.testing.assert_close(errors.sum(), errors[band])  # and in no other


def test_bands_are_those_of_the_wavelength_on_a_rectangle():
    """Two periods a side of one half of the length are four of the length."""
    grid = Grid(shape=(16, 32), lengths=(1.0, 2.0))
    reference = mode(grid, 1, 0) + mode(grid, 5, 0) + mode(grid, 14, 3)
    in_low = band_errors(reference + 0.1 * mode(grid, 0, 1), reference, grid)
    in_mid = band_errors(reference + 0.1 * mode(grid, 0, 2), reference, grid)
    assert (int(in_low.argmax()), int(in_mid.argmax())) == (0, 1)


@pytest.mark.parametrize("num_points", [24, 31, 32])
def test_h1_of_two_modes_is_known_on_paper(num_points):
    """‖cos k·x‖²_H¹ = (1 + |k|²)/2 on any grid that resolves it, k = 2π(nx/Lx, ny/Ly)."""
    grid = Grid(shape=(num_points, 40), lengths=(3.0, 2.0))
    reference, error = mode(grid, 2, 0), 0.1 * mode(grid, 0, 5)
    k_reference, k_error = 2 * torch.pi * 2 / 2.0, 2 * torch.pi * 5 / 3.0
    expected = 0.1 * ((1 + k_error**2) / (1 + k_reference**2)) ** 0.5
    torch.testing.assert_close(h1(reference + error, reference, grid).item(), expected)


def test_h1_between_walls_converges_in_second_order():
    """Differences have the error (kh)²/24 of a slope: four times less on half the step."""
    misses = []
    for num_points in (32, 64):
        grid = Grid(shape=(num_points, 8), lengths=(2.0, 1.0), boundary=("neumann", "periodic"))
        reference, error = mode(grid, 0, 0.5), 0.1 * mode(grid, 0, 1.5)
        k_reference, k_error = torch.pi / 2.0, 3 * torch.pi / 2.0
        expected = 0.1 * ((1 + k_error**2) / (1 + k_reference**2)) ** 0.5
        misses.append(abs(h1(reference + error, reference, grid).item() - expected) / expected)
    assert misses[0] < 5e-3
    assert 3.8 < misses[0] / misses[1] < 4.2


def test_steps_and_fields_are_measured_each_by_itself():
    """The errors of (B, K, F) fields are those of each alone, but for the order of a sum."""
    grid = Grid(shape=(18, 27), lengths=(1.0, 1.5), boundary=("wall", "periodic"))
    prediction, reference = random_fields(2, 3, 2, 4, *grid.shape)
    for metric in (m for m in METRICS if m.takes != "equation"):
        more = (grid,) if metric.takes == "grid" else ()
        together = metric.of_fields(prediction, reference, *more)
        assert together.shape[:3] == (3, 2, 4)
        for place in np.ndindex(3, 2, 4):
            alone = metric.of_fields(prediction[place][None], reference[place][None], *more)
            torch.testing.assert_close(together[place][None], alone, rtol=1e-14, atol=0)


def test_a_sample_is_the_mean_over_its_steps_and_fields():
    errors = random_fields(2, 3, 2)
    torch.testing.assert_close(mean_over_fields(errors), errors.mean(dim=(1, 2)))
    errors[1, :, 0] = torch.nan  # which the second sample does not have
    present = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    expected = torch.stack([errors[0].mean(), errors[1, :, 1].mean()])
    torch.testing.assert_close(mean_over_fields(errors, present), expected)
    assert mean_over_fields(errors[1:]).isnan()  # an error that is not finite is not left out
    one = errors[:1, :1, :1]
    assert torch.equal(mean_over_fields(one), one[:, 0, 0])


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


def test_a_band_in_which_the_reference_is_rounding_has_no_error():
    """A cosine in float32 has 1e-15 of its energy in other modes, which says nothing."""
    grid = square()
    reference = mode(grid, 1, 0).float()
    errors = band_errors(reference + 0.1 * mode(grid, 20, 0), reference, grid)
    assert errors[0] < 1e-12
    assert errors[1:].isnan().all()
    weak = reference + 1e-6 * mode(grid, 20, 0)
    assert torch.isfinite(band_errors(reference, weak, grid)[2])
