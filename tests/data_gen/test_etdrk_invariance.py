"""What the integrator leaves the same: conserved quantities, symmetries, bits; its errors."""

import tracemalloc

import numpy as np
import pytest
from evolution_states import CASES, NONLINEAR, modes_of, nonlinear_term, run, smooth_states

from data_gen.dealiased_transform import DealiasedTransform
from data_gen.etdrk import Integrator, integrate
from lightning_sciml.errors import InputError
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.symmetries import SQUARE, moved_points


@pytest.mark.parametrize("name", ["navier_stokes", "burgers"])
def test_convection_conserves_what_it_should(name):
    """Navier-Stokes: ∫ψN = ∫ωN = 0, energy and enstrophy. Burgers without curl: the means."""
    term, transform, _ = nonlinear_term(name, (18, 24))
    rng = np.random.default_rng(0)
    noise = modes_of(transform, rng.standard_normal((1, 1, 18, 24)))
    kx, ky, kx_squared, ky_squared = transform.waves
    if name == "burgers":
        gradient = [transform.halves(1j * k + 0 * kx) for k in (kx, ky)]
        noise = np.concatenate([g * noise for g in gradient])
    N_hat = np.empty_like(noise)
    term(noise, N_hat)
    if name == "burgers":
        assert abs(N_hat[:, 0, 0, 0, 0]).max() < 1e-15 * abs(N_hat).max()
        return
    weights = np.where(np.arange(noise.shape[-1]) == 0, 1, 2)  # of columns that stand for two
    density = weights * (noise.conj() * N_hat).real
    density[:, :, 1, 0] = 0
    k_squared = transform.halves(kx_squared + ky_squared)
    energy = density / np.where(k_squared == 0, np.inf, k_squared)
    for budget in (density, energy):
        assert abs(budget.sum()) < 1e-13 * abs(budget).sum()


def test_energy_budget_of_kolmogorov_flow():
    """dE/dt = -2νZ - 2αE + ∫u·F over the area, E = ∫|u|²/2, Z = ∫ω²/2; Simpson's rule in time."""
    name, n = "kolmogorov_flow", 40
    times = np.linspace(0.0, 0.5, 2 * n + 1)
    states = run(name, smooth_states(name, (32, 32)), 2, times=times)[0, :, 0]
    (nu, drag), (L_y, L_x) = CASES[name].coefficients, CASES[name].lengths
    modes = np.fft.fftfreq(32, 1 / 32)
    kx, ky = 2 * np.pi / L_x * modes, 2 * np.pi / L_y * modes[:, None]
    k_squared = np.where(kx**2 + ky**2 == 0, np.inf, kx**2 + ky**2)
    psi_hat = np.fft.fft2(states) / k_squared
    u, v = (np.fft.ifft2(symbol * psi_hat).real for symbol in (1j * ky, -1j * kx))
    energy = ((u**2 + v**2) / 2).mean(axis=(1, 2))
    force = np.sin(8 * np.pi * np.arange(32) / 32)[:, None]
    rate = -nu * (states**2).mean(axis=(1, 2)) - 2 * drag * energy + (u * force).mean(axis=(1, 2))
    simpson = np.array([1, *[4, 2] * (n - 1), 4, 1]) * (times[1] - times[0]) / 3
    assert abs(energy[-1] - energy[0]) > 0.01
    np.testing.assert_allclose(energy[-1] - energy[0], simpson @ rate, rtol=1e-6)


@pytest.mark.parametrize("name", EVOLUTION_EQUATIONS)
def test_means_are_conserved(name):
    equation = EVOLUTION_EQUATIONS[name]
    means = run(name, smooth_states(name, (16, 16)), 8).mean(axis=(-2, -1))[0]
    for f, field in enumerate(equation.state_fields):
        if field in equation.conserved_means:
            np.testing.assert_allclose(means[1, f], means[0, f], atol=1e-14)


@pytest.mark.parametrize(
    "name", [n for n in EVOLUTION_EQUATIONS if n not in ("forced_navier_stokes", "kolmogorov_flow")]
)
def test_translations_commute_with_the_flow(name):
    """Shift by points of the stored grid, of which the grid of products has no multiple."""
    initial = smooth_states(name, (16, 20))
    states, moved = (run(name, i, 8) for i in (initial, np.roll(initial, (3, 5), (-2, -1))))
    expected = np.roll(states, (3, 5), (-2, -1))
    np.testing.assert_allclose(moved, expected, atol=1e-12 * abs(expected).max())


@pytest.mark.parametrize("name", EVOLUTION_EQUATIONS)
def test_the_symmetries_of_the_square_map_solutions_to_solutions(name):
    """And the others do not."""
    equation, grid, case = EVOLUTION_EQUATIONS[name](), Grid(shape=(16, 16)), CASES[name]
    lengths = (case.lengths[0],) * 2
    initial = smooth_states(name, (16, 16))
    states = run(name, initial, 8, lengths=lengths)[0]
    for g in SQUARE:
        M, points = equation.field_map(g, equation.state_fields), moved_points(g, grid)

        def move(fields, M=M, points=points):
            at_points = fields.reshape(*fields.shape[:-2], -1)[..., points].reshape(fields.shape)
            return np.einsum("fg,...ghw->...fhw", M, at_points)

        coefficients = equation.coefficient_map(g) @ np.array(case.coefficients)
        moved = run(name, move(initial), 8, lengths=lengths, coefficients=coefficients)[0]
        error = abs(moved - move(states)).max() / abs(states).max()
        assert (error < 1e-12) == equation.is_symmetry(g), (g, error)


def test_burgers_is_the_same_in_moving_coordinates():
    """u(x - ct, t) + c, for a c that moves the field by points of the grid."""
    t, shift = 0.25, (4, -3)
    initial = smooth_states("burgers", (16, 24), num_modes=2)
    c = np.array([shift[1] * 1.5 / 24, shift[0] / 16])[:, None, None] / t
    resting, moving = (
        run("burgers", i, 1000, times=(0.0, t))[0, 1] for i in (initial, initial + c)
    )
    expected = np.roll(resting, shift, (-2, -1)) + c
    np.testing.assert_allclose(moving, expected, atol=1e-10)


@pytest.mark.parametrize("library", ["numpy", "ducc0"])
@pytest.mark.parametrize("name", EVOLUTION_EQUATIONS)
@pytest.mark.parametrize("shape", [(15, 18), (32, 32)])  # the second fills vectors of 8
def test_bits_do_not_depend_on_the_samples_beside(name, library, shape):
    if library == "ducc0":
        pytest.importorskip("ducc0", reason="ducc0 is in the extra [ducc]")
    equation, case = EVOLUTION_EQUATIONS[name](), CASES[name]
    grid = Grid(shape=shape, lengths=case.lengths)
    initial = smooth_states(name, shape, num_samples=5, num_modes=7)
    c = np.tile(case.coefficients, (5, 1)) * np.linspace(1, 1.2, 5)[:, None]

    def last_state(block):
        transform = DealiasedTransform(grid, equation.degree, len(c[block]), library)
        integrator = Integrator(equation, transform, c[block])
        integrator.start(initial[block])
        *_, state = integrator.states((0.0, case.time), 4)
        return state.copy()

    whole = last_state(slice(None))
    for block in [slice(0, 1), slice(1, 3), slice(3, 4), slice(2, 5)]:
        np.testing.assert_array_equal(last_state(block), whole[block])


def test_libraries_agree_to_rounding():
    pytest.importorskip("ducc0", reason="ducc0 is in the extra [ducc]")
    for name in NONLINEAR:
        initial = smooth_states(name, (16, 20))
        expected, states = (run(name, initial, 8, library=b) for b in ("numpy", "ducc0"))
        np.testing.assert_allclose(states, expected, atol=1e-13 * abs(expected).max())


@pytest.mark.parametrize("name", NONLINEAR)
def test_steps_take_no_memory(name):
    equation, case = EVOLUTION_EQUATIONS[name](), CASES[name]
    grid = Grid(shape=(64, 64), lengths=case.lengths)
    transform = DealiasedTransform(grid, equation.degree, 1)
    integrator = Integrator(equation, transform, np.array([case.coefficients]))
    integrator.start(smooth_states(name, (64, 64)))
    integrator.advance(1e-4, 1)
    tracemalloc.start()
    for _ in range(3):
        for call in integrator._calls:
            call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**14  # a field of modes takes 2**15 bytes


def test_columns_stay_conjugate_where_rounding_would_grow():
    """The mode kx = 0, |k|² = 1/2 grows by exp(t/4): without care from 1e-17 to 1e+4."""
    L = 2 * np.pi * np.sqrt(2)
    grid = Grid(shape=(16, 16), lengths=(L, L))
    equation = EVOLUTION_EQUATIONS["kuramoto_sivashinsky"]()
    integrator = Integrator(equation, DealiasedTransform(grid, 2, 1), np.ones((1, 1)))
    integrator.start(smooth_states("kuramoto_sivashinsky", (16, 16)))
    for _ in integrator.states(range(0, 201, 10), 50):
        column = integrator.u_hat[0, 0, :, :, 0]
        np.testing.assert_array_equal(column[0, 1:], column[1, :0:-1].conj())
    assert abs(column).max() < 10


def test_a_side_of_each_sample_is_a_length():
    """Kuramoto-Sivashinsky on sides 20 and 30 of one block is that on grids of these lengths."""
    name, sides = "kuramoto_sivashinsky", np.array([[20.0], [30.0]])
    initial = smooth_states(name, (16, 16), num_samples=2)
    equation, times = EVOLUTION_EQUATIONS[name](), (0.0, 2.0)
    together = integrate(equation, initial, sides, times, 20, lengths=(1.0, 1.2))
    for sample, (side,) in enumerate(sides):
        lengths = (side, 1.2 * side)
        alone = integrate(equation, initial[[sample]], np.ones((1, 1)), times, 20, lengths=lengths)
        np.testing.assert_allclose(together[sample], alone[0], atol=1e-12)


def test_a_state_that_is_not_finite_names_sample_and_time():
    initial = smooth_states("navier_stokes", (16, 16), num_samples=12)
    initial[10] *= 1e4
    with pytest.raises(InputError, match=r"sample 10 is not finite at time 1; take more steps"):
        run("navier_stokes", initial, 100, times=(0.0, 1.0, 2.0))


def test_grids_without_modes_or_with_walls_are_rejected():
    for options in ({"shape": (2, 16)}, {"shape": (16, 16), "boundary": ("wall", "periodic")}):
        with pytest.raises(InputError, match="periodic grid of at least 3 points"):
            DealiasedTransform(Grid(**options), 2, 1)


@pytest.mark.parametrize("num_waves", [0, 8])
def test_a_force_beyond_the_modes_is_rejected(num_waves):
    equation = EVOLUTION_EQUATIONS["kolmogorov_flow"](num_waves=num_waves)
    transform = DealiasedTransform(Grid(shape=(16, 16)), 2, 1)
    with pytest.raises(InputError, match=f"a force of {num_waves} waves"):
        Integrator(equation, transform, np.array([[1e-2, 0.1]]))
