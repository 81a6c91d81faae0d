"""The content of a shard, and what makes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from jaxtyping import Int64

from data_gen.decomposition import ShardTask


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


class ShardGenerator(Protocol):
    """Makes any shard of a data set.

    Attributes:
        trial_size: samples of the first shard that are made before work begins, so that what makes
            every sample invalid is found while nothing is written; 0 where that takes long.
    """

    trial_size: ClassVar[int]

    def shard(
        self,
        task: ShardTask,
        advance: Callable[[int], None] = ...,
        warn: Callable[[str], object] = ...,
    ) -> Shard:
        """Make all samples of a shard; of slabs, the rows of this rank.

        Args:
            task: the shard.
            advance: told how many states are done meanwhile; of a steady problem, samples.
            warn: called with a line about what deserves a look.

        Raises:
            ReportedError: a sample is not what it has to be; it is named.
        """
        ...
