"""Coefficients of evolution equations lie in their ranges, with the distribution asked for."""

import numpy as np
import pytest
from support.evolution_states import evaluate

from data_gen import evolution_coefficients as drawn_from
from data_gen.initial_states import PowerLawField
from data_gen.random_numbers import sample_uniforms
from data_gen.unsteady_coefficients import (
    HeatCoefficients,
    UnsteadyAdvectionDiffusionCoefficients,
)
from lightning_sciml.errors import InputError
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS

NU = (1e-4, 1e-2)
RANGED = [
    drawn_from.WaveCoefficients(c=(0.5, 2.0)),
    drawn_from.BurgersCoefficients(nu=NU),
    drawn_from.NavierStokesCoefficients(nu=NU),
    drawn_from.ForcedNavierStokesCoefficients(nu=NU, amplitude=0.2),
    drawn_from.KolmogorovFlowCoefficients(nu=NU, drag=(0.0, 0.1), num_waves=2, amplitude=3.0),
    drawn_from.KuramotoSivashinskyCoefficients(side=(30.0, 60.0)),
    drawn_from.AllenCahnCoefficients(nu=NU),
    drawn_from.FisherKPPCoefficients(nu=NU, r=(1.0, 3.0)),
    drawn_from.SwiftHohenbergCoefficients(r=(-0.1, 0.9), g=(0.0, 1.5)),
    drawn_from.GrayScottCoefficients(
        feed=(0.02, 0.06), kill=(0.05, 0.06), diffusivity_v=(1e-5, 1e-4)
    ),
]
LINEAR = [
    HeatCoefficients(eigenvalue=(1.0, 5.0)),
    UnsteadyAdvectionDiffusionCoefficients(advection_diffusion_ratio=(0.2, 5.0)),
]
each = pytest.mark.parametrize("coefficients", RANGED + LINEAR, ids=lambda c: c.equation.name)
each_ranged = pytest.mark.parametrize("coefficients", RANGED, ids=lambda c: c.equation.name)


def numbers_of(coefficients, indices):
    """Uniform numbers of the samples."""
    count = coefficients.num_uniforms
    return sample_uniforms(0, "train", np.asarray(indices), attempt=0, count=count)


def ranged(coefficients, num_samples):
    """Draw without regard to the states."""
    nothing = np.zeros((num_samples, 1, 3, 2), complex)
    return coefficients.draw(numbers_of(coefficients, range(num_samples)), nothing, (1.0, 1.0))


def states_of(coefficients, num_samples, lengths=(1.0, 1.0)):
    """Modes of as many states."""
    state, F = PowerLawField(exponent=2.0, rms=1.0), len(coefficients.equation.state_fields)
    count = state.num_uniforms(F)
    numbers = sample_uniforms(1, "train", np.arange(num_samples), attempt=0, count=count)
    return state.draw(numbers, lengths, coefficients.equation)


def test_each_equation_has_a_sampler():
    names = {coefficients.equation.name for coefficients in RANGED + LINEAR}
    assert names == set(EVOLUTION_EQUATIONS)


@each_ranged
def test_coefficients_fill_their_ranges_evenly(coefficients):
    """Uniform, or with uniform logarithms where the class says so."""
    c = ranged(coefficients, 1000)
    names = coefficients.equation.coefficient_names
    assert c.shape == (1000, len(names))
    for name in coefficients.drawn:
        values, bounds = c[:, names.index(name)], getattr(coefficients, name)
        assert bounds[0] <= values.min() < values.max() <= bounds[1]
        if name in coefficients.log_uniform:
            values, bounds = np.log(values), np.log(bounds)
        evenly = (np.sort(values) - bounds[0]) / (bounds[1] - bounds[0])
        # Kolmogorov-Smirnov: exceeded once in 1e5 draws
        assert abs(evenly - np.arange(1000) / 1000).max() < 2.5 / np.sqrt(1000)


@each
def test_bits_of_coefficients_do_not_depend_on_the_samples_beside(coefficients):
    states = states_of(coefficients, 9)
    together = coefficients.draw(numbers_of(coefficients, range(9)), states, (1.0, 2.0))
    for i in range(9):
        alone = coefficients.draw(
            numbers_of(coefficients, [i]), states[i : i + 1].copy(), (1.0, 2.0)
        )
        np.testing.assert_array_equal(together[i : i + 1], alone)


def test_a_point_is_a_range():
    coefficients = drawn_from.BurgersCoefficients(nu=(1e-3, 1e-3))
    c = ranged(coefficients, 50)
    np.testing.assert_array_equal(c, 1e-3)


def test_forces_are_those_of_the_options():
    forced, kolmogorov = RANGED[3].equation, RANGED[4].equation
    assert (forced.amplitude, kolmogorov.num_waves, kolmogorov.amplitude) == (0.2, 2, 3.0)


def test_diffusivities_of_gray_scott_have_their_ratio():
    coefficients = drawn_from.GrayScottCoefficients(
        feed=(0.02, 0.06), kill=(0.05, 0.06), diffusivity_ratio=2.5
    )
    c = ranged(coefficients, 5)
    np.testing.assert_allclose(c[:, 2], 2.5 * c[:, 3], rtol=1e-15)


def test_heat_has_the_eigenvalues_asked_for():
    (heat, _), num_samples = LINEAR, 300
    k11, k22, k12 = ranged(heat, num_samples).T
    eigenvalues = np.linalg.eigvalsh(np.array([[k11, k12], [k12, k22]]).transpose(2, 0, 1))
    np.testing.assert_allclose(eigenvalues[:, 0], 0.01, rtol=1e-13)
    assert 0.01 <= eigenvalues[:, 1].min() < 0.0105
    assert 0.0495 < eigenvalues[:, 1].max() <= 0.05


def test_advection_diffusion_ratio_of_the_initial_state_is_the_target():
    """Ψ = ‖v·∇u‖/‖∇·K∇u‖ on the grid, on a rectangle that is no square."""
    coefficients, (L_y, L_x), N = LINEAR[1], (1.0, 2.0), 40
    numbers, states = numbers_of(coefficients, range(20)), states_of(coefficients, 20, (1.0, 2.0))
    c = coefficients.draw(numbers, states, (L_y, L_x))
    u_hat = np.fft.fft2(evaluate(states, (N, N))[:, 0])
    k = 2 * np.pi * np.fft.fftfreq(N, 1 / N)
    kx, ky = k / L_x, k[:, None] / L_y
    k11, k22, k12, v_x, v_y = c.T[:, :, None, None]
    advection = np.fft.ifft2(1j * (v_x * kx + v_y * ky) * u_hat).real
    diffusion = np.fft.ifft2((k11 * kx**2 + k22 * ky**2 + 2 * k12 * kx * ky) * u_hat).real
    ratio = np.linalg.norm(advection, axis=(1, 2)) / np.linalg.norm(diffusion, axis=(1, 2))
    np.testing.assert_allclose(ratio, 0.2 + 4.8 * numbers[:, 3], rtol=1e-12)
    smallest = np.linalg.eigvalsh(c[:, [0, 2, 2, 1]].reshape(-1, 2, 2))[:, 0]
    np.testing.assert_allclose(smallest, 0.01 * (1 - np.hypot(*c[:, 3:].T)), rtol=1e-9)


def test_a_state_that_is_constant_has_no_advection_diffusion_ratio():
    coefficients = LINEAR[1]
    states = np.zeros((2, 1, 5, 3), complex)
    with pytest.raises(InputError, match="does not vary along the flow; choose another"):
        coefficients.draw(numbers_of(coefficients, range(2)), states, (1.0, 1.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: drawn_from.BurgersCoefficients(nu=(-1e-3, 1e-2)), "nu must be positive"),
        (lambda: drawn_from.NavierStokesCoefficients(nu=(0.0, 1e-2)), "nu must be positive"),
        (lambda: drawn_from.AllenCahnCoefficients(nu=(1e-2, 1e-3)), "low ≤ high, got"),
        (lambda: drawn_from.AllenCahnCoefficients(nu=(np.nan, 1e-3)), "low ≤ high, got"),
        (lambda: drawn_from.BurgersCoefficients(nu=(1e-2, np.inf)), "low ≤ high, got"),
        (lambda: drawn_from.BurgersCoefficients(nu=(1e-2, 1e300)), "float32 cannot hold it"),
        (lambda: drawn_from.KuramotoSivashinskyCoefficients(side=(0.0, 9.0)), "side must be pos"),
        (lambda: drawn_from.WaveCoefficients(c=(-1.0, 1.0)), "c must be positive"),
        (
            lambda: drawn_from.ForcedNavierStokesCoefficients(nu=NU, amplitude=np.nan),
            "amplitude must lie in",
        ),
        (
            lambda: drawn_from.KolmogorovFlowCoefficients(nu=NU, drag=(-1.0, 0.0)),
            "drag must lie in 0",
        ),
        (
            lambda: drawn_from.KolmogorovFlowCoefficients(nu=NU, num_waves=0),
            "num_waves must lie in 1",
        ),
        (lambda: drawn_from.FisherKPPCoefficients(nu=NU, r=(0.0, 1.0)), "r must be positive"),
        (
            lambda: drawn_from.SwiftHohenbergCoefficients(r=(0.1, 0.9), g=(0.0, np.nan)),
            "g must be a range",
        ),
        (
            lambda: drawn_from.GrayScottCoefficients(feed=(0.0, 0.1), kill=(0.05, 0.06)),
            "feed must be positive",
        ),
        (
            lambda: drawn_from.GrayScottCoefficients(
                feed=(0.01, 0.1), kill=(0.05, 0.06), diffusivity_ratio=-2.0
            ),
            "diffusivity_ratio must lie in",
        ),
        (lambda: HeatCoefficients(eigenvalue=(5.0, 1.0)), "low ≤ high, got"),
        (lambda: HeatCoefficients(eigenvalue=(1.0, 5.0), diffusivity=-1.0), "diffusivity must"),
        (
            lambda: UnsteadyAdvectionDiffusionCoefficients(advection_diffusion_ratio=(0.0, 1.0)),
            "advection_diffusion_ratio must be positive",
        ),
    ],
)
def test_ranges_without_meaning_are_rejected_in_one_line(make, message):
    with pytest.raises(InputError, match=message) as rejection:
        make()
    assert "\n" not in str(rejection.value)
