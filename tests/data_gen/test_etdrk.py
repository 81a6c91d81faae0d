"""ETDRK4 against the equations as written, exact solutions, and its order."""

import numpy as np
import pytest
from evolution_states import CASES, NONLINEAR, modes_of, nonlinear_term, run, smooth_states
from right_hand_sides import RIGHT_HAND_SIDES, Derivatives
from scipy.special import ive

from data_gen.etdrk_coefficients import step_coefficients
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS


@pytest.mark.parametrize("name", NONLINEAR)
@pytest.mark.parametrize("shape", [(32, 40), (31, 37)])
def test_linear_and_nonlinear_part_are_the_equation_as_written(name, shape):
    """States have modes up to 3, so cubes are resolved on the stored grid."""
    states = smooth_states(name, shape, num_samples=2)
    term, transform, c = nonlinear_term(name, shape, num_samples=2)
    u_hat = modes_of(transform, states)
    u_t_hat = np.empty_like(u_hat)
    term(u_hat, u_t_hat)
    symbol = EVOLUTION_EQUATIONS[name]().symbol(c, transform.waves)
    u_t_hat += transform.fields_first(symbol) * u_hat
    u_t_hat[:, :, 1, 0] = 0  # the unused row
    u_t = np.empty_like(states)
    for f, modes in enumerate(u_t_hat):
        transform.to_states(modes, u_t[:, f])
    lengths = CASES[name].lengths
    derivatives = Derivatives(shape, lengths)
    for sample in range(2):
        expected = RIGHT_HAND_SIDES[name](derivatives, lengths, *states[sample], *c[sample])
        np.testing.assert_allclose(u_t[sample], expected, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize("name", NONLINEAR)
def test_products_are_free_of_aliases(name):
    """N of noise in all modes is the same from a grid of twice the points."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((1, len(EVOLUTION_EQUATIONS[name].state_fields), 12, 16))
    term, transform, _ = nonlinear_term(name, (12, 16))
    fine, finer, _ = nonlinear_term(name, (24, 32))
    u_hat = modes_of(transform, noise)
    N_hat = np.empty_like(u_hat)
    term(u_hat, N_hat)
    embedded = np.zeros((len(u_hat), 1, *finer.modes_shape), np.complex128)
    embedded[:, :, 0, :6, :8] = u_hat[:, :, 0]
    embedded[:, :, 1, -5:, :8] = u_hat[:, :, 1, 1:]
    expected = np.empty_like(embedded)
    fine(embedded, expected)
    scale = abs(expected).max()
    np.testing.assert_allclose(N_hat[:, :, 0], expected[:, :, 0, :6, :8], atol=1e-13 * scale)
    np.testing.assert_allclose(N_hat[:, :, 1, 1:], expected[:, :, 1, -5:, :8], atol=1e-13 * scale)


@pytest.mark.parametrize("name", NONLINEAR)
def test_order_in_the_step_is_four(name):
    initial = smooth_states(name, (16, 16), num_modes=2)
    n = {"kuramoto_sivashinsky": 8, "swift_hohenberg": 4}.get(name, 24)
    exact = run(name, initial, 256)[:, 1]
    coarse, fine = (np.linalg.norm(run(name, initial, n)[:, 1] - exact) for n in (n, 2 * n))
    assert fine > 1e-11  # above rounding
    assert abs(np.log2(coarse / fine) - 4) < 0.1


def test_coefficients_agree_with_their_taylor_series_and_closed_form():
    """Round z = 0, where the closed form cancels, and far from it."""
    z = np.array([0.0, 1e-9, -1e-4, -0.5, -40.0, 2j])
    step = 0.5
    c = step_coefficients(z / step, step)
    near, far = z[:3], z[3:]
    for values, series in (
        (c.stage, 1 / 2 + near / 8 + near**2 / 48),
        (c.first, 1 / 6 + near / 6 + 3 * near**2 / 40),
        (c.middle, 1 / 3 + near / 6 + near**2 / 20),
        (c.last, 1 / 6 + 0 * near - near**2 / 120),
    ):
        np.testing.assert_allclose(values[:3], step * series, atol=1e-13)
    e = np.exp(far)
    for values, closed in (
        (c.stage, (np.exp(far / 2) - 1) / far),
        (c.first, (-4 - far + e * (4 - 3 * far + far**2)) / far**3),
        (c.middle, 2 * (2 + far + e * (far - 2)) / far**3),
        (c.last, (-4 - 3 * far - far**2 + e * (4 - far)) / far**3),
    ):
        np.testing.assert_allclose(values[3:], step * closed, rtol=1e-12)
    real = step_coefficients(z[:5].real / step, step)
    for values, expected in zip(real, c, strict=True):
        assert np.isrealobj(values)
        np.testing.assert_allclose(values, expected[:5].real, atol=1e-15)


@pytest.mark.parametrize("name", ["heat", "unsteady_advection_diffusion"])
def test_linear_equations_are_exact_at_any_step(name):
    """A mode decays with kᵀKk and moves with v."""
    lengths, times = (1.0, 1.5), (0.0, 0.1, 0.35, 2.0)
    kx, ky = 2 * np.pi * 2 / 1.5, -2 * np.pi * 3
    x, y = np.arange(18) * 1.5 / 18, np.arange(15)[:, None] / 15
    k11, k22, k12, v1, v2 = np.append(CASES[name].coefficients, [0.0, 0.0])[:5]
    decay = k11 * kx**2 + k22 * ky**2 + 2 * k12 * kx * ky
    u = [
        np.exp(-decay * t) * np.cos(kx * (x - v1 * t) + ky * (y - v2 * t) + 0.3) + 5 for t in times
    ]
    states = run(name, u[0][None, None], 1, times=times, lengths=lengths)
    np.testing.assert_allclose(states[0, :, 0], u, atol=1e-13)


def test_waves_are_exact_at_any_step():
    """A standing wave, and a mean that grows with its rate."""
    times, c = (0.0, 0.1, 0.35, 20.0), 0.7
    kx, ky = 2 * np.pi * 2 / 1.5, -2 * np.pi * 3
    omega = c * np.hypot(kx, ky)
    x, y = np.arange(18) * 1.5 / 18, np.arange(15)[:, None] / 15
    mode = np.cos(kx * x + ky * y + 0.3)
    exact = [
        [
            np.cos(omega * t + 0.2) * mode + 2 + 3 * t,
            -omega * np.sin(omega * t + 0.2) * mode + 3,
        ]
        for t in times
    ]
    states = run("wave", np.array(exact[:1]), 1, times=times)
    np.testing.assert_allclose(states[0], exact, atol=1e-11)


def test_taylor_green_vortices_decay_exactly():
    """ω = cos kx cos ly is an eigenfunction of Δ: u·∇ω = 0, and it decays as exp(-ν|k|²t)."""
    kx, ky = 2 * np.pi * 2 / 1.5, 2 * np.pi * 2
    x, y = np.arange(24) * 1.5 / 24, np.arange(20)[:, None] / 20
    vortices = 5 * np.cos(kx * x) * np.cos(ky * y)
    times = (0.0, 0.3, 1.0)
    states = run("navier_stokes", vortices[None, None], 3, times=times)
    decay = np.exp(-1e-2 * (kx**2 + ky**2) * np.array(times))
    np.testing.assert_allclose(states[0, :, 0], decay[:, None, None] * vortices, atol=1e-13)


def test_burgers_agrees_with_cole_and_hopf():
    """u = -2ν ∂x log φ solves Burgers along x if φ_t = νφ_xx.

    u(0) = sin 2πx comes from φ(0) = exp(cos(2πx) / 4πν) with Fourier coefficients I_n(1/4πν).
    """
    nu, t, N = 0.02, 0.3, 128
    x, n = np.arange(N) / N, np.arange(1, 60)[:, None]
    k = 2 * np.pi * n
    weights = ive(n, 1 / (4 * np.pi * nu)) * np.exp(-nu * k**2 * t)
    phi = ive(0, 1 / (4 * np.pi * nu)) + 2 * (weights * np.cos(k * x)).sum(axis=0)
    u = 2 * nu * (2 * weights * k * np.sin(k * x)).sum(axis=0) / phi
    initial = np.zeros((1, 2, 8, N))
    initial[0, 0] = np.sin(2 * np.pi * x)
    states = run("burgers", initial, 400, times=(0.0, t), lengths=(1.0, 1.0))
    np.testing.assert_allclose(states[0, 1, 0], np.tile(u, (8, 1)), atol=1e-9)  # the step's error
    np.testing.assert_allclose(states[0, 1, 1], 0, atol=1e-15)


def test_fisher_fronts_move_at_their_speed():
    """u = (1 + exp(s/√(6ν/r)))⁻² moves at 5 √(νr/6) (Ablowitz and Zeppetella 1979)."""
    nu, r, L, t = 1e-3, 2.0, 2.0, 0.5
    x = np.arange(256) * L / 256
    scale, speed = np.sqrt(6 * nu / r), 5 * np.sqrt(nu * r / 6)

    def pulse(t):  # a front to the right and one to the left, each flat where the other is not
        return (
            sum((1 + np.exp((side * (x - 1) - 0.5 - speed * t) / scale)) ** -2 for side in (1, -1))
            - 1
        )

    initial = np.tile(pulse(0.0), (8, 1))[None, None]
    times = (0.0, t)
    states = run("fisher_kpp", initial, 100, times=times, lengths=(1.0, L))
    np.testing.assert_allclose(states[0, 1, 0], np.tile(pulse(t), (8, 1)), atol=1e-7)
