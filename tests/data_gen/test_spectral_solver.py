from pathlib import Path

import numpy as np
import pytest

from data_gen.spectral_solver import SpectralSolver
from data_gen.truncated_transform import TruncatedTransform
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import PeriodicGrid
from lightning_sciml.pde.steady import EQUATIONS, AdvectionDiffusion, Helmholtz, Poisson

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"


def noise(num_points, num_samples=2):
    return np.random.default_rng(0).standard_normal((num_samples, num_points, num_points))


@pytest.mark.parametrize("num_points", [16, 15])
@pytest.mark.parametrize(
    ("equation", "coefficients"),
    [
        (Poisson(), [0.03, 0.02, -0.01]),
        (AdvectionDiffusion(), [0.03, 0.02, -0.01, 0.4, -0.7]),
        (Helmholtz(), [3.0]),
        (Helmholtz(), [-3.0]),
    ],
)
def test_manufactured_solution(equation, coefficients, num_points):
    """u = cos φ with φ = 2π(3x - 2y) + 0.3: Lu = (kᵀKk) cos φ - (v·k) sin φ, (κ|k|² - ω) cos φ."""
    grid = PeriodicGrid(num_points)
    kx, ky = 2 * np.pi * 3, -2 * np.pi * 2
    phase = kx * grid.coordinates[None, :] + ky * grid.coordinates[:, None] + 0.3
    u = np.cos(phase)
    if isinstance(equation, Helmholtz):
        f = (0.01 * (kx**2 + ky**2) - coefficients[0]) * np.cos(phase)
    else:
        k11, k22, k12, v1, v2 = (*coefficients, 0.0, 0.0)[:5]
        f = (k11 * kx**2 + k22 * ky**2 + 2 * k12 * kx * ky) * np.cos(phase)
        f -= (v1 * kx + v2 * ky) * np.sin(phase)
    solver = SpectralSolver(equation, TruncatedTransform(grid, num_points // 2))
    solution = solver.solve(f[None], np.array([coefficients]))
    np.testing.assert_allclose(solution[0], u, atol=1e-13)


@pytest.mark.parametrize("num_points", [16, 15])
@pytest.mark.parametrize("name", EQUATIONS)
def test_white_noise_is_solved_as_by_a_full_complex_transform(name, num_points):
    """All modes at full strength, Nyquist included, where odd derivatives vanish."""
    coefficients = np.array(
        {
            "poisson": [0.03, 0.02, -0.01],
            "advection_diffusion": [0.03, 0.02, -0.01, 0.4, -0.7],
            "helmholtz": [3.0],
        }[name]
    )
    modes = np.fft.fftfreq(num_points, 1 / num_points)
    odd = 2 * np.pi * np.where(2 * np.abs(modes) == num_points, 0, modes)
    kx, ky, even = odd[None, :], odd[:, None], (2 * np.pi * modes) ** 2
    if name == "helmholtz":
        symbol = 0.01 * (even[None, :] + even[:, None]) - 3.0
    else:
        k11, k22, k12, v1, v2 = (*coefficients, 0.0, 0.0)[:5]
        symbol = k11 * even[None, :] + k22 * even[:, None] + 2 * k12 * kx * ky
        symbol = symbol + 1j * (v1 * kx + v2 * ky)
        symbol[0, 0] = np.inf
    f = noise(num_points)
    expected = np.fft.ifft2(np.fft.fft2(f) / symbol)
    assert np.abs(expected.imag).max() < 1e-14
    solver = SpectralSolver(
        EQUATIONS[name](), TruncatedTransform(PeriodicGrid(num_points), num_points // 2)
    )
    solution = solver.solve(f, np.tile(coefficients, (2, 1)))
    np.testing.assert_allclose(solution, expected.real, atol=1e-13)


@pytest.mark.parametrize("num_points", [16, 15])
def test_transform_of_all_modes_is_invertible_and_keeps_the_energy(num_points):
    transform = TruncatedTransform(PeriodicGrid(num_points), num_points // 2)
    u = noise(num_points)
    u_hat = transform.forward(u)
    np.testing.assert_allclose(transform.inverse(u_hat), u, atol=1e-13)
    np.testing.assert_allclose(transform.energy(u_hat), (u**2).mean(axis=(1, 2)), rtol=1e-13)
    np.testing.assert_allclose(transform.mean(u_hat), u.mean(axis=(1, 2)), atol=1e-15)


@pytest.mark.parametrize("num_points", [16, 15])
def test_truncation_is_the_projection_on_the_low_modes(num_points):
    transform = TruncatedTransform(PeriodicGrid(num_points), 5)
    u = noise(num_points)
    u_hat = np.fft.fft2(u)
    low = np.abs(np.fft.fftfreq(num_points, 1 / num_points)) <= 5
    expected = np.fft.ifft2(u_hat * low[None, :] * low[:, None]).real
    np.testing.assert_allclose(transform.inverse(transform.forward(u)), expected, atol=1e-13)


def test_more_modes_than_the_grid_has_are_rejected():
    with pytest.raises(InputError, match=r"1 … num_points/2 = 8, got 9; lower num_modes"):
        TruncatedTransform(PeriodicGrid(16), 9)


@pytest.mark.skipif(
    not REFERENCE.is_dir(),
    reason=f"arrays solved by the published implementation are absent: {REFERENCE}",
)
@pytest.mark.parametrize("num_modes", [31, 64])
@pytest.mark.parametrize("name", ["poisson", "advection_diffusion", "helmholtz"])
def test_published_implementation_is_reproduced(name, num_modes):
    """To 1e-6 relative: what float32 rounding of source and solution leaves (3e-8 seen)."""
    reference = np.load(REFERENCE / f"{name}.npz")
    assert tuple(reference["coefficient_names"]) == EQUATIONS[name].coefficient_names
    solver = SpectralSolver(EQUATIONS[name](), TruncatedTransform(PeriodicGrid(128), num_modes))
    solution = solver.solve(reference["source"].astype(float), reference["coefficients"])
    error = np.linalg.norm(solution - reference["solution"], axis=(1, 2))
    assert (error / np.linalg.norm(reference["solution"], axis=(1, 2))).max() < 1e-6
