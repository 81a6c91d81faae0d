"""Channels by name: what the operator makes, what a problem lacks, and what is fed back."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.channels import Channels
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.grid import Grid
from lightning_sciml.streaming.training_statistics import TrainingStatistics
from lightning_sciml.streaming.windows import history_names

GRID = Grid(shape=(8, 12), boundary=("wall", "periodic"))
FLOW = Problem(
    name="flow",
    equation=None,
    grid=GRID,
    columns=(0,),
    input_fields=("forcing", *history_names(("u", "v"), 3)),
    output_fields=("u", "v"),
    state_fields=("u", "v"),
)
HEAT = Problem(
    name="heat",
    equation=None,
    grid=replace(GRID, boundary=("periodic", "periodic")),
    columns=(),
    input_fields=("u",),
    output_fields=("u",),
    state_fields=("u",),
)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def operator_of(problems, inputs, outputs=("u", "v"), **options):
    network = FNO(
        num_channels=4,
        num_modes=3,
        coefficient_names=("nu",),
        input_fields=inputs,
        output_fields=outputs,
    )
    operator = NeuralOperator(network, normalization="medians", **options)
    operator.bind(problems)
    return operator.double()


def test_coordinates_are_those_of_each_sample_s_grid():
    channels = Channels([FLOW, HEAT], ChannelNames(("x", *FLOW.input_fields, "y"), (), ("u", "v")))
    inputs, problem = torch.randn(2, 7, 8, 12).double(), torch.tensor([0, 1])
    made = channels.network_fields(inputs, problem)
    for sample, grid in zip(made, (FLOW.grid, HEAT.grid), strict=True):
        y, x = (torch.from_numpy(axis) for axis in grid.coordinates())
        torch.testing.assert_close(sample[0], x.expand(8, 12), rtol=1e-6, atol=0)
        torch.testing.assert_close(sample[-1], y[:, None].expand(8, 12), rtol=1e-6, atol=0)
    assert torch.equal(made[:, 1:-1], inputs)


def test_a_mask_tells_which_samples_have_a_field():
    names = ChannelNames(("mask_v", "u", "mask_u", "mask_forcing"), (), ("u", "v"))
    made = Channels([FLOW, HEAT], names).network_fields(
        torch.ones(3, 1, 2, 2), torch.tensor([0, 1, 0])
    )
    of_samples = [[1, 1, 1, 1], [0, 1, 1, 0], [1, 1, 1, 1]]
    assert made[:, :, 0, 0].tolist() == of_samples
    assert torch.equal(made, made[:, :, :1, :1].expand(-1, -1, 2, 2))


class Seen(torch.nn.Module):
    """Keeps the fields that it is called with."""

    coefficient_names = ()
    input_fields = ("v", "mask_v", "u", "x")
    output_fields = ("u", "v")

    def forward(self, inputs, coefficients):
        self.fields = inputs
        return inputs[:, :2]


def test_a_field_that_a_problem_lacks_is_zero_to_the_network_whatever_its_mean():
    seen = Seen()
    operator = NeuralOperator(seen, normalization="standard")
    moments = {"field_means": {"u": 1.0, "v": 3.0}, "field_stds": {"u": 2.0, "v": 4.0}}
    medians = {"field_norms": {}, "coefficients": {}, "scaled_coefficients": {}}
    operator.fit(TrainingStatistics(**medians, **moments), [])
    operator.bind([replace(FLOW, columns=(), input_fields=("u", "v")), HEAT])
    inputs = torch.tensor([[7.0, 5.0], [0.0, 5.0]])[..., None, None]
    operator(inputs, torch.empty(2, 0), torch.arange(2))
    assert seen.fields[:, :3, 0, 0].tolist() == [[1, 1, 2], [0, 0, 2]]


def test_a_history_moves_on_by_one_state_and_what_is_no_state_stays():
    """In the network's order; a problem without v, or with a shorter history, has zeros there."""
    names = ("v", "u@-2", "forcing", "u", "v@-1", "u@-1", "v@-2")
    channels = Channels([FLOW, HEAT], ChannelNames(names, (), ("v", "u")))
    inputs = torch.arange(14.0).view(2, 7)[:, :, None, None].expand(-1, -1, 2, 2).clone()
    inputs[1, [0, 1, 2, 4, 5, 6]] = 0  # heat has u alone
    prediction = torch.tensor([[100.0, 101.0], [102.0, 103.0]])[..., None, None].expand(
        -1, -1, 2, 2
    )
    following = channels.next_inputs(inputs, prediction, torch.tensor([0, 1]))
    before = dict(zip(names, inputs[0, :, 0, 0].tolist(), strict=True))
    after = dict(zip(names, following[0, :, 0, 0].tolist(), strict=True))
    assert after == {
        "v": 100.0,
        "u": 101.0,
        "u@-1": before["u"],
        "v@-1": before["v"],
        "u@-2": before["u@-1"],
        "v@-2": before["v@-1"],
        "forcing": before["forcing"],
    }
    assert following[1, :, 0, 0].tolist() == [0, 0, 0, 103, 0, 0, 0]


def test_unrolling_is_calling_again_and_again():
    """The loop that a user would write, with the fields in the data's order."""
    data = FLOW.input_fields  # forcing, u@-2, v@-2, u@-1, v@-1, u, v
    operator = operator_of([FLOW], (*data, "y"))
    inputs, c = torch.randn(3, 7, 8, 12).double(), torch.rand(3, 1).double()
    unrolled = operator.unroll(inputs, c, num_steps=4)
    assert unrolled.shape == (3, 4, 2, 8, 12)
    by_hand = inputs
    for step in range(4):
        prediction = operator(by_hand, c)
        assert torch.equal(unrolled[:, step], prediction)
        by_hand = torch.cat([inputs[:, :1], by_hand[:, 3:], prediction], dim=1)


def test_gradients_of_training_go_through_all_steps():
    """Equal to the gradient of the loop; cut between steps it is another."""
    operator = operator_of([FLOW], FLOW.input_fields)
    inputs, c = torch.randn(2, 7, 8, 12).double(), torch.rand(2, 1).double()
    outputs, problem = torch.randn(2, 3, 2, 8, 12).double(), torch.zeros(2, dtype=torch.long)
    output, reference = operator.training_pair(inputs, c, problem, outputs)
    assert torch.equal(reference, outputs)
    weights = list(operator.network.parameters())
    own = torch.autograd.grad((output - reference).square().sum(), weights)
    unrolled = operator.unroll(inputs, c, num_steps=3)
    through = torch.autograd.grad((unrolled - outputs).square().sum(), weights)
    cut, total = inputs, 0.0
    for step in range(3):
        prediction = operator(cut, c)
        total = total + (prediction - outputs[:, step]).square().sum()
        cut = torch.cat([inputs[:, :1], cut[:, 3:], prediction.detach()], dim=1)
    without = torch.autograd.grad(total, weights)
    for gradient, expected, other in zip(own, through, without, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-10)
        assert not torch.allclose(gradient, other, rtol=1e-6, atol=0)


def test_a_network_of_the_one_output_solution_predicts_and_feeds_back_any_field():
    operator = operator_of([HEAT], ("u",), outputs=("solution",))
    inputs, c = torch.randn(2, 1, 8, 12).double(), torch.rand(2, 1).double()
    unrolled = operator.unroll(inputs, c, num_steps=2)
    assert torch.equal(unrolled[:, 1], operator(unrolled[:, 0], c))


def test_the_order_of_fields_in_the_network_permutes_channels_alone():
    """Give both the same weights by name: columns of the lifting, rows of the projection."""
    one, other = (
        operator_of([FLOW], inputs, outputs)
        for inputs, outputs in (
            (FLOW.input_fields, ("u", "v")),
            (FLOW.input_fields[::-1], ("v", "u")),
        )
    )
    weights = one.network.state_dict()
    lifting = weights["lifting.weight"]
    weights["lifting.weight"] = torch.cat([lifting[:, :7].flip(1), lifting[:, 7:]], dim=1)
    for kind in ("weight", "bias"):
        weights[f"projection.output.{kind}"] = weights[f"projection.output.{kind}"].flip(0)
    other.network.load_state_dict(weights)
    inputs, c = torch.randn(2, 7, 8, 12).double(), torch.rand(2, 1).double()
    torch.testing.assert_close(
        other.unroll(inputs.flip(1), c, num_steps=3).flip(2),
        one.unroll(inputs, c, num_steps=3),
    )


@pytest.mark.parametrize("names", [("u", "w"), ("w",)])
def test_a_field_that_the_network_does_not_predict_comes_with_what_to_set(names):
    with pytest.raises(InputError, match=r"set model\.network\.output_fields to \[.*w\]"):
        operator_of([replace(FLOW, output_fields=names)], FLOW.input_fields)


def test_a_batch_without_samples_passes():
    operator = operator_of([FLOW, HEAT], (*FLOW.input_fields, "x", "mask_v"))
    inputs, none = torch.empty(0, 7, 8, 12).double(), torch.empty(0, dtype=torch.long)
    c, outputs = torch.empty(0, 1).double(), torch.empty(0, 2, 2, 8, 12).double()
    found, wanted = operator.training_pair(inputs, c, none, outputs)
    assert found.shape == wanted.shape == outputs.shape
    assert np.prod(operator.unroll(inputs, c, none, num_steps=2).shape) == 0
