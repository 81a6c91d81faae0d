"""Conjugate gradients and multigrid for -∇·(a∇u) = f against what is known of u."""

import numpy as np
import pytest
from scipy.sparse import block_array, coo_array, csc_array
from scipy.sparse.linalg import splu

from data_gen.elliptic_solver import solve
from data_gen.finite_volumes import Faces
from data_gen.multigrid import Multigrid
from lightning_sciml.errors import InputError

WALLS = ("dirichlet", "neumann", "periodic")


def smooth(num_cells, seed, num_samples=1):
    """Draw (B, N, N) of a few long waves."""
    rng, x = np.random.default_rng(seed), (np.arange(num_cells) + 0.5) / num_cells
    waves = np.stack([np.cos(np.pi * k * x) for k in range(4)])
    return waves.T @ rng.standard_normal((num_samples, 4, 4)) @ waves


def medium(kind, num_cells, seed=0, num_samples=1):
    g = smooth(num_cells, seed, num_samples)
    return np.where(g > 0, 12.0, 3.0) if kind == "two-phase" else np.exp(g)


def source(walls, num_cells, seed=1, num_samples=1):
    f = np.random.default_rng(seed).standard_normal((num_samples, num_cells, num_cells))
    return f if walls == "dirichlet" else f - f.mean(axis=(1, 2), keepdims=True)


def assembled(a, walls):
    """The matrix of -∇·(a∇·) cell by cell, from its definition."""
    N, entries = len(a), []
    for j, i in np.ndindex(N, N):
        for dj, di in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            y, x = j + dj, i + di
            if walls != "periodic" and not (0 <= y < N and 0 <= x < N):
                if walls == "dirichlet":
                    entries.append((j * N + i, j * N + i, 2 * a[j, i]))
                continue
            y, x = y % N, x % N
            c = 2 * a[j, i] * a[y, x] / (a[j, i] + a[y, x])
            entries += [(j * N + i, j * N + i, c), (j * N + i, y * N + x, -c)]
    rows, columns, values = np.array(entries).T
    places = (rows.astype(int), columns.astype(int))
    return csc_array(coo_array((N**2 * values, places), shape=(N**2, N**2)))


def direct(a, f, walls):
    """Solve by SuperLU; where constants are free, with a row and column for ∫u = 0."""
    A, ones = assembled(a, walls), np.ones((a.size, 1))
    if walls == "dirichlet":
        return splu(A).solve(f.ravel()).reshape(f.shape)
    bordered = block_array([[A, csc_array(ones)], [csc_array(ones.T), None]], format="csc")
    return splu(bordered).solve(np.append(f.ravel(), 0.0))[:-1].reshape(f.shape)


@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize("kind", ["two-phase", "log-normal"])
@pytest.mark.parametrize("num_cells", [6, 24, 37])
def test_solution_is_that_of_a_direct_solver(walls, kind, num_cells):
    a, f = medium(kind, num_cells), source(walls, num_cells)
    solved = solve(a, f, walls)
    exact = direct(a[0], f[0], walls)
    assert np.linalg.norm(solved.solution[0] - exact) <= 1e-9 * np.linalg.norm(exact)
    assert solved.residual[0] <= 1e-10


@pytest.mark.parametrize("walls", WALLS)
def test_error_of_a_smooth_solution_is_of_second_order(walls):
    def error(num_cells):
        x = (np.arange(num_cells) + (0 if walls == "periodic" else 0.5)) / num_cells
        k = 2 * np.pi if walls == "periodic" else np.pi
        s, c = np.sin(k * x), np.cos(k * x)
        wave, slope = (s, c) if walls == "dirichlet" else (c, -s)
        # u = wave(y) wave(x), a = exp(b), b = (cos ky + cos kx)/2: f = 2k²au - a ∇b·∇u
        a = np.exp((c[:, None] + c) / 2)
        u = wave[:, None] * wave
        grad_b_grad_u = (
            -(k**2) / 2 * (s[:, None] * slope[:, None] * wave + s * slope * wave[:, None])
        )
        f = a * (2 * k**2 * u - grad_b_grad_u)
        if walls != "dirichlet":
            f -= f.mean()  # of the order of the error
        found = solve(a[None], f[None], walls).solution[0]
        return np.sqrt(((found - u) ** 2).mean())

    order = np.log2(error(24) / error(48))
    assert order == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("walls", WALLS)
def test_matrix_and_fluxes_are_one_symmetric_operator(walls):
    faces = Faces.of_cells(medium("two-phase", 9, num_samples=2), walls)
    u, v = np.random.default_rng(2).standard_normal((2, 2, 9, 9))
    A = faces.matrix()
    np.testing.assert_allclose((A @ u.ravel()).reshape(u.shape), faces.apply(u), atol=1e-12)
    np.testing.assert_allclose((v * faces.apply(u)).sum(), (u * faces.apply(v)).sum(), rtol=1e-12)
    assert (u * faces.apply(u)).sum() > 0


@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize("num_cells", [18, 27])
def test_multigrid_cycle_is_symmetric_and_definite(walls, num_cells):
    cycle = Multigrid(Faces.of_cells(medium("two-phase", num_cells), walls))
    u, v = (source(walls, num_cells, seed) for seed in (3, 4))
    Mu, Mv = (cycle(w.astype(np.float32)) for w in (u, v))
    assert (v * Mu).sum() == pytest.approx((u * Mv).sum(), abs=1e-5 * (u * Mu).sum())
    assert (u * Mu).sum() > 0


@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize("shape", [(4, 4), (4, 5), (5, 4)])
def test_restriction_is_the_transpose_of_interpolation(walls, shape):
    cycle = Multigrid(Faces.of_cells(np.ones((1, 9, 9)), walls))
    rng = np.random.default_rng(5)
    coarse = rng.standard_normal((1, *shape)).astype(np.float32)
    for extra in (0, 1):
        fine_shape = tuple(2 * n + extra for n in shape)
        fine = rng.standard_normal((1, *fine_shape)).astype(np.float32)
        inner = (fine * cycle.interpolated(coarse, fine_shape)).sum()
        assert inner == pytest.approx((cycle.restricted(fine) * coarse).sum(), abs=1e-4)


def test_layered_medium_has_the_exact_flux():
    # a changes along x only, between cells: a u' is constant and u is linear in each cell
    a = np.array([1.0, 7.0, 0.2, 3.0, 11.0, 0.5, 2.0, 40.0, 1.0, 6.0, 0.3, 5.0])
    N = len(a)
    resistance = np.cumsum(1 / a) - 1 / (2 * a)  # from the wall x = 0 to the middle of a cell, N×
    flux = 1.0
    u = np.tile(flux * resistance / N, (N, 1))
    f = np.zeros((N, N))
    f[:, -1] = N * (flux + a[-1] * 2 * N * u[:, -1])  # what keeps u at its value beside the wall
    walls_y = np.zeros((N, N))
    walls_y[[0, -1]] = 2 * a * N**2 * u[[0, -1]]
    solved = solve(np.tile(a, (N, 1))[None], (f + walls_y)[None], "dirichlet")
    np.testing.assert_allclose(solved.solution[0], u, atol=1e-9)


@pytest.mark.parametrize("walls", WALLS)
def test_exchanged_axes_exchange_the_solution(walls):
    a, f = medium("two-phase", 20), source(walls, 20)
    u = solve(a, f, walls).solution
    v = solve(a.swapaxes(1, 2), f.swapaxes(1, 2), walls).solution
    np.testing.assert_allclose(v.swapaxes(1, 2), u, atol=1e-9 * np.abs(u).max())


def test_bits_of_a_sample_do_not_depend_on_the_block():
    a = np.concatenate([medium("two-phase", 20, num_samples=3), np.ones((1, 20, 20))])
    f = source("dirichlet", 20, num_samples=4)
    together = solve(a, f, "dirichlet")
    assert len(set(together.iterations)) > 1
    for sample in range(4):
        alone = solve(a[sample : sample + 1], f[sample : sample + 1], "dirichlet")
        assert alone.solution.tobytes() == together.solution[sample].tobytes()
        assert alone.iterations[0] == together.iterations[sample]
        assert alone.residual[0] == together.residual[sample]


def test_iterations_grow_neither_with_the_grid_nor_much_with_contrast():
    for contrast, most in ((4.0, 20), (100.0, 40)):
        for num_cells in (32, 96):
            a = np.where(smooth(num_cells, 6) > 0, contrast, 1.0)
            assert solve(a, np.ones_like(a), "dirichlet").iterations[0] <= most


def test_neumann_source_without_zero_mean_is_rejected():
    ones = np.ones((1, 8, 8))
    with pytest.raises(InputError, match=r"neumann walls ∫f must be 0.*; subtract the mean"):
        solve(ones, ones, "neumann")


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_source_that_is_none_is_rejected(value):
    ones = np.ones((1, 8, 8))
    with pytest.raises(InputError, match="a source must be finite and not zero"):
        solve(ones, value * ones, "dirichlet")
