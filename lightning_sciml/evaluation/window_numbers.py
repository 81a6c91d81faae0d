"""Where each window of a data set stands in a file that has them all, by sample and time."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from jaxtyping import Int

from lightning_sciml.streaming.mixture_member import MixtureMember


@dataclass(frozen=True)
class WindowNumbers:
    """The windows that an evaluation goes through, sorted by sample and time.

    Attributes:
        sample_index: of each window.
        time_index: number of its last input state among the stored times.
    """

    sample_index: Int[np.ndarray, " n"]
    time_index: Int[np.ndarray, " n"]

    @classmethod
    def of(cls, member: MixtureMember) -> Self:
        """Collect the windows of a data set in its first epoch, which is that of evaluations."""
        drawn = member.draw(np.arange(member.samples_per_epoch), 0)
        time_index = member.windows.time_index(drawn.starts, drawn.strides)
        order = np.lexsort([time_index, drawn.samples])
        return cls(drawn.samples[order], time_index[order])

    def rows(
        self, sample_index: Int[np.ndarray, " B"], time_index: Int[np.ndarray, " B"]
    ) -> Int[np.ndarray, " B"]:
        """Find windows among all."""
        return np.searchsorted(self._keys, sample_index * self._num_times + time_index)

    @cached_property
    def _num_times(self) -> int:
        return int(self.time_index.max(initial=0)) + 1

    @cached_property
    def _keys(self) -> Int[np.ndarray, " n"]:
        return self.sample_index * self._num_times + self.time_index
