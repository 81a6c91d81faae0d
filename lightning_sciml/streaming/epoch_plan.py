"""How many samples, batches and steps an epoch has: asked by training and by studies alike."""

import math
from dataclasses import dataclass


def replay_share_fault(share: float) -> str | None:
    """Say what is wrong with a share of replayed samples; None where nothing is."""
    if 0 <= share < 1:
        return None
    return f"replay_share must be at least 0 and below 1, got {share}"


@dataclass(frozen=True, kw_only=True)
class EpochPlan:
    """Samples of an epoch and the batches they make.

    Attributes:
        num_own: samples of the data sets that are trained on.
        batch_size: largest global batch.
        replay_share: share of the epoch that is replayed from other data sets; 0 without.
    """

    num_own: int
    batch_size: int
    replay_share: float = 0.0

    @property
    def num_replayed(self) -> int:
        """Samples that, added to `num_own`, are the share of all; one at least."""
        if not (self.replay_share and self.num_own):
            return 0
        return max(1, round(self.num_own * self.replay_share / (1 - self.replay_share)))

    @property
    def num_samples(self) -> int:
        """Samples of an epoch."""
        return self.num_own + self.num_replayed

    @property
    def num_batches(self) -> int:
        """Global batches of an epoch, the last samples included."""
        return -(-self.num_samples // self.batch_size)

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
