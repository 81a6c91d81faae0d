"""When the outputs of a window are: as instants, and as times ahead of its last input state."""

import numpy as np
from jaxtyping import Float64, Int

from lightning_sciml.streaming.mixture_member import MixtureMember


def output_times(
    member: MixtureMember, time_index: Int[np.ndarray, " n"]
) -> Float64[np.ndarray, "n K"]:
    """Return the instant of each output state of windows of an evolution.

    Args:
        member: the data set.
        time_index: number of the last input state of each window among the stored times.
    """
    steps = member.windows.stride * np.arange(1, member.windows.num_steps + 1)
    return np.asarray(member.dataset.times, np.float64)[time_index[:, None] + steps]


def lead_times(
    member: MixtureMember, time_index: Int[np.ndarray, " n"]
) -> Float64[np.ndarray, "n K"]:
    """Return the time from the last input state to each output state; 0 for a steady problem."""
    if not member.dataset.is_evolution:
        return np.zeros((len(time_index), member.windows.num_steps))
    starts = np.asarray(member.dataset.times, np.float64)[time_index]
    return output_times(member, time_index) - starts[:, None]
