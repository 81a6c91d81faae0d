"""Budgets of energy and enstrophy against the equations as written, and closed by solutions."""

import numpy as np
import pytest
import torch
from evolution_states import CASES, modes_of, nonlinear_term, run, smooth_states
from right_hand_sides import RIGHT_HAND_SIDES, Derivatives

from lightning_sciml.pde.budgets import budgets, half_spectrum
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.grid import Grid

FLOWS = ("navier_stokes", "forced_navier_stokes", "kolmogorov_flow")
BUDGETED = [name for name, equation in EVOLUTION_EQUATIONS.items() if equation.invariant_names]
SHAPE = (32, 40)


def budgets_of(name, states, xp=np):
    """Budgets of states (B, K, F, H, W) with the case's coefficients."""
    case = CASES[name]
    coefficients = np.tile(case.coefficients, (len(states), 1))
    grid = Grid(shape=tuple(states.shape[-2:]), lengths=case.lengths)
    return budgets(EVOLUTION_EQUATIONS[name](), states, coefficients, grid, xp=xp)


@pytest.mark.parametrize("name", FLOWS)
def test_energy_and_enstrophy_of_a_flow_are_those_of_its_velocity(name):
    """E = ½⟨|u|²⟩ with dE/dt = ⟨ψ ω_t⟩, Z = ½⟨ω²⟩ with dZ/dt = ⟨ω ω_t⟩, by full transforms."""
    states, case = smooth_states(name, SHAPE), CASES[name]
    d, w = Derivatives(SHAPE, case.lengths), states[0, 0]
    squares = d.kx**2 + d.ky**2
    psi = d.of(1 / np.where(squares == 0, np.inf, squares), w)
    [w_t] = RIGHT_HAND_SIDES[name](d, case.lengths, w, *case.coefficients)
    energy = (d.dy(psi) ** 2 + d.dx(psi) ** 2).mean() / 2
    found = budgets_of(name, states[:, None])
    assert list(found) == list(EVOLUTION_EQUATIONS[name].invariant_names)
    np.testing.assert_allclose(found["energy"].amount, [[energy]], rtol=1e-12)
    np.testing.assert_allclose(found["enstrophy"].amount, [[(w**2).mean() / 2]], rtol=1e-12)
    np.testing.assert_allclose(found["energy"].rate, [[(psi * w_t).mean()]], rtol=1e-10)
    np.testing.assert_allclose(found["enstrophy"].rate, [[(w * w_t).mean()]], rtol=1e-10)


@pytest.mark.parametrize("name", BUDGETED)
def test_a_solution_closes_its_budget_to_the_error_of_quadrature(name):
    """The trapezoidal rule is off by Δ³/12 |d³Q/dt³|: halving Δ divides that by eight."""
    initial = smooth_states(name, (24, 20), num_samples=2)
    gaps = []
    for interval in (CASES[name].time / 64, CASES[name].time / 128):
        states = run(name, initial, 8, times=(0.0, interval))
        found = budgets_of(name, states)
        changes = {k: np.diff(b.amount, axis=1)[:, 0] for k, b in found.items()}
        gains = {k: interval * b.rate.mean(axis=1) for k, b in found.items()}
        gaps.append({k: np.abs(changes[k] - gains[k]) / b.amount[:, 0] for k, b in found.items()})
    for quantity in gaps[0]:
        if name == "wave":  # constant
            np.testing.assert_allclose(gaps[0][quantity], 0, atol=1e-13)
        else:
            np.testing.assert_allclose(gaps[0][quantity] / gaps[1][quantity], 8, rtol=0.1)


@pytest.mark.parametrize("name", FLOWS[:1])
def test_the_nonlinear_part_conserves_both(name):
    states = smooth_states(name, SHAPE)
    term, transform, c = nonlinear_term(name, SHAPE)
    u_hat = modes_of(transform, states)
    N_hat = np.empty_like(u_hat)
    term(u_hat, N_hat)
    weights = EVOLUTION_EQUATIONS[name]().quadratic_invariants(c, transform.waves)
    twice = np.where(np.arange(u_hat.shape[-1]) > 0, 2, 1)
    for of_modes in weights.values():
        halves = transform.fields_first(np.broadcast_to(of_modes, (1, *of_modes.shape[1:])))
        gains = twice * halves * (u_hat.conj() * N_hat).real
        gains[:, :, 1, 0] = 0  # the unused row
        assert abs(gains.sum()) < 1e-13 * abs(gains).sum()


def test_torch_computes_the_same():
    for name in BUDGETED:
        states = smooth_states(name, (12, 9), num_samples=2)[:, None]
        of_torch = budgets_of(name, torch.from_numpy(states), torch)
        for quantity, budget in budgets_of(name, states).items():
            for mine, other in zip(budget, of_torch[quantity], strict=True):
                np.testing.assert_allclose(mine, other.numpy(), rtol=1e-12, atol=1e-14)


def test_odd_powers_of_wavenumbers_vanish_at_nyquist():
    waves = half_spectrum(Grid(shape=(4, 6), lengths=(2.0, 1.0)))
    np.testing.assert_allclose(waves.ky[:, 0], np.pi * np.array([0, 1, 0, -1]))
    np.testing.assert_allclose(waves.ky_squared[:, 0], (np.pi * np.array([0, 1, 2, 1])) ** 2)
    np.testing.assert_allclose(waves.kx[0], 2 * np.pi * np.array([0, 1, 2, 0]))
