"""Shares of work: shards of a data set, dealt to ranks; slabs of a grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.schema import shard_file

Item = TypeVar("Item")


@dataclass(frozen=True)
class ShardTask:
    """A shard to make.

    Attributes:
        number: position in its split.
        split: train, val or test.
        first_index: index in the split of the first sample.
        num_samples: samples in the shard.
    """

    number: int
    split: str
    first_index: int
    num_samples: int

    @property
    def place(self) -> dict[str, Any]:
        """What the record of this shard says of its place in the data set."""
        return {
            "file": shard_file(self.split, self.number),
            "split": self.split,
            "first_index": self.first_index,
            "num_samples": self.num_samples,
        }


def shard_tasks(plan: DatasetPlan) -> list[ShardTask]:
    """List all shards of a data set, split by split."""
    return [
        ShardTask(number, split, first, min(plan.shard_size, num_samples - first))
        for split, num_samples in plan.num_samples.items()
        for number, first in enumerate(range(0, num_samples, plan.shard_size))
    ]


def dealt(items: Sequence[Item], rank: int, num_ranks: int) -> Sequence[Item]:
    """Deal to one rank every num_ranks-th item.

    All shards but the last of a split cost the same, so no rank waits for longer than one shard;
    counters in the memory of rank 0 were measured to starve the others, for lack of MPI progress.
    """
    return items[rank::num_ranks]


def shares(num_items: int, num_owners: int) -> list[slice]:
    """Split items into consecutive shares that differ by one item at most."""
    bounds = [rank * num_items // num_owners for rank in range(num_owners + 1)]
    return [slice(*bounds[rank : rank + 2]) for rank in range(num_owners)]
