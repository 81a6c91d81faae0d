"""Who makes what: whole shards, dealt to the ranks like cards."""

from collections.abc import Sequence
from typing import TypeVar

from data_gen.generation import ShardTask
from lightning_sciml.shards.manifest import DatasetPlan

Item = TypeVar("Item")


def shard_tasks(plan: DatasetPlan) -> list[ShardTask]:
    """All shards of a data set, split by split."""
    return [
        ShardTask(number, split, first, min(plan.shard_size, num_samples - first))
        for split, num_samples in plan.num_samples.items()
        for number, first in enumerate(range(0, num_samples, plan.shard_size))
    ]


def dealt(items: Sequence[Item], rank: int, num_ranks: int) -> Sequence[Item]:
    """The items of one rank: every num_ranks-th.

    All shards but the last of a split cost the same, so no rank waits for longer than one shard;
    counters in the memory of rank 0 were measured to starve the others, for lack of MPI progress.
    """
    return items[rank::num_ranks]
