"""Between walls: derivatives of sines and cosines, and which problems have such solutions."""

import itertools

import numpy as np
import pytest
import torch

from lightning_sciml.evaluation.metrics import pde_residual
from lightning_sciml.pde.grid import Grid, PeriodicGrid
from lightning_sciml.pde.residual import check_solution, relative_residual, residual
from lightning_sciml.pde.steady import EQUATIONS, AdvectionDiffusion, Helmholtz, Poisson
from lightning_sciml.pde.walls import (
    continued,
    continued_wavenumbers,
    eigenmodes,
    has_free_mean,
    highest_mode,
    is_mirror_symmetric,
)

N = 24
WALLS = ("dirichlet", "neumann")
BOUNDARIES = tuple(itertools.product(("periodic", *WALLS), repeat=2))
POISSON = np.array([0.02, 0.05, 0.0])
_MODES = tuple(itertools.product(range(1, 5), repeat=2))


def wave(condition, mode, x):
    """A field of one axis that meets its boundary condition, and minus its second derivative."""
    k = (2 if condition == "periodic" else 1) * np.pi * mode
    values = np.sin(k * x) if condition == "dirichlet" else np.cos(k * x)
    return values, k**2 * values


def manufactured(boundary, modes=(3, 2)):
    """u = b(y) b(x), -∂y²u and -∂x²u on the grid of the boundary."""
    y, x = Grid(shape=(N, N), boundary=boundary).coordinates()
    (of_y, bent_y), (of_x, bent_x) = (
        wave(condition, mode, z) for condition, mode, z in zip(boundary, modes, (y, x), strict=True)
    )
    return np.outer(of_y, of_x), np.outer(bent_y, of_x), np.outer(of_y, bent_x)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_the_solution_of_a_manufactured_source_has_no_residual(boundary):
    u, bent_y, bent_x = manufactured(boundary)
    f = 0.02 * bent_x + 0.05 * bent_y
    assert relative_residual(Poisson(), u, f, POISSON, boundary=boundary) < 1e-12
    assert relative_residual(Poisson(), 1.01 * u, f, POISSON, boundary=boundary) > 0.009
    f, omega = 0.01 * (bent_x + bent_y) - 5.0 * u, np.array([5.0])
    assert relative_residual(Helmholtz(), u, f, omega, boundary=boundary) < 1e-12


@pytest.mark.parametrize("walls", WALLS)
def test_mixed_and_odd_derivatives_of_a_prediction_are_those_of_its_series(walls):
    """Derive u = sin ay sin bx: ∂x∂y u = ab cos ay cos bx and ∂x u = b sin ay cos bx."""
    y, x = Grid(shape=(N, N), boundary=(walls, walls)).coordinates()
    a, b = 3 * np.pi, 2 * np.pi
    sines, cosines = (np.outer(wave(a * y), wave(b * x)) for wave in (np.sin, np.cos))
    u, mixed = (sines, cosines) if walls == "dirichlet" else (cosines, sines)
    slope = np.outer(np.sin(a * y), np.cos(b * x))
    if walls == "neumann":
        slope = -np.outer(np.cos(a * y), np.sin(b * x))
    f = (0.02 * b**2 + 0.05 * a**2) * u - 2 * 0.01 * a * b * mixed + 0.3 * b * slope
    c = np.array([0.02, 0.05, 0.01, 0.3, 0.0])
    left = residual(AdvectionDiffusion(), u, f, c, boundary=(walls, walls))
    assert np.abs(left).max() < 1e-12 * np.abs(f).max()


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("num_points", [8, 9])
def test_torch_measures_the_residual_of_numpy(boundary, num_points):
    u, f = np.random.default_rng(0).standard_normal((2, 3, 1, num_points, num_points))
    c = np.tile(POISSON, (3, 1))
    expected = relative_residual(Poisson(), u[:, 0], f[:, 0], c, boundary=boundary)
    arguments = map(torch.from_numpy, (u, f, c))
    found = pde_residual(*arguments, Poisson(), boundary)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(("equation", "c"), [(Poisson(), POISSON), (Helmholtz(), [3.3])])
def test_a_rounded_solution_passes_and_an_edited_one_does_not(boundary, equation, c):
    """Solve a smooth random source in the continued modes, in float64, and store it in float32."""
    rng = np.random.default_rng(0)
    f = sum(rng.standard_normal() * manufactured(boundary, modes)[0] for modes in _MODES)
    f_hat = np.fft.rfft2(continued(f, boundary))
    symbol = equation.symbol(np.array(c), continued_wavenumbers(N, boundary))
    if equation.fixes_mean:
        symbol[0, 0] = np.inf
    u = np.fft.irfft2(f_hat / symbol, s=continued(f, boundary).shape)[:N, :N]
    fields = np.array([f, u]).astype(np.float32)
    good = check_solution(fields, np.array(c), equation, boundary)
    assert good.is_checkable
    assert not good.is_wrong
    spoilt = fields.copy()
    spoilt[1, 5, 7] += 0.01 * np.abs(fields[1]).max()
    assert check_solution(spoilt, np.array(c), equation, boundary).is_wrong
    assert check_solution(fields, 1.01 * np.array(c), equation, boundary).is_wrong
    others = [other for other in BOUNDARIES if other != boundary]
    assert all(check_solution(fields, np.array(c), equation, other).is_wrong for other in others)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("num_points", [6, 7])
def test_eigenmodes_are_all_values_of_the_symbol(boundary, num_points):
    """-Δ as a dense matrix has the eigenvalues |k|² of the modes that the grid holds."""
    size = num_points**2
    units = np.eye(size).reshape(size, num_points, num_points)
    laplacian = EQUATIONS["poisson"]()
    c = np.tile([1.0, 1.0, 0.0], (size, 1))
    matrix = residual(laplacian, units, 0 * units, c, boundary=boundary).reshape(size, size)
    k_squared = laplacian.symbol(c[0], eigenmodes(num_points, boundary))
    expected = np.repeat(k_squared.ravel(), _multiplicity(num_points, boundary[1]))
    np.testing.assert_allclose(np.sort(np.linalg.eigvalsh(matrix)), np.sort(expected), atol=1e-9)


def _multiplicity(num_points, condition_x):
    """Waves that a value of the half spectrum stands for, along x, repeated for every row."""
    if condition_x != "periodic":
        return 1
    modes = np.arange(num_points // 2 + 1)
    own = np.where((modes == 0) | (2 * modes == num_points), 1, 2)
    return np.tile(own, num_points)


def test_the_finest_wave_is_the_last_of_the_modes():
    for condition, share in (("periodic", 2), ("dirichlet", 1), ("neumann", 1)):
        highest = np.sqrt(eigenmodes(8, (condition, condition)).kx_squared.max())
        assert highest == pytest.approx(share * np.pi * highest_mode(8, condition))


def test_fields_of_periodic_grids_are_not_continued_and_keep_their_wavenumbers():
    field, boundary = np.random.default_rng(0).standard_normal((3, 8, 8)), ("periodic",) * 2
    assert continued(field, boundary) is field
    for name, expected in PeriodicGrid(8).wavenumbers._asdict().items():
        found = getattr(continued_wavenumbers(8, boundary), name)
        np.testing.assert_array_equal(found, expected)


def test_the_mean_is_free_unless_u_vanishes_at_a_wall():
    free = [boundary for boundary in BOUNDARIES if has_free_mean(Poisson(), boundary)]
    assert free == [boundary for boundary in BOUNDARIES if "dirichlet" not in boundary]
    assert not any(has_free_mean(Helmholtz(), boundary) for boundary in BOUNDARIES)


@pytest.mark.parametrize(
    ("equation", "c", "symmetric"),
    [
        (Poisson(), [0.02, 0.05, 0.0], {"y", "x"}),
        (Poisson(), [0.02, 0.05, 0.01], set()),
        (AdvectionDiffusion(), [0.02, 0.05, 0.0, 0.3, 0.0], {"y"}),
        (AdvectionDiffusion(), [0.02, 0.05, 0.0, 0.0, 0.3], {"x"}),
        (Helmholtz(), [3.0], {"y", "x"}),
    ],
)
def test_odd_derivatives_along_an_axis_exclude_walls_there(equation, c, symmetric):
    for walls in WALLS:
        of_y, of_x = (walls, "periodic"), ("periodic", walls)
        assert is_mirror_symmetric(equation, np.array(c), of_y) == ("y" in symmetric)
        assert is_mirror_symmetric(equation, np.array(c), of_x) == ("x" in symmetric)
        both = is_mirror_symmetric(equation, np.array(c), (walls, walls))
        assert both == (symmetric == {"y", "x"})
    assert is_mirror_symmetric(equation, np.array(c), ("periodic", "periodic"))
