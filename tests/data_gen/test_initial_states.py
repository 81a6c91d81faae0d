"""Initial states have the spectrum and the shape that is asked for, on every grid."""

import numpy as np
import pytest
from support.evolution_states import evaluate

from data_gen.initial_states import Blobs, PerturbedState, PowerLawField, TruncatedFourier
from data_gen.random_numbers import sample_uniforms
from lightning_sciml.errors import InputError
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS

HEAT, BURGERS, GRAY_SCOTT = (EVOLUTION_EQUATIONS[n]() for n in ("heat", "burgers", "gray_scott"))
BUMPS = ((-0.5, -0.2), (0.1, 0.3))
STATES = [
    PowerLawField(exponent=2.0, tau=5.0, rms=(1.0, 0.5), num_modes=6),
    TruncatedFourier(amplitude=(0.2, 1.0)),
    Blobs(heights=BUMPS, background=(1.0, 0.0), width=(0.1, 0.2), num_modes=14),
    PerturbedState(values=(1.0, 0.25), rms=0.1, num_modes=5),
]
each_state = pytest.mark.parametrize("state", STATES, ids=lambda state: type(state).__name__)


def drawn(state, equation, num_samples, lengths=(1.0, 1.0)):
    """Modes of the first samples of a data set."""
    count = state.num_uniforms(len(equation.state_fields))
    numbers = sample_uniforms(0, "train", np.arange(num_samples), attempt=0, count=count)
    return state.draw(numbers, lengths, equation)


@each_state
def test_a_state_is_the_same_function_on_every_grid(state):
    u_hat = drawn(state, GRAY_SCOTT, 3, (2.0, 1.5))
    coarse, fine = evaluate(u_hat, (32, 32)), evaluate(u_hat, (64, 96))
    np.testing.assert_allclose(fine[..., ::2, ::3], coarse, atol=1e-14)
    k_y, k_x = np.fft.fftfreq(32, 1 / 32)[:, None], np.fft.fftfreq(32, 1 / 32)
    beyond = np.maximum(abs(k_y), abs(k_x)) > state.num_modes
    assert abs(np.fft.fft2(coarse, norm="forward")[..., beyond]).max() < 1e-15


@each_state
def test_bits_of_a_state_do_not_depend_on_the_states_beside_it(state):
    together = drawn(state, GRAY_SCOTT, 9)
    numbers = sample_uniforms(
        0, "train", np.arange(7, 8), attempt=0, count=state.num_uniforms(num_fields=2)
    )
    alone = state.draw(numbers, (1.0, 1.0), GRAY_SCOTT)
    np.testing.assert_array_equal(together[7:8], alone)
    grids = evaluate(together, (32, 32)), evaluate(alone, (32, 32))
    np.testing.assert_array_equal(grids[0][7], grids[1][0])


@each_state
@pytest.mark.parametrize("name", ["navier_stokes", "kuramoto_sivashinsky"])
def test_the_mean_is_removed_where_the_equation_leaves_it_out(state, name):
    equation = EVOLUTION_EQUATIONS[name]()
    one_field = {
        PowerLawField: PowerLawField(exponent=2.0, rms=1.0),
        Blobs: Blobs(background=1.0),
        PerturbedState: PerturbedState(values=1.0),
    }.get(type(state), state)
    fields = evaluate(drawn(one_field, equation, 4), (64, 64))
    assert abs(fields.mean(axis=(2, 3))).max() < 1e-15
    assert abs(fields).max() > 1e-2


def test_covariance_of_a_power_law_field_is_its_spectrum():
    """E û(k) û(l)* = σ²(|k|² + τ²)^-α for k = l, else 0, and so is E û(k) û(l); σ by its field."""
    lengths, M, n = (2.0, 1.0), 2, 4000
    state = PowerLawField(exponent=1.5, tau=4.0, scale=(3.0, 1.0), num_modes=M)
    u = evaluate(drawn(state, BURGERS, n, lengths), (8, 8))
    u_hat = np.fft.fft2(u, norm="forward")[..., :3, :3].reshape(n, -1)
    ky, kx = np.pi * np.arange(3)[:, None], 2 * np.pi * np.arange(3)
    spectrum = (kx**2 + ky**2 + 4.0**2) ** -1.5
    spectrum[0, 0] = 0.0
    expected = np.concatenate([9 * spectrum.ravel(), spectrum.ravel()])
    covariance, pseudo = u_hat.T @ u_hat.conj() / n, u_hat.T @ u_hat / n
    error = 5 * np.sqrt(np.outer(expected, expected) / n)  # five standard errors
    assert (abs(covariance - np.diag(expected)) <= error + 1e-17).all()
    assert (abs(pseudo) <= 1.5 * error + 1e-17).all()


def test_the_field_of_the_fourier_neural_operator_has_its_variance():
    """Σ 7^1.5 (4π²|n|² + 49)^-2.5 over all n ≠ 0 of the unit square."""
    state = PowerLawField(exponent=2.5, tau=7.0, scale=7**0.75, num_modes=20)
    u = evaluate(drawn(state, HEAT, 200), (48, 48))
    n_squared = np.add.outer(np.arange(-400, 401) ** 2, np.arange(-400, 401) ** 2)
    variances = 7**1.5 * (4 * np.pi**2 * n_squared[n_squared > 0] + 49.0) ** -2.5
    of_samples = np.square(u).mean(axis=(1, 2, 3))
    assert abs(of_samples.mean() - variances.sum()) < 5 * of_samples.std() / np.sqrt(200)


@pytest.mark.parametrize("exponent", [0.0, 2.0])
def test_the_root_mean_square_is_the_one_asked_for(exponent):
    state = PowerLawField(exponent=exponent, rms=(2.0, 0.0), num_modes=8)
    u = evaluate(drawn(state, BURGERS, 400, (1.0, 3.0)), (32, 32))
    squares = np.square(u).mean(axis=(2, 3))
    assert abs(squares[:, 0].mean() - 4) < 5 * squares[:, 0].std() / 20
    assert (squares[:, 1] == 0).all()


def test_waves_of_a_truncated_series_have_their_amplitudes_and_phases():
    u_hat = drawn(TruncatedFourier(amplitude=(0.2, 1.0), num_modes=2), HEAT, 2000)[:, 0]
    waves = 2 * np.concatenate([u_hat[:, :, 1:].reshape(2000, -1), u_hat[:, 1:3, 0]], axis=1)
    assert 0.2 <= abs(waves).min() < 0.201
    assert 0.999 < abs(waves).max() <= 1
    assert abs(waves.mean(axis=0)).max() < 5 * 0.65 / np.sqrt(2000)  # uniform phases


def test_blobs_are_gaussians_round_the_periodic_rectangle():
    """One bump on a rectangle: its images, its height in both fields, its place."""
    (L_y, L_x), N = (2.0, 1.0), 48
    state = Blobs(
        heights=BUMPS, background=(1.0, 0.0), num_blobs=(1, 1), width=(0.15, 0.15), num_modes=20
    )
    numbers = np.array([[0.5, 0.9, 0.1, 0.3, 0.25]])  # how many; y, x, width, height
    u, v = evaluate(state.draw(numbers, (L_y, L_x), GRAY_SCOTT), (N, N))[0]
    y, x = L_y * np.arange(N)[:, None] / N, L_x * np.arange(N) / N
    images = [(0.9 * L_y + i * L_y, 0.1 * L_x + j * L_x) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    bump = sum(np.exp(-((y - c_y) ** 2 + (x - c_x) ** 2) / (2 * 0.15**2)) for c_y, c_x in images)
    np.testing.assert_allclose(u, 1 - 0.425 * bump, atol=1e-3 * 0.425)  # modes that are left out
    np.testing.assert_allclose(v, 0.15 * bump, atol=1e-3 * 0.15)


def test_the_number_of_blobs_takes_every_value_of_its_range():
    state = Blobs(heights=((1.0, 1.0),), num_blobs=(0, 3), width=(0.1, 0.1), num_modes=8)
    area = 2 * np.pi * 0.1**2
    numbers = drawn(state, HEAT, 400)[:, 0, 0, 0].real / area
    values, counts = np.unique(np.round(numbers).astype(int), return_counts=True)
    np.testing.assert_array_equal(values, [0, 1, 2, 3])
    assert abs(counts / 400 - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 400)


def test_a_perturbed_state_has_its_mean_and_its_noise():
    state = PerturbedState(values=(1.0, 0.25), rms=0.01, num_modes=12)
    u = evaluate(drawn(state, GRAY_SCOTT, 60), (32, 32))
    np.testing.assert_allclose(u.mean(axis=(2, 3)), np.tile([1.0, 0.25], (60, 1)), atol=1e-15)
    assert abs(u.std() / np.sqrt(0.01**2 + 0.375**2) - 1) < 0.02


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PowerLawField(exponent=np.nan, rms=1.0), "exponent must lie in 0 … 20, got nan"),
        (lambda: PowerLawField(exponent=-1.0, rms=1.0), "exponent must lie in 0 … 20, got -1.0"),
        (lambda: PowerLawField(exponent=2.0), "either rms or scale, got rms=None, scale=None"),
        (lambda: PowerLawField(exponent=2.0, rms=1.0, scale=1.0), "either rms or scale"),
        (lambda: PowerLawField(exponent=2.0, rms=-1.0), "initial_state.rms must lie in 0"),
        (lambda: PowerLawField(exponent=2.0, rms=1.0, tau=np.inf), "tau must lie in"),
        (lambda: PowerLawField(exponent=2.0, rms=1.0, num_modes=0), "num_modes must lie in 1"),
        (lambda: PowerLawField(exponent=2.0, rms=1.0, num_modes=10**9), "num_modes must lie in 1"),
        (lambda: TruncatedFourier(amplitude=(1.0, 0.0)), "low ≤ high, got"),
        (lambda: TruncatedFourier(amplitude=(0.0, np.nan)), "low ≤ high, got"),
        (lambda: TruncatedFourier(num_modes=-3), "num_modes must lie in 1"),
        (lambda: Blobs(width=(0.0, 0.1)), "width must be positive"),
        (lambda: Blobs(heights=((1.0, 0.0),)), "heights must be a range"),
        (lambda: Blobs(heights=((0.0, 1e300),)), "float32 cannot hold it"),
        (lambda: Blobs(num_blobs=(-1, 3)), "num_blobs must lie in 0"),
        (lambda: Blobs(background=np.nan), "background must lie in"),
        (lambda: PerturbedState(values=np.inf), "values must lie in"),
        (lambda: PerturbedState(rms=-0.1), "rms must lie in 0"),
        (lambda: drawn(Blobs(), GRAY_SCOTT, 1), "a range for each of u, v, got 1"),
        (lambda: drawn(Blobs(width=(0.01, 0.1)), HEAT, 1), "need initial_state.num_modes=69"),
        (lambda: drawn(PerturbedState(values=(1.0, 2.0)), HEAT, 1), "one number for all fields"),
        (lambda: evaluate(drawn(Blobs(), HEAT, 1), (64, 32)), "at least 33 points an axis"),
    ],
)
def test_states_without_meaning_are_rejected_in_one_line(make, message):
    with pytest.raises(InputError, match=message) as rejection:
        make()
    assert "\n" not in str(rejection.value)
