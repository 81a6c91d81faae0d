"""The windows of a data set on which statistics are measured that its shards do not hold."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from lightning_sciml.streaming.mixture_member import (
    Drawn,
    Indices,
    MixtureMember,
    read_windows,
)

NUM_MEASURED = 1024
"""Windows of a data set that are measured: all, if it has no more, or else this many, evenly
spread. The root of a mean of so many squares is known to a few per cent, and they are read in
seconds.
"""
_PART = 16


class Measured(NamedTuple):
    """Some windows of one step.

    Attributes:
        samples: their indices in the split.
        lead_times: from the state before the step to that after it; 0 for steady samples.
        before: static inputs, and the newest input state.
        after: outputs, of an evolution the next state.
    """

    samples: Indices
    lead_times: Float[np.ndarray, " n"]
    before: Float32[np.ndarray, "n S H W"]
    after: Float32[np.ndarray, "n F H W"]


def measured_windows(member: MixtureMember) -> Iterator[Measured]:
    """Read the windows of one step, which every step of a longer one is, too.

    They are the same on every rank and in every run.
    """
    dataset = member.dataset
    windows = replace(member.windows, num_steps=1, num_chosen=None)
    numbers = np.arange(member.subset.num_samples * windows.num_possible)
    if len(numbers) > NUM_MEASURED:
        numbers = numbers[np.arange(NUM_MEASURED) * len(numbers) // NUM_MEASURED]
    num_states, F = 1 + dataset.is_evolution, len(dataset.target_fields)
    C = len(dataset.input_fields) + F * num_states
    for part in np.array_split(numbers, -(-len(numbers) // _PART)):
        positions, of_trajectory = np.divmod(part, windows.num_possible)
        starts, strides = windows.at(of_trajectory)
        times = windows.time_index(starts, strides)
        drawn = Drawn(positions, member.subset(positions), times, strides)
        places = dataset.locate(drawn.samples, times, num_states, strides)
        fields = np.empty((len(part), C, *member.grid.shape), np.float32)
        read_windows(dataset, drawn, places, num_states, fields)
        before, after = fields[:, : C - F], fields[:, C - F :]
        yield Measured(drawn.samples, member.lead_time(times, strides), before, after)
