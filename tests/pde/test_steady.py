import numpy as np
import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.grid import PeriodicGrid, Wavenumbers
from lightning_sciml.pde.named_equation import named_equation
from lightning_sciml.pde.steady import EQUATIONS, AdvectionDiffusion, Helmholtz, Poisson

COEFFICIENTS = {
    "poisson": [0.03, 0.02, -0.01],
    "advection_diffusion": [0.03, 0.02, -0.01, 0.4, -0.7],
    "helmholtz": [3.0],
}


def test_poisson_symbol_is_the_quadratic_form_of_the_diffusion_tensor():
    kx, ky = 4 * np.pi, -6 * np.pi
    K = np.array([[0.03, -0.01], [-0.01, 0.02]])
    k = np.array([kx, ky])
    symbol = Poisson().symbol(np.array([0.03, 0.02, -0.01]), PeriodicGrid(16).wavenumbers)
    np.testing.assert_allclose(symbol[-3, 2], k @ K @ k, rtol=1e-14)


def test_advection_diffusion_symbol_adds_i_v_dot_k():
    waves = PeriodicGrid(16).wavenumbers
    coefficients = np.array(COEFFICIENTS["advection_diffusion"])
    symbol = AdvectionDiffusion().symbol(coefficients, waves)
    np.testing.assert_array_equal(symbol.real, Poisson().symbol(coefficients[:3], waves))
    np.testing.assert_allclose(symbol[-3, 2].imag, 0.4 * 4 * np.pi + 0.7 * 6 * np.pi, rtol=1e-14)


def test_helmholtz_changes_sign_at_its_resonance():
    symbol = Helmholtz().symbol(np.array([2.0]), PeriodicGrid(16).wavenumbers)
    np.testing.assert_allclose(symbol[1, 2], 0.01 * 4 * np.pi**2 * 5 - 2, rtol=1e-13)  # -0.026
    assert symbol[0, 0] == -2
    assert symbol[2, 2] > 0


@pytest.mark.parametrize("name", EQUATIONS)
def test_numpy_and_torch_evaluate_the_same_symbol_in_the_precision_given(name):
    waves = PeriodicGrid(8).wavenumbers
    coefficients = np.array([COEFFICIENTS[name]] * 2)
    expected = EQUATIONS[name]().symbol(coefficients, waves)
    for dtype, tolerance in ((torch.float64, 1e-15), (torch.float32, 1e-6)):
        torch_waves = Wavenumbers(*(torch.tensor(k, dtype=dtype) for k in waves))
        symbol = EQUATIONS[name]().symbol(torch.tensor(coefficients, dtype=dtype), torch_waves)
        assert symbol.real.dtype == dtype
        assert symbol.shape == (2, 8, 5)
        assert np.abs(symbol.numpy() - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("name", EQUATIONS)
def test_operator_of_a_real_field_is_real(name):
    """L(-k) is the conjugate of L(k), also at the Nyquist mode of an even grid."""
    symbol = EQUATIONS[name]().symbol(np.array(COEFFICIENTS[name]), PeriodicGrid(8).wavenumbers)
    mirrored = -np.arange(8) % 8
    for own_mirror in (0, 4):
        column = symbol[:, own_mirror]
        np.testing.assert_allclose(column[mirrored], column.conj(), rtol=1e-14)


@pytest.mark.untyped
def test_an_equation_that_is_not_known_is_rejected():
    with pytest.raises(InputError, match=r"one of .*poisson.* or none, got euler; update"):
        named_equation("euler", {})


@pytest.mark.parametrize("name", ["none", "darcy", *EVOLUTION_EQUATIONS])
def test_equations_without_a_steady_symbol_are_known_and_none(name):
    assert named_equation(name, {}) is None


@pytest.mark.parametrize("parameters", [{"diffusivity": "x"}, {"diffusivity": None}, {"kappa": 1}])
def test_parameters_of_another_type_or_name_are_rejected(parameters):
    with pytest.raises(InputError, match="helmholtz cannot have the parameters"):
        named_equation("helmholtz", parameters)
