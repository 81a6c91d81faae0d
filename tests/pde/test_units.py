"""Units: scaled problems have scaled solutions, and are one problem in their units."""

import numpy as np
import pytest
import torch
from evolution_states import CASES, run, smooth_states
from scalings import EVOLVING, SCALINGS

from data_gen.elliptic_solver import solve
from lightning_sciml.pde.darcy import Darcy
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.steady import Poisson
from lightning_sciml.pde.units import amplitude

SHAPE = (12, 16)
STEADY = {"poisson": Poisson(), "darcy": Darcy()}


def equation(name):
    return STEADY[name] if name in STEADY else EVOLUTION_EQUATIONS[name]()


def fields_of(name):
    """Inputs of a problem by name."""
    if name in EVOLVING:
        states = smooth_states(name, SHAPE, num_samples=3)
        return dict(zip(equation(name).state_fields, states.swapaxes(0, 1), strict=True))
    rng = np.random.default_rng(0)
    fields = {"diffusivity": rng.uniform(1, 9, (3, *SHAPE)), "source": rng.normal(size=(3, *SHAPE))}
    return {key: fields[key] for key in SCALINGS[name].fields if key in fields}


def drawn(name):
    """Inputs, coefficients and lead times."""
    c = CASES[name].coefficients if name in CASES else [2.0, 3.0, 1.0]
    return fields_of(name), np.tile(c, (3, 1)), np.full(3, 0.1)


@pytest.mark.parametrize("name", SCALINGS)
def test_units_scale_as_what_they_measure(name):
    """So the scaled problem is the same one in its units; powers of two are not rounded."""
    (fields, c, time), by = drawn(name), SCALINGS[name]
    scaled = {key: by.fields[key] * field for key, field in fields.items()}
    for xp, made in ((np, np.asarray), (torch, lambda x: torch.as_tensor(x).float())):
        one, other = (
            equation(name).units({k: made(f) for k, f in of.items()}, *map(made, numbers), xp=xp)
            for of, numbers in (
                (fields, (c, time)),
                (scaled, (by.coefficients * c, by.time * time)),
            )
        )
        assert one.fields.keys() == other.fields.keys() == by.fields.keys()
        if name != "darcy":  # a geometric mean rounds
            assert all((other.fields[k] == by.fields[k] * one.fields[k]).all() for k in by.fields)
        for key in by.fields:
            ratio = np.asarray(other.fields[key] / one.fields[key])
            np.testing.assert_allclose(ratio, by.fields[key], rtol=1e-5)
        assert (other.coefficients == by.coefficients * one.coefficients).all()
        assert one.time is None or (other.time == by.time * one.time).all()


@pytest.mark.parametrize("name", EVOLVING)
def test_the_trajectory_of_a_scaled_problem_is_the_scaled_trajectory(name):
    """Solve both, and the problem in its units, whose trajectory is that in units."""
    initial, case, by = smooth_states(name, SHAPE), CASES[name], SCALINGS[name]
    names, time = equation(name).state_fields, case.time
    solution = run(name, initial, 40)[:, -1]
    fields = dict(zip(names, initial.swapaxes(0, 1), strict=True))
    units = equation(name).units(fields, np.array([case.coefficients]), np.array([time]))
    for of_fields, of_numbers, of_time in (
        (by.fields, by.coefficients, by.time),
        (
            {k: 1 / u.item() for k, u in units.fields.items()},
            1 / units.coefficients.item(),
            1 / units.time.item(),
        ),
    ):
        factors = np.array([of_fields[key] for key in names])[:, None, None]
        c = of_numbers * np.array(case.coefficients)
        scaled = run(name, factors * initial, 40, times=(0.0, of_time * time), coefficients=c)
        size = abs(factors * solution).max((2, 3), keepdims=True)
        np.testing.assert_allclose(scaled[:, -1] / size, factors * solution / size, atol=1e-12)


@pytest.mark.parametrize("boundary", ["dirichlet", "neumann", "periodic"])
def test_the_solution_of_a_scaled_darcy_problem_is_the_scaled_solution(boundary):
    """To the residual of the solver, 1e-12."""
    by = SCALINGS["darcy"].fields
    rng = np.random.default_rng(0)
    a, f = rng.uniform(1, 9, (2, 16, 16)), rng.normal(size=(2, 16, 16))
    f -= f.mean((1, 2), keepdims=True)
    u, scaled = (
        solve(of_a * a, of_f * f, boundary, 1e-12).solution
        for of_a, of_f in ((1.0, 1.0), (by["diffusivity"], by["source"]))
    )
    np.testing.assert_allclose(scaled, by["solution"] * u, atol=1e-9 * abs(scaled).max())


def test_only_problems_whose_inputs_are_those_of_the_rule_have_units():
    """A force of a fixed size has none, and another field has an unknown one."""
    scaling = {n for n, e in EVOLUTION_EQUATIONS.items() if e().has_units(*2 * [e.state_fields])}
    assert scaling == set(EVOLVING)
    burgers = EVOLUTION_EQUATIONS["burgers"]()
    assert not burgers.has_units([*burgers.state_fields, "force"], burgers.state_fields)
    assert Darcy().has_units(["diffusivity"], ["solution"])
    assert not Darcy().has_units(["nu"], ["solution"])
    assert not Poisson().has_units(["source"], ["solution", "flux_x"])
    with pytest.raises(TypeError, match="allen_cahn has no scaling group"):
        EVOLUTION_EQUATIONS["allen_cahn"]().units({}, np.ones((1, 1)), np.ones(1))


def test_without_a_source_the_unit_of_the_solution_is_that_of_a_fixed_one():
    a = np.full((2, 4, 4), 5.0)
    units = Darcy().units({"diffusivity": a}, np.empty((2, 0)))
    np.testing.assert_allclose(units.fields["solution"], 0.2, rtol=1e-12)


@pytest.mark.parametrize("xp", [np, torch])
def test_a_state_of_zeros_has_the_amplitude_one(xp):
    """Else its steps, and scales that are measured on them, would be 1e19 and not of order one."""
    u = xp.ones((2, 3, 4)) * xp.asarray([0.0, 1e-9])[:, None, None]
    np.testing.assert_allclose(amplitude(u, xp), [1.0, 1e-9], rtol=1e-6)  # of float32
