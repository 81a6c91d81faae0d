"""A stored solution passes where rounding explains its error, and nothing else does."""

import numpy as np
import pytest
from biharmonic import Biharmonic

from lightning_sciml.pde.grid import PeriodicGrid
from lightning_sciml.pde.residual import check_solution
from lightning_sciml.pde.steady import AdvectionDiffusion, Helmholtz, Poisson

CASES = {
    "poisson": (Poisson(), [0.01, 0.04, 0.005]),
    "anisotropic": (Poisson(), [1e-6, 1.0, 0.0]),
    "advection_diffusion": (AdvectionDiffusion(), [0.01, 0.02, 0.0, 0.5, -0.3]),
    "helmholtz": (Helmholtz(), [7.0]),
    "resonant": (Helmholtz(), [0.01 * (2 * np.pi) ** 2 * (1 + 1e-9)]),
    "screened": (Helmholtz(), [-1e6]),
    "biharmonic": (Biharmonic(), [1.0]),
    "small": (Poisson(), [1e-30, 4e-30, 0.0]),
    "large": (Poisson(), [1e25, 4e25, 0.0]),
}


def problem(equation, coefficients, num_points, seed=0):
    """A smooth source with four-digit modes, and its solution, both rounded to float32."""
    grid = PeriodicGrid(num_points)
    _, _, kx_squared, ky_squared = grid.wavenumbers
    white = np.fft.rfft2(np.random.default_rng(seed).standard_normal((num_points, num_points)))
    f_hat = white * np.exp(-(kx_squared + ky_squared) / (2 * (2 * np.pi * 4) ** 2))
    f_hat[0, 0] = 0
    source = np.fft.irfft2(f_hat, s=(num_points, num_points))
    f_hat /= np.abs(source).max()
    symbol = equation.symbol(np.array(coefficients), grid.wavenumbers)
    solved = f_hat / np.where(symbol == 0, 1, symbol)
    fields = [np.fft.irfft2(hat, s=(num_points, num_points)) for hat in (f_hat, solved)]
    return np.array(fields).astype(np.float32), np.array(coefficients)


@pytest.mark.parametrize("num_points", [32, 128])
@pytest.mark.parametrize("name", CASES)
def test_a_rounded_solution_passes_and_a_wrong_one_does_not(name, num_points):
    equation, coefficients = CASES[name]
    fields, c = problem(equation, coefficients, num_points)
    good = check_solution(fields, c, equation)
    assert good.is_checkable
    assert not good.is_wrong
    assert good.explained < 1e-3
    for factor in (1.01, 10, -1, 1e6, 0, np.inf, np.nan):
        spoilt = fields.copy()
        with np.errstate(over="ignore", invalid="ignore"):
            spoilt[1] *= factor
        check = check_solution(spoilt, c, equation)
        assert check.is_wrong
        assert check.explained == good.explained


def test_one_wrong_point_in_a_solution_is_found_where_the_residual_is_rounding():
    equation, coefficients = CASES["biharmonic"]
    fields, c = problem(equation, coefficients, 256)
    assert check_solution(fields, c, equation).residual > 1  # L amplifies the rounding of u
    fields[1, 3, 5] += np.abs(fields[1]).max()
    assert check_solution(fields, c, equation).is_wrong


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["source", "coefficients"])
def test_problems_that_are_not_finite_are_wrong(where, value):
    equation, coefficients = CASES["poisson"]
    fields, c = problem(equation, coefficients, 32)
    if where == "source":
        fields[0, 1, 1] = value
    else:
        c[0] = value
    assert check_solution(fields, c, equation).is_wrong


def test_denormal_solutions_are_wrong():
    fields, c = problem(Poisson(), [1e38, 1e38, 0.0], 32)
    assert check_solution(fields, c, Poisson()).is_wrong


def test_a_resonance_that_float32_cannot_tell_from_rounding_is_said_to_be_unchecked():
    """Where L is 1e-13, 3e-7 of the source make nearly all of u, whose rounding hides the rest."""
    _, c = problem(Helmholtz(), [0.01 * (2 * np.pi) ** 2 * (1 + 1e-13)], 32)
    x = np.arange(32) / 32
    source = np.cos(4 * np.pi * x) + 3e-7 * np.cos(2 * np.pi * x)
    solution = 3e-7 / (0.01 * (2 * np.pi) ** 2 * -1e-13) * np.cos(2 * np.pi * x)
    fields = np.array([[row] * 32 for row in (source, solution)]).astype(np.float32)
    assert not check_solution(fields, c, Helmholtz()).is_checkable
    assert not check_solution(fields, c, Helmholtz()).is_wrong


def test_the_solution_of_no_source_is_zero_and_nothing_else():
    fields, coefficients = np.zeros((2, 16, 16), np.float32), np.array([0.01, 0.04, 0.005])
    assert not check_solution(fields, coefficients, Poisson()).is_wrong
    fields[1, 3, 4] = 1e-6
    assert check_solution(fields, coefficients, Poisson()).is_wrong
