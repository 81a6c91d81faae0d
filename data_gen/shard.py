"""The content of a shard, and what makes it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from data_gen.decomposition import ShardTask

Advance = Callable[[int], None]
Warn = Callable[[str], object]


class Block(NamedTuple):
    """What is stored of B samples beside their fields, and which of them are kept."""

    values: dict[str, np.ndarray]
    accepted: Bool[np.ndarray, " B"]


@dataclass
class Shard:
    """The content of a shard by the names of the schema, and what was seen while making it.

    Attributes:
        datasets: arrays of all samples.
        max_residual: largest ‖Lu-f‖/‖f‖; None where L is not that of a steady equation.
        num_rejected: draws that were thrown away.
    """

    datasets: dict[str, np.ndarray]
    max_residual: float | None = None
    num_rejected: int = 0

    def put(self, rows: Int64[np.ndarray, " B"], values: dict[str, np.ndarray]) -> None:
        """Store a block's samples."""
        num_samples = len(next(iter(self.datasets.values())))
        for name, value in values.items():
            if name not in self.datasets:
                self.datasets[name] = np.empty((num_samples, *value.shape[1:]), value.dtype)
            self.datasets[name][rows] = value

    def attempt(
        self,
        name: str,
        rows: Int64[np.ndarray, " R"],
        block_size: int,
        make: Callable[[Int64[np.ndarray, " B"], np.ndarray], Block],
    ) -> Int64[np.ndarray, " S"]:
        """Make these rows in blocks; return those whose draw was rejected.

        Args:
            name: of the fields.
            rows: that are wanted.
            block_size: rows that are made together.
            make: fills the memory that it is given with the fields of some rows.
        """
        fields, rejected = self.datasets[name], []
        for block_rows in np.split(rows, range(block_size, len(rows), block_size)):
            is_run = block_rows[-1] - block_rows[0] + 1 == len(block_rows)
            if is_run:
                out = fields[block_rows[0] : block_rows[-1] + 1]
            else:
                out = np.empty((len(block_rows), *fields.shape[1:]), fields.dtype)
            block = make(block_rows, out)
            self.put(block_rows, block.values if is_run else {**block.values, name: out})
            rejected.append(block_rows[~block.accepted])
        return np.concatenate(rejected)


class ShardGenerator(ABC):
    """Makes any shard of a data set.

    Attributes:
        trial_size: samples of the first shard that are made before work begins, so that what makes
            every sample invalid is found while nothing is written; 0 where that takes long.
    """

    trial_size: ClassVar[int] = 1

    def shard(
        self,
        task: ShardTask,
        advance: Advance = lambda _: None,
        warn: Warn = lambda _: None,
    ) -> Shard:
        """Make all samples of a shard; of slabs, the rows of this rank.

        Numbers of slabs are the same on all ranks, and rank 0 alone is told of them.

        Args:
            task: the shard.
            advance: told how many states are done meanwhile; of a steady problem, samples.
            warn: called with a line about a sample of which many draws are rejected.

        Raises:
            InaccurateSolutionError: the equation is not met; the sample is named.
            InputError: a sample is not finite, not resolved, rejected without end, or float32
                cannot hold it; it is named.
        """
        return self._shard(task, advance, warn)

    @abstractmethod
    def _shard(self, task: ShardTask, advance: Advance, warn: Warn) -> Shard:
        """Make it, as ``shard`` says."""
