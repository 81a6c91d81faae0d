"""Which steps of a window have gradients, and what of them is kept in memory."""

import pytest
import torch

from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.operators.problem import Problem
from lightning_sciml.operators.unrolling import Unrolling
from lightning_sciml.pde.grid import Grid

HEAT = Problem(
    name="heat",
    equation=None,
    grid=Grid(shape=(8, 12)),
    columns=(),
    input_fields=("u@-1", "u"),
    output_fields=("u",),
    state_fields=("u",),
)
PUSHED = Unrolling(gradients="last")


class Dropping(FNO):
    """Draws random numbers in every call of training."""

    def forward(self, source, coefficients):
        return super().forward(
            torch.nn.functional.dropout(source, 0.2, self.training), coefficients
        )


def operator_of(predicts="state", network=FNO):
    torch.manual_seed(0)
    names = {"coefficient_names": (), "input_fields": ("u@-1", "u"), "output_fields": ("u",)}
    made = network(num_channels=4, num_modes=3, **names)
    operator = NeuralOperator(made, normalization="medians", predicts=predicts)
    operator.bind([HEAT])
    return operator.double()


def drawn(num_steps):
    torch.manual_seed(1)
    problem = torch.zeros(2, dtype=torch.long)
    inputs, outputs = torch.randn(2, 2, 8, 12), torch.randn(2, num_steps, 1, 8, 12)
    return inputs.double(), torch.empty(2, 0).double(), problem, outputs.double()


def gradients(operator, arguments, unrolling):
    found, wanted = operator.training_pair(*arguments, unrolling)
    loss = (found - wanted).square().sum()
    return torch.autograd.grad(loss, list(operator.network.parameters()))


@pytest.mark.parametrize("predicts", ["state", "increment"])
def test_the_last_step_alone_has_gradients_and_is_compared(predicts):
    """They are those of one step from detached predictions, with the same reference."""
    operator, arguments = operator_of(predicts), drawn(3)
    inputs, c, problem, outputs = arguments
    with torch.no_grad():
        before = operator.unroll(inputs, c, problem, num_steps=2)[:, :, 0]
    (expected,) = operator(before, c, problem).unbind(1)
    loss = (expected - outputs[:, -1, 0]).square().sum()
    expected = torch.autograd.grad(loss, list(operator.network.parameters()))
    for own, other in zip(gradients(operator, arguments, PUSHED), expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-10, atol=1e-10)
    found, wanted = operator.training_pair(*arguments, PUSHED)
    assert found.shape == wanted.shape == (2, 1, 1, 8, 12)


def test_of_one_step_the_last_is_all():
    operator, arguments = operator_of(), drawn(1)
    own, other = (gradients(operator, arguments, u) for u in (PUSHED, Unrolling()))
    assert all(torch.equal(a, b) for a, b in zip(own, other, strict=True))


@pytest.mark.parametrize("network", [FNO, Dropping])
@pytest.mark.parametrize("predicts", ["state", "increment"])
def test_steps_that_are_computed_again_have_the_same_gradients(predicts, network):
    """Also where the network draws random numbers: they are drawn again."""
    operator, arguments = operator_of(predicts, network), drawn(4)
    pair = []
    for again in (False, True):
        torch.manual_seed(2)
        pair.append(gradients(operator, arguments, Unrolling(checkpoint_steps=again)))
    for kept, computed in zip(*pair, strict=True):
        torch.testing.assert_close(computed, kept, rtol=1e-12, atol=1e-12)


def saved_bytes(unrolling, num_steps):
    """Memory that waits for gradients between the passes, without weights."""
    operator, arguments = operator_of(), drawn(num_steps)
    weights = {p.untyped_storage().data_ptr() for p in operator.network.parameters()}
    storages = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        kept = operator.training_pair(*arguments, unrolling)
    assert kept
    return sum(storage.nbytes() for storage in storages.values())


def test_memory_of_many_steps_is_about_that_of_one():
    one = saved_bytes(Unrolling(), 1)
    state = 2 * 2 * 8 * 12 * 8
    assert saved_bytes(Unrolling(), 8) > 7 * one
    assert saved_bytes(PUSHED, 8) <= 1.1 * one
    assert saved_bytes(Unrolling(checkpoint_steps=True), 8) <= 1.1 * one + 8 * 4 * state


def test_rounded_weights_of_steps_without_gradients_do_not_lose_those_of_the_last():
    """Autocast keeps the weights that it has rounded; of torch 2.8 without gradients then."""
    operator, arguments = operator_of().float(), [a.float() for a in drawn(3)]
    arguments[2] = arguments[2].long()
    with torch.autocast("cpu", torch.bfloat16):
        found, wanted = operator.training_pair(*arguments, PUSHED)
        loss = (found - wanted).square().sum()
    loss.backward()
    assert all(p.grad is not None and p.grad.any() for p in operator.network.parameters())
