"""Means that equations conserve: kept by any network, over whole rollouts, where they are."""

from dataclasses import replace

import pytest
import torch
from solved_windows import solved_windows

from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.conserved_means import reject_unconserved
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.streaming.training_statistics import TrainingStatistics

CONSERVED = [name for name, equation in EVOLUTION_EQUATIONS.items() if equation.conserved_means]


def operator_of(windows, *problems, **options) -> NeuralOperator:
    """A network whose output has a mean, with scales and means of no special size."""
    torch.manual_seed(0)
    names = windows.names
    network = FNO(
        num_channels=4,
        num_modes=3,
        coefficient_names=names.coefficients,
        input_fields=names.fields,
        output_fields=names.outputs,
    )
    network.lifting.weight.data.mul_(10)
    operator = NeuralOperator(network, **{"normalization": "standard"} | options)
    values = {name: 0.5 + j for j, name in enumerate(names.outputs)}
    statistics = TrainingStatistics(
        field_norms=values,
        coefficients=dict.fromkeys(names.coefficients, 1.0),
        scaled_coefficients={},
        field_means=values,
        field_stds=values,
        increments=values,
    )
    operator.fit(statistics, [])
    operator.bind(problems or [windows.problem])
    return operator.eval()


def arguments(windows):
    batch = windows.batch
    return batch.inputs.float(), batch.coefficients.float(), batch.dataset


def drifts(operator, windows, num_steps=10) -> dict[str, float]:
    """How far the mean of each field gets from that of its newest state, of its size or scale."""
    names = windows.names
    with torch.no_grad():
        steps = operator.unroll(*arguments(windows), num_steps=num_steps)
    found = {}
    for j, name in enumerate(names.outputs):
        first = windows.batch.inputs[:, names.fields.index(name)].mean((1, 2))
        distance = (steps[:, :, j].double().mean((2, 3)) - first[:, None]).abs().max()
        found[name] = float(distance / steps[:, :, j].abs().max().clamp_min(1.0))
    return found


@pytest.mark.parametrize(
    ("name", "predicts", "coordinates"),
    [
        *[(name, "state", ()) for name in CONSERVED],
        *[(name, "increment", ("square",)) for name in CONSERVED],
        ("navier_stokes", "increment", ("square_average",)),
    ],
)
def test_any_network_keeps_the_means_that_the_equation_conserves(name, predicts, coordinates):
    """To the rounding of float32 over 10 steps; without the option they drift."""
    windows, options = solved_windows(name), {"predicts": predicts, "coordinates": coordinates}
    free = drifts(operator_of(windows, **options), windows)
    kept = drifts(operator_of(windows, conserves_means=True, **options), windows)
    for field, drift in kept.items():
        if field in windows.equation.conserved_means:
            assert drift < 1e-5
            assert free[field] > 1e-3
        else:
            assert drift > 1e-3  # u of the wave equation moves on


@pytest.mark.parametrize("predicts", ["state", "increment"])
def test_losses_compare_no_mean(predicts):
    """The wanted output has the mean that the given one gets: that of the conserved state."""
    windows = solved_windows("heat")
    operator = operator_of(windows, predicts=predicts, conserves_means=True)
    with torch.no_grad():
        found, wanted = operator.training_pair(*arguments(windows), windows.batch.outputs.float())
    rounding = 1e-6 * float(found.abs().max())
    torch.testing.assert_close(found.mean((-2, -1)), wanted.mean((-2, -1)), atol=rounding, rtol=0)


def test_only_problems_that_conserve_a_mean_are_changed():
    """One batch has waves, and the same fields of no known equation, bit by bit."""
    windows = solved_windows("wave")
    unknown = replace(windows.problem, equation=None)
    kept = operator_of(windows, unknown, windows.problem, conserves_means=True)
    free = operator_of(windows, unknown, windows.problem)
    inputs, numbers, _ = arguments(windows)
    problem = torch.tensor([0, 1, 0, 1])
    with torch.no_grad():
        changed = kept(inputs, numbers, problem) != free(inputs, numbers, problem)
    u, u_t = (windows.names.outputs.index(name) for name in ("u", "u_t"))
    assert not changed[:, u].any()
    assert changed[:, u_t].flatten(1).any(1).tolist() == [False, True, False, True]


def test_the_means_are_those_of_the_grid_in_half_precision():
    """The output of autocast is rounded before its mean is taken out, not after."""
    windows = solved_windows("navier_stokes")
    operator = operator_of(windows, conserves_means=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert drifts(operator, windows, num_steps=2)["vorticity"] < 1e-6


def test_problems_without_conserved_means_are_named():
    problems = [solved_windows(name).problem for name in ("burgers", "gray_scott")]
    with pytest.raises(InputError, match="got burgers_set, gray_scott_set without any; leave it"):
        reject_unconserved(problems)
    reject_unconserved([*problems, solved_windows("heat").problem])


def test_the_option_is_described():
    windows = solved_windows("heat")
    for conserves in (False, True):
        operator = operator_of(windows, conserves_means=conserves)
        described = operator.describe()
        assert described.conserves_means == conserves
        plain = described.plain()
        assert type(described).from_plain(plain) == described
        del plain["conserves_means"]  # as of operators that were trained before
        assert not type(described).from_plain(plain).conserves_means
    assert operator.state_dict().keys() == operator_of(windows).state_dict().keys()
    assert isinstance(operator.problems[0], Problem)
