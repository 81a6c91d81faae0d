"""Sine and cosine transforms between walls, and what is solved by them."""

import numpy as np
import pytest
from scipy.fft import dctn, dstn

from data_gen.random_projection import RandomProjection
from data_gen.sources import GaussianSources, SeparableSources
from data_gen.spectral_solver import SpectralSolver
from data_gen.walled_transform import WalledTransform
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.steady import Helmholtz, Poisson
from lightning_sciml.pde.walls import highest_mode

WALLS = ("dirichlet", "neumann")
EQUATIONS = ((Poisson(), [0.03, 0.02, 0.0]), (Helmholtz(), [3.0]), (Helmholtz(), [-3.0]))


def whole(num_points, walls):
    return WalledTransform(num_points, highest_mode(num_points, walls), walls)


def noise(num_points, num_samples=2):
    return np.random.default_rng(0).standard_normal((num_samples, num_points, num_points))


@pytest.mark.parametrize("num_points", [16, 15, 2])
@pytest.mark.parametrize("walls", WALLS)
def test_transform_of_all_modes_is_invertible_and_keeps_the_energy(walls, num_points):
    transform, u = whole(num_points, walls), noise(num_points)
    u_hat = transform.forward(u)
    assert u_hat.shape[1:] == (num_points, num_points)
    np.testing.assert_allclose(transform.inverse(u_hat), u, atol=1e-13)
    np.testing.assert_allclose(transform.energy(u_hat), (u**2).mean(axis=(1, 2)), rtol=1e-13)
    np.testing.assert_allclose(transform.mean(u_hat), u.mean(axis=(1, 2)), atol=1e-15)


@pytest.mark.parametrize("num_points", [16, 15])
@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize("num_modes", [1, 5, 14])
def test_coefficients_are_those_of_the_discrete_transforms_of_scipy(walls, num_points, num_modes):
    transform, u = WalledTransform(num_points, num_modes, walls), noise(num_points)
    discrete = {"dirichlet": dstn, "neumann": dctn}[walls]
    expected = discrete(u, type=2, axes=(1, 2)) / num_points**2  # 2 Σ u b an axis
    first = walls == "dirichlet"
    if not first:
        expected[:, 0] /= 2
        expected[:, :, 0] /= 2
    kept = transform.shape[0]
    assert kept == num_modes + 1 - first
    np.testing.assert_allclose(transform.forward(u), expected[:, :kept, :kept], atol=1e-14)
    w = np.random.default_rng(1).standard_normal((num_points, num_points))
    u_hat = transform.forward(u)
    of_parities, of_modes = transform.adjoint(w)
    on_grid = (transform.parities(u_hat).values * of_parities.values).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(on_grid, (transform.inverse(u_hat) * w).sum(axis=(1, 2)), atol=1e-12)
    np.testing.assert_allclose(u_hat.reshape(2, -1) @ of_modes, on_grid, atol=1e-12)


@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize(("equation", "c"), EQUATIONS)
@pytest.mark.parametrize("modes", [(3, 2), (1, 7), (12, 12)])
def test_one_wave_is_solved_to_round_off(walls, equation, c, modes):
    """-κ∂²b_m = κ(πm)² b_m at the cell centres (j + ½)/N."""
    y, x = Grid(shape=(12, 12), boundary=(walls, walls)).coordinates()
    modes = np.minimum(modes, highest_mode(12, walls))
    wave = {"dirichlet": np.sin, "neumann": np.cos}[walls]
    u = np.outer(wave(np.pi * modes[0] * y), wave(np.pi * modes[1] * x))
    squares = np.pi**2 * modes**2.0
    if isinstance(equation, Helmholtz):
        symbol = 0.01 * squares.sum() - c[0]
    else:
        symbol = c[0] * squares[1] + c[1] * squares[0]
    solver = SpectralSolver(equation, whole(12, walls))
    solution = solver.solve(symbol * u[None], np.array([c]))
    np.testing.assert_allclose(solution[0], u, atol=1e-13)


@pytest.mark.parametrize("num_points", [8, 9])
@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize(("equation", "c"), EQUATIONS)
def test_noise_is_solved_as_by_dense_elimination(walls, num_points, equation, c):
    """The matrix of L on all grid values, from the derivatives of the continued series."""
    second = second_derivative(num_points, walls)
    one = np.eye(num_points)
    if isinstance(equation, Helmholtz):
        matrix = -0.01 * (np.kron(second, one) + np.kron(one, second)) - c[0] * np.eye(
            len(one) ** 2
        )
    else:
        matrix = -(c[1] * np.kron(second, one) + c[0] * np.kron(one, second))
    f = noise(num_points, 1)
    if walls == "neumann" and equation.fixes_mean:
        f -= f.mean()
    expected = np.linalg.lstsq(matrix, f.ravel(), rcond=1e-12)[0].reshape(f.shape)
    solver = SpectralSolver(equation, whole(num_points, walls))
    found = solver.solve(f, np.array([c]))
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


def second_derivative(num_points, walls):
    """d²/dx² of the periodic series of 2N points, for odd or even values."""
    folded = np.eye(num_points)
    sign = {"dirichlet": -1, "neumann": 1}[walls]
    period = np.concatenate([folded, sign * folded[::-1]])
    k = np.pi * np.fft.fftfreq(2 * num_points, 1 / (2 * num_points))
    return np.fft.ifft(-(k**2)[:, None] * np.fft.fft(period, axis=0), axis=0).real[:num_points]


@pytest.mark.parametrize("walls", WALLS)
def test_order_is_two_for_sources_that_do_not_meet_the_boundary_condition(walls):
    """Their series converge slowly: f jumps at walls with u = 0, its slope at those without flux.

    Against u = sin πy x(1-x), and u = cos πy (x²/2 - x³/3), whose slope is x(1-x).
    """
    errors = []
    for num_points in (32, 64, 128):
        y, x = Grid(shape=(num_points, num_points), boundary=(walls, walls)).coordinates()
        wave = {"dirichlet": np.sin, "neumann": np.cos}[walls](np.pi * y)
        profile, bend = x * (1 - x), -2.0
        if walls == "neumann":
            profile, bend = x**2 / 2 - x**3 / 3, 1 - 2 * x
        f = np.outer(wave, np.pi**2 * profile - bend)
        solver = SpectralSolver(Poisson(), whole(num_points, walls))
        found = solver.solve(f[None], np.array([[1.0, 1.0, 0.0]]))[0]
        errors.append(np.abs(found - np.outer(wave, profile)).max())
    np.testing.assert_allclose(np.log2(errors[:-1]) - np.log2(errors[1:]), 2, atol=0.1)


@pytest.mark.parametrize("walls", WALLS)
def test_gaussians_are_solved_as_on_a_grid_of_three_times_the_points(walls):
    """They nearly vanish at the walls, so truncation is all that is left."""
    found = {}
    for num_points in (66, 198):  # every third centre of the fine cells is one of the coarse ones
        sources = GaussianSources()
        modes = sources.default_num_modes(num_points, walls)
        transform = WalledTransform(num_points, modes, walls)
        evaluate = SeparableSources(sources, transform, zero_mean=walls == "neumann").evaluate
        p = sources.amplitudes(np.random.default_rng(0).random((2, sources.num_uniforms)))
        f = np.empty((2, num_points, num_points))
        block = evaluate(p, out=f)
        np.testing.assert_allclose(block.energy, (f**2).mean(axis=(1, 2)), rtol=1e-12)
        solver = SpectralSolver(Poisson(), transform)
        u_hat = solver.solve_modes(block.f_hat, solver.symbol(np.array([[0.01, 0.03, 0.0]] * 2)))
        found[num_points] = transform.inverse(u_hat)
    fine, coarse = found[198][:, 1::3, 1::3], found[66]
    ratio = (fine * coarse).sum(axis=(1, 2)) / (fine**2).sum(axis=(1, 2))  # of max f on the grids
    error = coarse - ratio[:, None, None] * fine
    assert np.abs(error).max() < 1e-6 * np.abs(coarse).max()


def test_an_error_of_the_matrices_is_measured():
    transform = WalledTransform(24, 9, "dirichlet")
    projection = RandomProjection(transform)
    u_hat = transform.forward(noise(24))
    assert np.sqrt(projection.error_energy(transform.parities(u_hat), u_hat)).max() < 1e-14
    u = transform.parities(u_hat)
    u.odd[1, 3, 5] += 1e-6
    measured = np.sqrt(projection.error_energy(u, u_hat))
    assert measured[0] < 1e-14
    assert measured[1] > 1e-9


@pytest.mark.parametrize(("walls", "most"), [("dirichlet", 16), ("neumann", 15)])
def test_more_modes_than_the_grid_has_are_rejected(walls, most):
    with pytest.raises(InputError, match=rf"1 … {most} between {walls} walls of 16 points, got 17"):
        WalledTransform(16, 17, walls)
    WalledTransform(16, most, walls)
