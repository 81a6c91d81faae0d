import numpy as np
import pytest

from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid, PeriodicGrid


@pytest.mark.parametrize("num_points", [8, 9])
def test_wavenumbers_differentiate_every_resolved_mode(num_points):
    grid = PeriodicGrid(num_points)
    x, y = grid.coordinates[None, :], grid.coordinates[:, None]
    k = grid.wavenumbers
    for m in range((num_points - 1) // 2 + 1):
        phase = 2 * np.pi * (m * x - m * y) + 0.3
        u_hat = np.fft.rfft2(np.cos(phase))
        shape = (num_points, num_points)
        du_dx = np.fft.irfft2(1j * k.kx * u_hat, shape)
        laplacian = np.fft.irfft2(-(k.kx_squared + k.ky_squared) * u_hat, shape)
        np.testing.assert_allclose(du_dx, -2 * np.pi * m * np.sin(phase), atol=1e-12)
        np.testing.assert_allclose(laplacian, -2 * (2 * np.pi * m) ** 2 * np.cos(phase), atol=1e-10)


@pytest.mark.parametrize("num_points", range(2, 130, 2))
def test_nyquist_mode_has_an_even_derivative_and_no_odd_one(num_points):
    k, nyquist = PeriodicGrid(num_points).wavenumbers, num_points // 2
    assert k.kx[0, nyquist] == k.ky[nyquist, 0] == 0
    assert k.kx_squared[0, nyquist] == k.ky_squared[nyquist, 0] == (2 * np.pi * nyquist) ** 2


def test_odd_grid_has_no_nyquist_mode():
    k = PeriodicGrid(9).wavenumbers
    np.testing.assert_array_equal(k.kx**2, k.kx_squared)
    np.testing.assert_array_equal(k.ky**2, k.ky_squared)


@pytest.mark.untyped
def test_grid_without_points_is_rejected():
    with pytest.raises(InputError, match="num_points must be at least 1, got 0"):
        PeriodicGrid(0)


def test_points_lie_on_periodic_ends_and_half_a_step_inside_walls():
    y, x = Grid(shape=(4, 2), lengths=(3.0, 1.0), boundary=("wall", "periodic")).coordinates()
    np.testing.assert_array_equal(y, [0.125, 0.375, 0.625, 0.875])
    np.testing.assert_array_equal(x, [0, 0.5])


@pytest.mark.parametrize(
    ("change", "is_periodic", "is_square"),
    [
        ({}, True, True),
        ({"shape": (8, 6)}, True, False),
        ({"lengths": (1.0, 2.0)}, True, False),
        ({"boundary": ("wall", "periodic")}, False, False),
        ({"boundary": ("wall", "wall")}, False, True),
    ],
)
def test_a_grid_knows_whether_its_axes_are_alike(change, is_periodic, is_square):
    grid = Grid(**{"shape": (8, 8), **change})
    assert (grid.is_periodic, grid.is_square) == (is_periodic, is_square)


@pytest.mark.untyped
@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"shape": (0, 8)}, r"at least one point an axis .*, got \(0, 8\)"),
        ({"lengths": (1.0, float("inf"))}, "positive and finite"),
        ({"lengths": (0.0, 1.0)}, "positive and finite"),
        ({"boundary": ("slip", "wall")}, "one of periodic, dirichlet, .* got 'slip'"),
    ],
)
def test_a_grid_that_is_none_is_rejected(change, line):
    with pytest.raises(InputError, match=line):
        Grid(**{"shape": (8, 8), **change})
