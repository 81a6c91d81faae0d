"""Noise on input states: of the right size, on states alone, a function of step and sample."""

from dataclasses import replace

import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.operators.channels import Channels
from lightning_sciml.operators.input_noise import InputNoise, normal_numbers
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.linear_evolution import Heat
from lightning_sciml.streaming.mixture import Batch

FLOW = Problem(
    name="flow",
    equation=None,
    grid=Grid(shape=(32, 32)),
    columns=(),
    input_fields=("f", "u@-1", "u"),
    output_fields=("u",),
    state_fields=("u",),
)
STEADY = replace(FLOW, name="steady", input_fields=("f",), state_fields=())
NAMES = ChannelNames(("u", "f", "u@-1", "x"), (), ("u",))
STDS = {"u": 2.0, "f": 5.0}


def noise_of(*problems, amplitude=0.1):
    return InputNoise(amplitude, Channels(problems, NAMES), STDS)


def batch_of(datasets):
    n = len(datasets)
    return Batch(
        inputs=torch.zeros(n, 3, 32, 32),
        outputs=torch.zeros(n, 2, 1, 32, 32),
        coefficients=torch.empty(n, 0),
        dataset=torch.tensor(datasets),
        sample_index=torch.arange(n),
        time_index=torch.arange(n),
        lead_time=torch.ones(n),
        global_size=n,
    )


def test_numbers_are_normal_and_independent():
    """Moments of 400,000 numbers, within five standard errors; of neighbours no correlation."""
    z = normal_numbers(torch.arange(100), (4, 32, 32)).double()
    n = z.numel()
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - moment) < 5 * (variance / n) ** 0.5
    shifted = (z.roll(1, 0), z.roll(1, 1), z.roll(1, 3), z.roll(2, 3), z.flip(0))
    assert all(abs((z * other).mean()) < 5 / n**0.5 for other in shifted)


def test_states_get_noise_relative_to_their_deviation_and_nothing_else_does():
    batch = batch_of([0, 1, 0])
    noisy = noise_of(FLOW, STEADY)(batch, seed=0, step=3)
    u, f, earlier = noisy.inputs.unbind(1)
    assert not f.any()
    assert not noisy.inputs[1].any()
    assert torch.equal(noisy.outputs, batch.outputs)
    for state in (u[0], u[2], earlier[0], earlier[2]):
        assert float(state.std()) == pytest.approx(0.2, rel=0.1)


def test_a_state_in_units_of_its_amplitude_gets_noise_relative_to_it():
    """Noise of a part of the deviation over all samples would bury the small ones."""
    names = ChannelNames(("u", "f", "u@-1", "amplitude_u"), (), ("u",))
    scaling = replace(FLOW, name="scaling", equation=Heat(), input_fields=("u",))
    channels = Channels([FLOW, scaling, STEADY], names)
    batch = batch_of([0, 1, 2])
    batch.inputs[:, 0] = 1e-3  # u; its past is zero
    noisy = InputNoise(0.1, channels, STDS)(batch, seed=0, step=3).inputs - batch.inputs
    for channel in (0, 2):
        assert float(noisy[0, channel].std()) == pytest.approx(1e-4, rel=0.1)
    assert float(noisy[1, 0].std()) == pytest.approx(0.2, rel=0.1)  # its equation has a unit
    assert not noisy[2].any()


def test_noise_is_a_function_of_seed_step_and_sample_alone():
    make, batch = noise_of(FLOW), batch_of([0] * 6)
    whole = make(batch, seed=1, step=5).inputs
    order = torch.tensor([4, 2, 5])
    part = Batch(*(v[order] if isinstance(v, torch.Tensor) else v for v in batch))
    assert torch.equal(make(part, seed=1, step=5).inputs, whole[order])
    for other in ({"seed": 1, "step": 6}, {"seed": 2, "step": 5}):
        assert (make(batch, **other).inputs[:, 0] != whole[:, 0]).all(dim=(-2, -1)).all()
    other_time = batch._replace(time_index=batch.time_index + 1)
    assert (make(other_time, seed=1, step=5).inputs[:, 0] != whole[:, 0]).any()


def test_without_noise_a_batch_passes_as_it_is():
    batch = batch_of([0])
    assert noise_of(STEADY, amplitude=0.0)(batch, seed=0, step=0) is batch


@pytest.mark.parametrize(
    ("problem", "amplitude", "message"),
    [
        (STEADY, 0.1, r"input_noise=0.1 is for states of trajectories, all data sets are steady"),
        (FLOW, -1.0, r"input_noise is a part of each field's deviation, at least 0, got -1.0"),
        (FLOW, float("nan"), r"at least 0, got nan; try 0.01"),
    ],
)
def test_noise_that_cannot_be_is_rejected(problem, amplitude, message):
    with pytest.raises(InputError, match=message):
        noise_of(problem, amplitude=amplitude)
