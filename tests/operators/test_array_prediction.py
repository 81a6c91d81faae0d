"""Predict for arrays by name: several fields, evolutions, grids that are no square."""

import numpy as np
import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.description import TrainedProblem
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.residual import relative_residual
from lightning_sciml.pde.steady import Poisson
from lightning_sciml.streaming.training_statistics import TrainingStatistics

RNG = np.random.default_rng(0)
B, H, W = 3, 8, 12
FLOW = TrainedProblem(
    name="flow",
    equation="none",
    parameters={},
    coefficient_names=("nu",),
    ranges={"nu": (0.0, 1.0)},
    grid=Grid(shape=(16, 24), lengths=(1.0, 2.0), boundary=("wall", "periodic")),
    input_fields=("forcing", "u@-1", "v@-1", "u", "v"),
    output_fields=("u", "v"),
    state_fields=("u", "v"),
)
DARCY = TrainedProblem(
    name="darcy",
    equation="none",
    parameters={},
    coefficient_names=(),
    ranges={},
    grid=Grid(shape=(16, 16), boundary=("dirichlet", "dirichlet")),
    input_fields=("diffusivity",),
    output_fields=("v",),
)
STATE = {name: RNG.standard_normal((B, H, W)) for name in FLOW.input_fields}


@pytest.fixture(scope="module")
def operator():
    torch.manual_seed(0)
    network = FNO(
        num_channels=4,
        num_modes=3,
        coefficient_names=("nu",),
        input_fields=("v", "u", "v@-1", "u@-1", "diffusivity", "forcing", "y"),
        output_fields=("v", "u"),
    )
    operator = NeuralOperator(network, normalization="medians")
    nothing = TrainingStatistics(field_norms={}, coefficients={}, scaled_coefficients={})
    operator.fit(nothing, [FLOW, DARCY])
    operator.bind([p.among(operator.coefficient_names) for p in operator.trained_on])
    return operator.eval()


def test_one_step_of_a_mapping_of_states_is_a_mapping_of_fields(operator):
    """Fields go by name in the order of the data; channels of other problems are zero."""
    found = operator.predict(STATE, nu=0.5)
    assert list(found) == ["u", "v"]
    zero = np.zeros((B, H, W))
    inputs = np.stack([STATE.get(name, zero) for name in operator.input_fields], axis=1)
    with torch.no_grad():
        expected = operator(torch.from_numpy(inputs).float(), torch.full((B, 1), 0.5))
    for name, field in zip(("v", "u"), expected.unbind(1), strict=True):
        assert found[name].dtype == np.float32
        assert np.array_equal(found[name], field)


def test_steps_are_single_steps_that_are_fed_back_by_the_caller(operator):
    """Each field is (B, K, H, W); bits depend on the size of a batch, so all go at once."""
    found = operator.predict(STATE, num_steps=3, nu=0.5)
    assert {name: field.shape for name, field in found.items()} == {
        "u": (B, 3, H, W),
        "v": (B, 3, H, W),
    }
    state = dict(STATE)
    for step in range(3):
        one = operator.predict(state, nu=0.5)
        for name in ("u", "v"):
            assert np.array_equal(found[name][:, step], one[name])
            state[f"{name}@-1"], state[name] = state[name], one[name]


def test_a_single_state_comes_back_without_the_axis_of_samples(operator):
    one = {name: torch.from_numpy(field[0]) for name, field in STATE.items()}
    found = operator.predict(one, num_steps=2, nu=0.5)
    assert {name: tuple(field.shape) for name, field in found.items()} == {
        "u": (2, H, W),
        "v": (2, H, W),
    }
    assert all(isinstance(field, torch.Tensor) for field in found.values())
    assert tuple(operator.predict(one, nu=0.5)["u"].shape) == (H, W)


def test_the_fields_tell_which_problem_is_meant(operator):
    """A single array is the field of the problem that has one; a mapping has the names."""
    field = RNG.standard_normal((2, 8, 8))
    found = operator.predict(field)
    assert list(found) == ["v"]
    assert np.array_equal(found["v"], operator.predict({"diffusivity": field})["v"])


def test_an_operator_of_one_field_returns_an_array():
    torch.manual_seed(0)
    names = {"coefficient_names": (), "input_fields": ("u",), "output_fields": ("u",)}
    operator = NeuralOperator(FNO(num_channels=4, num_modes=3, **names), normalization="medians")
    heat = TrainedProblem(
        name="heat",
        equation="none",
        parameters={},
        coefficient_names=(),
        ranges={},
        grid=Grid(shape=(8, 16)),
        input_fields=("u",),
        output_fields=("u",),
        state_fields=("u",),
    )
    nothing = TrainingStatistics(field_norms={}, coefficients={}, scaled_coefficients={})
    operator.fit(nothing, [heat])
    state = RNG.standard_normal((B, 8, 16))
    assert operator.predict(state).shape == (B, 8, 16)
    steps, report = operator.predict(state, num_steps=4, report=True)
    assert steps.shape == (B, 4, 8, 16)
    assert report.pde_residual is None


def test_the_residual_is_that_of_the_equations_own_fields():
    """Among other channels of the operator, source and solution are neither the first."""
    names = ("k11", "k22", "k12")
    poisson = TrainedProblem(
        name="poisson",
        equation="poisson",
        parameters={},
        coefficient_names=names,
        ranges=dict.fromkeys(names, (0.0, 1.0)),
        grid=Grid(shape=(8, 8)),
        input_fields=("source",),
        output_fields=("solution",),
    )
    channels = {"input_fields": ("diffusivity", "source"), "output_fields": ("v", "solution")}
    network = FNO(num_channels=4, num_modes=3, coefficient_names=names, **channels)
    operator = NeuralOperator(network, normalization="medians")
    nothing = TrainingStatistics(field_norms={}, coefficients={}, scaled_coefficients={})
    operator.fit(nothing, [poisson, DARCY])
    source = RNG.standard_normal((B, 8, 8)).astype("f4")
    k = {"k11": 0.5, "k22": 0.25, "k12": 0.1}
    found, report = operator.predict({"source": source}, report=True, **k)
    assert list(found) == ["solution"]
    u, c = found["solution"].astype(float), np.tile([*k.values()], (B, 1))
    expected = relative_residual(Poisson(), u, source.astype(float), c)
    np.testing.assert_allclose(report.pde_residual, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fields": {"u": STATE["u"]}}, "takes the fields forcing, u@-1, v@-1, u, v; or diffus"),
        ({"fields": {**STATE, "w": STATE["u"]}}, "got forcing, u@-1, v@-1, u, v, w$"),
        (
            {"fields": {k: f for k, f in STATE.items() if "@" not in k}},
            "got forcing, u, v; give the states before as NAME@-1, NAME@-2 and so on$",
        ),
        ({"fields": {k: f.mT for k, f in STATE.items()}}, "with H:W = 2:3 as in the training"),
        ({"fields": STATE["u"], "problem": "flow"}, "got one array; give a mapping from these"),
        ({"fields": {**STATE, "v": STATE["v"][0]}}, "all fields need one shape"),
        ({"fields": STATE, "nu": None}, r"takes the coefficients nu \(flow\), got none; "),
        ({"problem": "stokes"}, "problem must be flow or darcy, got stokes"),
        ({"num_steps": 0}, "num_steps must be at least 1, got 0"),
        ({"fields": np.ones((8, 8)), "nu": None, "num_steps": 2}, "darcy is steady; leave it out"),
        ({"fields": {**STATE, "u": np.full((B, H, W), np.nan)}}, "u must be finite"),
    ],
)
def test_wrong_fields_are_one_line(operator, arguments, message):
    given = {"fields": STATE, "nu": 0.5} | arguments
    if given["nu"] is None:
        del given["nu"]
    with pytest.raises(InputError, match=message) as error:
        operator.predict(given.pop("fields"), **given)
    assert "\n" not in str(error.value)
