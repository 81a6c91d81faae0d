import numpy as np
import pytest
from evolution_states import CASES, NONLINEAR

from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.evolution_equation import Nonlinearity
from lightning_sciml.pde.grid import PeriodicGrid
from lightning_sciml.pde.symmetries import SQUARE

WAVES = PeriodicGrid(16).wavenumbers
KX, KY = 4 * np.pi, -6 * np.pi  # of [-3, 2]
K2 = KX**2 + KY**2
SYMBOLS = {
    "heat": [-(0.03 * KX**2 + 0.02 * KY**2 - 0.02 * KX * KY)],
    "unsteady_advection_diffusion": [
        -(0.03 * KX**2 + 0.02 * KY**2 - 0.02 * KX * KY) - 1j * (0.4 * KX - 0.7 * KY)
    ],
    "wave": [0.7j * K2**0.5, -0.7j * K2**0.5],
    "burgers": [-0.02 * K2] * 2,
    "navier_stokes": [-1e-2 * K2],
    "forced_navier_stokes": [-1e-2 * K2],
    "kolmogorov_flow": [-1e-2 * K2 - 0.1],
    "kuramoto_sivashinsky": [K2 / 40**2 - (K2 / 40**2) ** 2],
    "allen_cahn": [1 - 1e-3 * K2],
    "fisher_kpp": [2 - 1e-3 * K2],
    "swift_hohenberg": [0.4 - (1 - K2) ** 2],
    "gray_scott": [-2e-5 * K2 - 0.04, -1e-5 * K2 - 0.1],
}


def coefficients(name, num_samples=1):
    """The case's coefficients of each sample."""
    return np.tile(CASES[name].coefficients, (num_samples, 1)).astype(float)


@pytest.mark.parametrize("name", EVOLUTION_EQUATIONS)
def test_symbol_is_the_linear_part(name):
    symbol = EVOLUTION_EQUATIONS[name]().symbol(coefficients(name, 2), WAVES)
    assert symbol.shape == (2, len(EVOLUTION_EQUATIONS[name].state_fields), 16, 9)
    np.testing.assert_allclose(symbol[1, :, -3, 2], SYMBOLS[name], rtol=1e-13)


@pytest.mark.parametrize("name", EVOLUTION_EQUATIONS)
def test_samples_have_their_own_coefficients(name):
    equation = EVOLUTION_EQUATIONS[name]()
    c = coefficients(name, 3) * np.array([1.0, 1.5, 2.0])[:, None]
    symbols = equation.symbol(c, WAVES)
    for sample in range(3):
        alone = equation.symbol(c[sample : sample + 1], WAVES)
        np.testing.assert_array_equal(symbols[sample], alone[0])


@pytest.mark.parametrize("name", ["heat", "unsteady_advection_diffusion", "wave"])
def test_propagators_are_a_semigroup_generated_by_the_equation(name):
    """P(0) = 1, P(s + t) = P(s) P(t); of the wave, P'(0) = [[0, 1], [-c²|k|², 0]]."""
    equation, c = EVOLUTION_EQUATIONS[name](), coefficients(name)
    zero, s, t, both = (equation.propagator(c, WAVES, time) for time in (0.0, 0.02, 0.03, 0.05))
    F = len(equation.state_fields)
    np.testing.assert_allclose(zero, np.broadcast_to(np.eye(F)[..., None, None], zero.shape))
    product = np.einsum("bfg...,bgh...->bfh...", s, t)
    np.testing.assert_allclose(product, both, atol=1e-12)
    if name == "wave":
        h = 1e-6
        generator = (equation.propagator(c, WAVES, h) - zero)[0, :, :, -3, 2] / h
        np.testing.assert_allclose(generator, [[0, 1], [-0.49 * K2, 0]], atol=2e-3)


@pytest.mark.parametrize("name", [name for name in EVOLUTION_EQUATIONS if name != "wave"])
@pytest.mark.parametrize("g", SQUARE, ids=str)
def test_the_linear_part_is_the_same_in_other_coordinates(name, g):
    """L(gᵀ⁻¹k; Mc) = L(k; c), away from Nyquist."""
    equation, c = EVOLUTION_EQUATIONS[name](), coefficients(name)
    moved = equation.symbol(c @ equation.coefficient_map(g).T, WAVES)
    symbol = equation.symbol(c, WAVES)
    for k in ([2, -3], [3, 1], [0, 5]):
        kx, ky = np.rint(np.linalg.inv(g).T @ k).astype(int)
        value = moved[0, :, ky, kx] if kx >= 0 else moved[0, :, -ky, -kx].conj()
        np.testing.assert_allclose(value, symbol[0, :, k[1], k[0]], rtol=1e-13)


@pytest.mark.parametrize("name", NONLINEAR)
def test_maps_of_the_nonlinear_part_fit_factors_and_fields(name):
    equation = EVOLUTION_EQUATIONS[name]()
    maps = equation.nonlinearity(coefficients(name, 2), WAVES)
    assert isinstance(maps, Nonlinearity)
    fields = np.ones((equation.num_factors + equation.num_scratch, 2, 4, 4))
    products = equation.products(fields, coefficients(name, 2))
    assert len(maps.factors) == equation.num_factors
    assert {len(row) for row in maps.factors} == {len(equation.state_fields)}
    assert len(maps.combination) == len(equation.state_fields)
    assert {len(row) for row in maps.combination} == {len(products)}
