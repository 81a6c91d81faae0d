"""Windows of trajectories: h input states and the K states that follow them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lightning_sciml.errors import InputError, reject_below, reject_repeated
from lightning_sciml.lists import listed
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.streaming.random_streams import Stream
from lightning_sciml.streaming.sampler import permute

WindowStarts = Literal["all"] | int
Strides = int | Sequence[int]
Indices = NDArray[np.int64]
LEAD_TIME = "lead_time"
"""Coefficient of a sample, and not of a data set: the time of a step."""


def lagged(name: str, num_states: int) -> str:
    """Name the channel of a state field so many states before the last input state."""
    return f"{name}@-{num_states}" if num_states else name


def history_names(state_fields: Sequence[str], history: int) -> tuple[str, ...]:
    """Name the channels of `history` input states, the oldest state first."""
    return tuple(lagged(name, lag) for lag in reversed(range(history)) for name in state_fields)


def field_of(channel: str) -> str:
    """Name the field of an input channel: "u" of "u@-2"."""
    return channel.partition("@-")[0]


def short_history_fault(history: int, given: Sequence[str], taken: Sequence[str]) -> str | None:
    """Say which earlier states an operator takes of given fields that windows do not hold.

    Args:
        history: states that the windows begin with; 0 of steady samples, of which all is given.
        given: input channels of the data.
        taken: input channels of the operator.
    """
    fields = {field_of(name) for name in given}
    lacking = [name for name in taken if field_of(name) in fields and name not in given]
    if not (history and lacking):
        return None
    return (
        f"the network takes {', '.join(lacking)}, windows of history={history} do not hold it; "
        "raise data.history, or leave it out of the network's input_fields"
    )


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The windows of trajectories of one length.

    A window has h + K states, a stride of stored times apart. A steady sample is the window with no
    input state and one output state in a trajectory of one time.

    Attributes:
        num_times: T, stored times of a trajectory.
        history: h, input states.
        num_steps: K, output states.
        strides: stored times from state to state; a trajectory has the windows of all of them.
        num_chosen: windows of a trajectory that one round over them takes; None for all.
        seed: of the choice of start times where a round does not take all.
        is_rollout: whether a trajectory has one window only, that from its first stored time on.
    """

    num_times: int
    history: int
    num_steps: int
    strides: tuple[int, ...] = (1,)
    num_chosen: int | None = None
    seed: int = 0
    is_rollout: bool = False

    @property
    def num_states(self) -> int:
        """Count the states of a window, h + K."""
        return self.history + self.num_steps

    @property
    def stride(self) -> int:
        """Return the stride, of several the first."""
        return self.strides[0]

    @property
    def num_possible(self) -> int:
        """Count the windows of a trajectory: the start times that leave room, at each stride."""
        return sum(self._counts)

    @property
    def _counts(self) -> list[int]:
        return [self.num_times - (self.num_states - 1) * stride for stride in self.strides]

    @property
    def num_starts(self) -> int:
        """Count the windows of a trajectory in a round."""
        return 1 if self.is_rollout else self.num_chosen or self.num_possible

    def draw(
        self, trajectories: Indices, numbers: Indices, rounds: Indices
    ) -> tuple[Indices, Indices]:
        """Find the stored time at which each window begins, and its stride.

        A pure function of (seed, round, trajectory, number); windows of one trajectory in one round
        differ.

        Args:
            trajectories: (B,) indices in the split.
            numbers: (B,) in [0, num_starts).
            rounds: (B,) how often all trajectories were gone through before.
        """
        if self.num_chosen is None:
            return self.at(numbers)
        salts = (rounds.astype(np.uint64) << np.uint64(40)) ^ trajectories.astype(np.uint64)
        return self.at(permute(numbers, self.num_possible, (self.seed, Stream.WINDOW), salts))

    def at(self, numbers: Indices) -> tuple[Indices, Indices]:
        """Find start times and strides of windows by their numbers in [0, num_possible).

        Those of the first stride come first, in the order of time.
        """
        if len(self.strides) == 1:
            return numbers, np.full_like(numbers, self.stride)
        ends: Indices = np.cumsum(self._counts, dtype=np.int64)
        of_stride = ends.searchsorted(numbers, side="right")
        begins = ends - np.array(self._counts)
        return numbers - begins[of_stride], np.array(self.strides)[of_stride]

    def time_index(self, starts: Indices, strides: Indices) -> Indices:
        """Number the last input state of windows among the stored times; 0 without input states."""
        return starts + max(0, self.history - 1) * strides


STEADY = Windows(num_times=1, history=0, num_steps=1)


@dataclass(frozen=True, kw_only=True)
class WindowOptions:
    """The windows that are asked for, of data sets of any length.

    Attributes:
        history: input states.
        num_unrolled_steps: output states.
        stride: stored times from state to state; several for windows of each of them.
        window_starts: windows a trajectory in an epoch.

    Raises:
        InputError: a number is below 1, or a stride is named twice.
    """

    history: int = 1
    num_unrolled_steps: int = 1
    stride: Strides = 1
    window_starts: WindowStarts = "all"

    def __post_init__(self) -> None:
        starts = None if self.window_starts == "all" else self.window_starts
        reject_below(
            1,
            history=self.history,
            num_unrolled_steps=self.num_unrolled_steps,
            window_starts=starts,
        )
        for stride in self.strides:
            reject_below(1, stride=stride)
        reject_repeated(stride=self.strides)
        if not self.strides:
            raise InputError("stride must be at least one number, got none")

    @property
    def strides(self) -> tuple[int, ...]:
        """Return all strides."""
        return tuple(listed(self.stride))

    @property
    def of_evaluation(self) -> "WindowOptions":
        """Return the windows of validation, test and rollouts: of several strides the first."""
        return replace(self, stride=self.strides[0])

    def of(self, num_times: int, *, name: str, seed: int = 0) -> Windows:
        """Return the windows of trajectories of so many stored times.

        Args:
            num_times: T.
            name: of the data set, for messages.
            seed: of the choice of start times.

        Raises:
            InputError: a window is longer than a trajectory, or has fewer start times than wanted.
        """
        h, K, strides = self.history, self.num_unrolled_steps, self.strides
        windows = Windows(num_times=num_times, history=h, num_steps=K, strides=strides, seed=seed)
        num_wanted = (h + K - 1) * max(strides) + 1
        if num_wanted > num_times:
            raise InputError(
                f"windows of history={h} and num_unrolled_steps={K} at stride={max(strides)} take "
                f"{num_wanted} stored times, the trajectories of {name} have "
                f"{num_times}; {_what_fits(num_times, self)}"
            )
        if self.window_starts == "all":
            return windows
        if self.window_starts > windows.num_possible:
            raise InputError(
                f"window_starts={self.window_starts} asks for more start times than the "
                f"{windows.num_possible} of each trajectory of {name}; lower it, or set it to all"
            )
        return replace(windows, num_chosen=self.window_starts)


def reject_uneven_times(plan: DatasetPlan, num_steps: int) -> None:
    """Reject several steps of different lengths, where a network is told one length.

    Args:
        plan: of the data set.
        num_steps: of a window or a rollout.

    Raises:
        InputError: naming the data set.
    """
    if num_steps > 1 and not plan.has_equal_intervals:
        gaps = np.diff(plan.times)
        raise InputError(
            f"{LEAD_TIME} is the time of each step of a window, the stored times of {plan.name} "
            f"lie {gaps.min():.4g} to {gaps.max():.4g} apart; set data.num_unrolled_steps to 1 and "
            f"leave rollouts out, or take {LEAD_TIME} out of the network's coefficient_names"
        )


def _what_fits(num_times: int, wanted: WindowOptions) -> str:
    """Say which stride makes a window fit, or else how many states do."""
    num_gaps = wanted.history + wanted.num_unrolled_steps - 1
    if num_gaps < num_times:
        return f"stride up to {(num_times - 1) // num_gaps} fits"
    return f"history + num_unrolled_steps up to {num_times} at stride=1 fits"


def windows_of(plan: DatasetPlan, options: WindowOptions, *, seed: int = 0) -> Windows:
    """Return the windows of a data set; those of a steady one are its samples.

    Raises:
        InputError: windows are longer than its trajectories.
    """
    return options.of(plan.num_times, name=plan.name, seed=seed) if plan.is_evolution else STEADY
