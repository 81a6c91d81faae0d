"""Increments: û = u + s w, in every coordinate system, and only of what evolves."""

from dataclasses import replace

import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.description import OperatorDescription
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.grid import Grid
from lightning_sciml.streaming.training_statistics import TrainingStatistics

FIELDS = ("velocity_x@-1", "velocity_y@-1", "velocity_x", "velocity_y", "f")
STATES = ("velocity_y", "velocity_x")
FLOW = Problem(
    name="flow",
    equation=None,
    grid=Grid(shape=(8, 8)),
    columns=(),
    input_fields=FIELDS[:4],
    output_fields=STATES,
    state_fields=STATES,
)
STEADY = replace(
    FLOW, name="steady", input_fields=("f",), output_fields=("velocity_y",), state_fields=()
)
STATISTICS = TrainingStatistics(
    field_norms={},
    coefficients={},
    scaled_coefficients={},
    field_means=dict.fromkeys((*STATES, "f"), 0.5),
    field_stds=dict.fromkeys((*STATES, "f"), 2.0),
    increments={"velocity_y": 0.01, "velocity_x": 0.03},
)
S = torch.tensor([0.01, 0.03]).double()[:, None, None]


def operator_of(*problems, outputs=STATES, inputs=FIELDS, statistics=STATISTICS, **options):
    torch.manual_seed(0)
    network = FNO(
        num_channels=4,
        num_modes=3,
        coefficient_names=(),
        input_fields=inputs,
        output_fields=outputs,
    )
    options = {"normalization": "standard", "predicts": "increment", **options}
    operator = NeuralOperator(network, **options)
    operator.fit(statistics, [])
    operator.bind(problems)
    return operator.double()


def drawn(num_steps):
    inputs, outputs = torch.randn(2, 5, 8, 8), torch.randn(2, num_steps, 2, 8, 8)
    return inputs.double(), torch.empty(2, 0).double(), outputs.double()


def test_a_network_of_zero_predicts_the_newest_state_and_of_one_a_step_of_s():
    operator = operator_of(FLOW)
    inputs, c, _ = drawn(1)
    newest = inputs[:, [3, 2]]
    output = operator.network.projection.output
    torch.nn.init.zeros_(output.weight)
    torch.nn.init.zeros_(output.bias)
    assert torch.equal(operator(inputs, c), newest)
    torch.nn.init.ones_(output.bias)
    torch.testing.assert_close(operator.unroll(inputs, c, num_steps=3)[:, -1], newest + 3 * S)


def test_what_is_compared_are_increments_in_units_of_s():
    """The wanted ones are those of the data at every step; their difference is û - u."""
    operator = operator_of(FLOW)
    inputs, c, outputs = drawn(3)
    problems = torch.zeros(2, dtype=torch.long)
    found, wanted = operator.training_pair(inputs, c, problems, outputs)
    before = torch.cat([inputs[:, None, [3, 2]], outputs[:, :-1]], dim=1)
    increments = (outputs - before) / S
    unrolled = operator.unroll(inputs, c, problems, num_steps=3)
    torch.testing.assert_close(wanted, increments)
    torch.testing.assert_close(found - wanted, (unrolled - outputs) / S)


def test_a_steady_member_has_no_increment():
    """Its field of the same name is predicted as without increments, bit for bit."""
    operator = operator_of(FLOW, STEADY)
    plain = operator_of(FLOW, STEADY, predicts="state")
    inputs, c, outputs = drawn(1)
    inputs[1, :4] = 0
    problems = torch.tensor([0, 1])
    mixed, states = (one(inputs, c, problems) for one in (operator, plain))
    assert torch.equal(mixed[1], states[1])
    w = (states[0] - 0.5) / 2.0
    torch.testing.assert_close(mixed[0], inputs[0, [3, 2]] + S * w)
    (_, wanted), (_, of_states) = (
        one.training_pair(inputs, c, problems, outputs) for one in (operator, plain)
    )
    assert torch.equal(wanted[1], of_states[1])
    torch.testing.assert_close(wanted[0, 0], (outputs[0, 0] - inputs[0, [3, 2]]) / S)


def test_problems_whose_state_has_another_name_share_the_output_solution():
    problems = [
        replace(FLOW, input_fields=(name,), output_fields=(name,), state_fields=(name,))
        for name in ("u", "w")
    ]
    values = {"u": 0.1}
    statistics = replace(STATISTICS, increments=values, field_means={"u": 0.0}, field_stds=values)
    trained = {"outputs": ("solution",), "inputs": ("u", "w"), "statistics": statistics}
    operator = operator_of(*problems, **trained)
    torch.nn.init.zeros_(operator.network.projection.output.weight)
    torch.nn.init.zeros_(operator.network.projection.output.bias)
    inputs = torch.randn(2, 2, 8, 8).double()
    found = operator(inputs, torch.empty(2, 0).double(), torch.tensor([1, 0]))
    assert torch.equal(found[:, 0], torch.stack([inputs[0, 1], inputs[1, 0]]))


def test_a_field_that_never_changes_keeps_the_scale_one():
    statistics = replace(STATISTICS, increments={"velocity_y": 1e-8, "velocity_x": 0.03})
    scales = operator_of(FLOW, statistics=statistics).increments.scales
    torch.testing.assert_close(scales, torch.tensor([1.0, 0.03]).double())


def test_a_description_tells_what_is_predicted_and_one_without_means_the_state():
    operator = operator_of(FLOW)
    plain = operator.describe().plain()
    assert OperatorDescription.from_plain(plain).predicts == "increment"
    del plain["predicts"]
    assert OperatorDescription.from_plain(plain).predicts == "state"
    with pytest.raises(InputError, match="predicts must be among state, increment, got both"):
        OperatorDescription.from_plain({**plain, "predicts": "both"})
    states = operator_of(FLOW, predicts="state").state_dict()
    assert set(operator.state_dict()) - set(states) == {"increments.scales"}
