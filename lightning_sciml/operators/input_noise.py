"""Noise on the states that a network starts from, so that it learns to forget its own errors."""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.operators.channels import Channels
from lightning_sciml.operators.made_inputs import AMPLITUDE, amplitude_names
from lightning_sciml.operators.random_integers import mixed, random_integers
from lightning_sciml.pde.units import root_mean_square
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.random_streams import Stream
from lightning_sciml.streaming.windows import field_of

Field = Float[Tensor, "B S H W"]


class InputNoise(nn.Module):
    """Adds white noise to the input states of training samples, anew in every step.

    Every value of a state gets its own normal number of mean 0 and deviation a std u, with std u
    that of its field over the training samples, or √(mean u²) of the newest state itself where that
    is its unit (``amplitude_u``); all states of a history do. Static fields, steady problems and
    the states to come get none.

    Args:
        amplitude: a.
        channels: tell which inputs are states.
        stds: standard deviation of each field, by name.

    Raises:
        InputError: the amplitude is no number from 0 on, or no input of any problem is a state.
    """

    stds: Float[Tensor, " S"]

    def __init__(self, amplitude: float, channels: Channels, stds: Mapping[str, float]) -> None:
        super().__init__()
        if not 0.0 <= amplitude < math.inf:
            raise InputError(
                f"input_noise is a part of each field's deviation, at least 0, got {amplitude}; "
                "try 0.01"
            )
        if amplitude and not channels.has_states:
            raise InputError(
                f"input_noise={amplitude} is for states of trajectories, all data sets are steady; "
                "leave it out"
            )
        self.amplitude, self.channels = amplitude, channels
        own = [stds.get(field_of(name), 0.0) for name in channels.given]
        self.register_buffer("stds", torch.tensor(own), persistent=False)
        all_fields = channels.names.fields
        # Where a state, the newest of its field and its amplitude stand among the inputs.
        self._with_unit = [
            (i, channels.given.index(field_of(name)), all_fields.index(AMPLITUDE + field_of(name)))
            for i, name in enumerate(channels.given)
            if field_of(name) in amplitude_names(all_fields)
        ]

    def forward(self, batch: Batch, *, seed: int, step: int) -> Batch:
        """Add the noise of this step; channels are in the operator's order."""
        if not self.amplitude:
            return batch
        keys = random_integers(batch, 1 << 32, Stream.NOISE, seed=seed, step=step)
        is_state = self.channels.are_states(batch.dataset)
        deviations = self.amplitude * self._sizes(batch) * is_state
        noise = normal_numbers(keys, batch.inputs.shape[1:])
        inputs = batch.inputs + deviations[..., None, None].to(batch.inputs.dtype) * noise
        return batch._replace(inputs=inputs)

    def _sizes(self, batch: Batch) -> Float[Tensor, "B S"]:
        """What the noise of each channel is a part of."""
        sizes = self.stds.expand(len(batch.inputs), -1).clone()
        for i, newest, amplitude in self._with_unit:
            has_unit = self.channels.present.rows[batch.dataset, amplitude] > 0
            unit = root_mean_square(batch.inputs[:, newest], xp=torch).to(sizes.dtype)
            sizes[:, i] = torch.where(has_unit, unit, sizes[:, i])
        return sizes


def normal_numbers(keys: Int[Tensor, " B"], shape: Sequence[int]) -> Field:
    """Draw independent normal numbers, each a function of its sample's key and its place alone.

    Two words of 32 bits each for the uniform numbers of Box and Muller (1958); there are no
    generators, so the same on every device up to the rounding of its logarithm and cosine.
    """
    places = torch.arange(math.prod(shape), device=keys.device)
    words = [mixed(mixed(2 * places + i) ^ keys[:, None]) for i in (0, 1)]
    radius, angle = ((word.double() + 0.5) / (1 << 32) for word in words)
    numbers = (-2.0 * radius.log()).sqrt() * (2.0 * math.pi * angle).cos()
    return numbers.float().view(len(keys), *shape)
