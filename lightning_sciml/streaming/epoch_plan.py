"""How many samples, batches and steps an epoch has: asked by training and by studies alike."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.streaming.sampler import num_batches
from lightning_sciml.streaming.windows import Windows


def replay_share_fault(share: float) -> str | None:
    """Say what is wrong with a share of replayed samples; None where nothing is."""
    if 0 <= share < 1:
        return None
    return f"replay_share must be at least 0 and below 1, got {share}"


def proportions(weights: Sequence[float], total: int) -> list[int]:
    """Split `total` in proportion to `weights`, exactly: largest remainders are rounded up."""
    shares = np.asarray(weights, float) / np.sum(weights) * total
    counts = np.floor(shares).astype(int)
    largest = np.argsort(counts - shares, kind="stable")[: total - counts.sum()]
    counts[largest] += 1
    return [int(count) for count in counts]


class Group(NamedTuple):
    """What all samples of a batch share.

    Attributes:
        shape: points (H, W).
        num_steps: K, output states.
    """

    shape: tuple[int, int]
    num_steps: int


class SetSize(NamedTuple):
    """A data set as an epoch sees it.

    Attributes:
        group: of its samples.
        num_samples: samples, or windows of all trajectories.
    """

    group: Group
    num_samples: int

    @classmethod
    def of(cls, plan: DatasetPlan, windows: Windows, num_samples: int) -> Self:
        """Count the windows of the first `num_samples` samples or trajectories."""
        return cls(Group(plan.grid.shape, windows.num_steps), num_samples * windows.num_starts)


@dataclass(frozen=True, kw_only=True)
class EpochPlan:
    """Samples of an epoch and the batches they make.

    Attributes:
        own: the data sets that are trained on.
        batch_size: largest global batch.
        weights: shares of `own` in an epoch; by their sizes by default.
        samples_per_epoch: samples of `own` in an epoch; as many as there are by default.
        replayed: data sets that are added.
        replay_share: their share of the epoch; 0 without.
    """

    own: Sequence[SetSize]
    batch_size: int
    weights: Sequence[float] | None = None
    samples_per_epoch: int | None = None
    replayed: Sequence[SetSize] = ()
    replay_share: float = 0.0

    @property
    def own_counts(self) -> list[int]:
        """Samples that each data set of `own` gives."""
        sizes = [one.num_samples for one in self.own]
        if not (self.weights or self.samples_per_epoch):
            return sizes
        return proportions(self.weights or sizes, self.samples_per_epoch or sum(sizes))

    @property
    def num_own(self) -> int:
        """Samples of the data sets that are trained on."""
        return sum(self.own_counts)

    @property
    def num_replayed(self) -> int:
        """Samples that, added to `num_own`, are the share of all; one at least."""
        if not (self.replayed and self.replay_share and self.num_own):
            return 0
        return max(1, round(self.num_own * self.replay_share / (1 - self.replay_share)))

    @property
    def replayed_counts(self) -> list[int]:
        """Samples that each data set of `replayed` gives, in proportion to their sizes."""
        if not self.replayed:
            return []
        return proportions([one.num_samples for one in self.replayed], self.num_replayed)

    @property
    def num_samples(self) -> int:
        """Samples of an epoch."""
        return self.num_own + self.num_replayed

    @property
    def num_batches(self) -> int:
        """Global batches of an epoch, the last samples of each group included."""
        sizes: Counter[Group] = Counter()
        counts = (*self.own_counts, *self.replayed_counts)
        for one, count in zip((*self.own, *self.replayed), counts, strict=True):
            sizes[one.group] += count
        return num_batches(sizes.values(), self.batch_size)

    def num_steps(self, limit_batches: int | float = 1.0, accumulate: int = 1) -> int:
        """Count the optimizer steps of an epoch, as Lightning does.

        Args:
            limit_batches: batches that are taken, or their share.
            accumulate: batches of a step.
        """
        is_share = isinstance(limit_batches, float)
        limit = int(self.num_batches * limit_batches) if is_share else int(limit_batches)
        return math.ceil(min(self.num_batches, limit) / accumulate)

    def num_samples_seen(self, num_steps: int) -> int:
        """Count the samples over that many batches, each as often as it is seen."""
        return num_steps * self.num_samples // self.num_batches if self.num_samples else 0
