"""A state whose equation has no scaling group, in units of its own amplitude."""

import pytest
import torch
from small_operators import POISSON, fitted_operator

from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.neural_operator import NeuralOperator

NUMBERS = torch.tensor([[0.003], [0.003]])
STATES = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
SMALL_AND_LARGE = torch.cat([0.01 * STATES, STATES])


RANGES = {"allen_cahn": {"nu": (0.002, 0.005)}, "heat": {**POISSON, "lead_time": (0.1, 0.2)}}


def operator_of(
    equation="allen_cahn", inputs=("u",), amplitude="amplitude_u", **recipe
) -> NeuralOperator:
    return fitted_operator(
        equation=equation,
        ranges=RANGES[equation],
        inputs=inputs,
        outputs=("u",),
        states=("u",),
        network={"input_fields": (*inputs, amplitude)},
        recipe={"normalization": "dimensionless", **recipe},
    )


def seen(operator, inputs):
    """What the network is given, and the way from its output to u."""
    problem = torch.zeros(len(inputs), dtype=torch.long)
    numbers = torch.ones(len(inputs), len(operator.coefficient_names))
    fields = operator.channels.network_fields(inputs, problem)
    return operator.normalization(fields, numbers, problem)


def test_states_of_any_size_are_seen_alike_and_their_size_is_told():
    fields, _, answer = seen(operator_of(), SMALL_AND_LARGE)
    torch.testing.assert_close(fields[0, 0], fields[1, 0])
    sizes = SMALL_AND_LARGE.square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(fields[:, 1], sizes.log()[:, None, None].expand(2, 8, 8))
    torch.testing.assert_close(answer.unit.flatten(), sizes)


@pytest.mark.parametrize("predicts", ["state", "increment"])
def test_a_step_of_a_small_state_is_as_accurate_as_that_of_a_large_one(predicts):
    """If the network did not heed the size, its prediction would be in proportion to it."""
    operator = operator_of(predicts=predicts)
    operator.network.lifting.weight.data[:, 1] = 0  # of the amplitude
    with torch.no_grad():
        small, large = operator(SMALL_AND_LARGE, NUMBERS)
    torch.testing.assert_close(100 * small, large)
    operator.network.lifting.weight.data[:, 1] = 1
    with torch.no_grad():
        small, large = operator(SMALL_AND_LARGE, NUMBERS)
    assert not torch.allclose(100 * small, large, rtol=1e-2)


def test_an_equation_that_scales_keeps_its_units_and_is_told_no_amplitude():
    """Else a prediction of a scaled problem would not be the scaled prediction."""
    fields, _, _ = seen(operator_of("heat"), SMALL_AND_LARGE)
    assert (fields[:, 1] == 0).all()


def test_every_state_of_a_history_is_in_units_of_the_newest():
    operator = operator_of(inputs=("u@-1", "u"))
    inputs = torch.cat([3 * STATES, STATES], dim=1)
    fields, _, _ = seen(operator, inputs)
    mean, std = (getattr(operator.normalization, f"field_{n}")[0] for n in ("means", "stds"))
    torch.testing.assert_close(fields[0, 0] * std + mean, 3 * (fields[0, 1] * std + mean))


def test_a_state_of_zeros_stays_finite():
    operator = operator_of(predicts="increment")
    inputs = torch.zeros(1, 1, 8, 8, requires_grad=True)
    prediction = operator(inputs, NUMBERS[:1])
    prediction.sum().backward()
    assert prediction.isfinite().all()
    assert inputs.grad.isfinite().all()


def test_the_amplitude_of_a_field_that_a_network_lacks_is_zero():
    """One list of inputs serves the single networks of a mixture."""
    operator = operator_of(amplitude="amplitude_v")
    assert (seen(operator, STATES)[0][:, 1] == 0).all()


@pytest.mark.parametrize("normalization", ["standard", "medians", "paper"])
def test_other_normalisations_have_no_such_unit(normalization):
    network = FNO(
        num_channels=4, num_modes=3, coefficient_names=("nu",), input_fields=("u", "amplitude_u")
    )
    with pytest.raises(InputError, match=r"amplitude_u among input_fields .* set it to dimension"):
        NeuralOperator(network, normalization=normalization)


def test_a_state_at_rest_moves_as_the_network_says():
    """A force may move it: its increment is in the units of the data, and not zero."""
    operator = operator_of(predicts="increment")
    zeros = torch.zeros(1, 1, 8, 8)
    fields, _, answer = seen(operator, zeros)
    assert answer.unit.item() == 1
    assert (fields[:, 1] == 0).all()
    assert operator(zeros, NUMBERS[:1]).abs().max() > 1e-3
