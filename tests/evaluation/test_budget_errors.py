"""Drift of energy and enstrophy in rollouts of flows, beside that of their references."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from evolution_states import CASES, run, smooth_states

from lightning_sciml.evaluation.budget_errors import BUDGET_ERRORS, budget_errors
from lightning_sciml.evaluation.error_statistics import ErrorTable
from lightning_sciml.evaluation.rollout_errors import rollout_errors
from lightning_sciml.evaluation.rollout_statistics import rollout_report
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.grid import Grid
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.windows import Windows

TIMES = (0.0, 0.02, 0.05)
SHAPE = (16, 20)


def member(name, channel=0):
    case, equation = CASES[name], EVOLUTION_EQUATIONS[name]()
    dataset = SimpleNamespace(
        is_evolution=True, times=TIMES, input_fields=(), target_fields=equation.state_fields
    )
    dataset.coefficient_names = equation.coefficient_names
    return SimpleNamespace(
        grid=Grid(shape=SHAPE, lengths=case.lengths),
        equation=equation,
        columns=tuple(range(len(case.coefficients))),
        input_channels=(channel,),
        output_channels=(channel,),
        windows=Windows(num_times=3, history=1, num_steps=2, is_rollout=True),
        dataset=dataset,
    )


@pytest.fixture
def flow():
    """Trajectories of decaying turbulence as the batch of a rollout."""
    states = torch.from_numpy(
        run("navier_stokes", smooth_states("navier_stokes", SHAPE, num_samples=2), 16, times=TIMES)
    )
    coefficients = torch.tensor(CASES["navier_stokes"].coefficients).expand(2, 1)
    places = (torch.zeros(2, dtype=int), torch.arange(2), torch.zeros(2, dtype=int))
    return Batch(states[:, 0], states[:, 1:], coefficients, *places, torch.zeros(2), 2)


def test_a_prediction_that_is_too_strong_violates_its_budget(flow):
    """(1 + ε)u has the amounts and rates of u times (1 + ε)²; it jumps in the first step."""
    found = budget_errors(1.1 * flow.outputs, flow, member("navier_stokes"))
    assert tuple(found) == BUDGET_ERRORS
    for name in ("energy", "enstrophy"):
        np.testing.assert_allclose(found[f"{name}_error"], 0.21, rtol=1e-5)
        of_reference = found[f"{name}_budget_of_reference"]
        assert of_reference.max() < 1e-3  # the error of quadrature
        np.testing.assert_allclose(found[f"{name}_budget"][:, 1], 1.21 * of_reference[:, 1])
        assert found[f"{name}_budget"][:, 0].min() > 0.1


def test_a_prediction_that_stands_still_lacks_the_loss_to_viscosity(flow):
    """E and Z are those of the beginning: the violation is 2νZΔ/E of Δ, by the steps' lengths."""
    still = flow.inputs[:, None].expand(-1, 2, -1, -1, -1)
    found = budget_errors(still, flow, member("navier_stokes"))["energy_budget"]
    np.testing.assert_allclose(found[:, 1] / found[:, 0], 1.5, rtol=1e-6)  # of 0.03 and 0.02
    exact = budget_errors(flow.outputs, flow, member("navier_stokes"))
    np.testing.assert_array_equal(exact["energy_error"], 0)
    np.testing.assert_array_equal(exact["energy_budget"], exact["energy_budget_of_reference"])


def test_reports_of_a_mixture_have_budgets_of_the_sets_that_have_any(flow):
    """The second sample is of an equation without budget, in another channel."""
    outputs = torch.zeros(2, 2, 2, *SHAPE, dtype=torch.float64)
    outputs[0, :, :1], outputs[1, :, 1:] = flow.outputs[0], flow.outputs[1]
    dataset = torch.tensor([0, 1])
    batch = flow._replace(inputs=flow.inputs.expand(-1, 2, -1, -1), outputs=outputs)
    batch = batch._replace(dataset=dataset)
    members = [member("navier_stokes"), member("allen_cahn", channel=1)]
    errors = rollout_errors(1.1 * outputs, batch, members)
    assert errors["energy_error"][1].isnan().all()
    arrays = {name: values.numpy() for name, values in errors.items()}
    places = {name: getattr(batch, name).numpy() for name in ("sample_index", "time_index")}
    table = ErrorTable.of({**arrays, **places, "dataset": dataset.numpy()}, ("w", "u"), members)
    report = rollout_report(table)
    assert report["energy_error"]["mean"] == pytest.approx(0.21, rel=1e-5)
    assert report["steps"][1]["enstrophy_error"]["max"] == pytest.approx(0.21, rel=1e-5)
    assert "energy_error" not in rollout_report(table.part(table.dataset == 1))
