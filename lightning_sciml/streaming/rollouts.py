"""Rollouts: one window of each trajectory, from its first states to the last one or for N steps."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from lightning_sciml.errors import InputError
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.streaming.mixture_member import MixtureMember
from lightning_sciml.streaming.windows import WindowOptions, Windows

NumSteps = Literal["all"] | int
MOST_BYTES = 2**26
"""Limit of the trajectories of a batch in one process: evaluation holds ten times as much."""


def rollout_of(
    plan: DatasetPlan, options: WindowOptions, num_steps: NumSteps, *, option: str = "rollout"
) -> Windows:
    """Return the window of a rollout, which begins at the first stored time.

    Args:
        plan: of the data set.
        options: history and stride, of several the first.
        num_steps: steps; "all" for those up to the last stored state.
        option: name of the data module's option that gives them, for messages.

    Raises:
        InputError: the data set is steady, or its trajectories are too short.
    """
    if not plan.is_evolution:
        raise InputError(
            f"{option}={num_steps} needs trajectories, {plan.name} is steady; leave data.{option} "
            "out"
        )
    options = options.of_evaluation
    h, stride, num_times = options.history, options.strides[0], plan.num_times
    most = (num_times - 1) // stride + 1 - h
    wanted = most if num_steps == "all" else num_steps
    if not 1 <= wanted <= most:
        remedy = (
            f"{option} up to {most} fits"
            if most > 0
            else "lower data.stride, or generate more times"
        )
        raise InputError(
            f"{option}={num_steps} after history={h} at stride={stride} takes at least "
            f"{(h + max(wanted, 1) - 1) * stride + 1} stored times, the trajectories of "
            f"{plan.name} have {num_times}; {remedy}"
        )
    windows = replace(options, num_unrolled_steps=wanted, window_starts="all")
    return replace(windows.of(num_times, name=plan.name), is_rollout=True)


def rollout_batch_size(
    members: Sequence[MixtureMember], batch_size: int, num_processes: int
) -> int:
    """Return the batch size, lowered where the trajectories of a process exceed MOST_BYTES.

    A process has at least one.

    Args:
        members: data sets.
        batch_size: over all processes.
        num_processes: that share a batch.
    """
    num_inputs = 1 + max(i for member in members for i in member.input_channels)
    num_outputs = 1 + max(i for member in members for i in member.output_channels)
    largest = max(
        4 * (num_inputs + m.windows.num_steps * num_outputs) * m.grid.shape[0] * m.grid.shape[1]
        for m in members
    )
    return min(batch_size, num_processes * max(1, MOST_BYTES // largest))
