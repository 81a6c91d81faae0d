"""The samples of a split, block by block, for a layout of others to take up."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from lightning_sciml.shards.reader import ShardedDataset

_BLOCK_BYTES = 64 << 20


class Block(NamedTuple):
    """Consecutive samples of a split.

    Attributes:
        rows: their indices in the split.
        inputs: input fields that do not change in time, by name.
        targets: output fields, with one time, or states, by name.
        coefficients: by name.
    """

    rows: slice
    inputs: dict[str, Float32[np.ndarray, "n H W"]]
    targets: dict[str, Float32[np.ndarray, "n T H W"]]
    coefficients: dict[str, Float[np.ndarray, " n"]]


def sample_blocks(dataset: ShardedDataset) -> Iterator[Block]:
    """Read all samples in order, some 64 MB at a time."""
    H, W = dataset.grid.shape
    num_rows = max(1, _BLOCK_BYTES // dataset.manifest.sample_bytes)
    for first in range(0, len(dataset), num_rows):
        rows = slice(first, min(first + num_rows, len(dataset)))
        read = dataset[rows]
        yield Block(
            rows,
            {name: read[name] for name in dataset.input_fields},
            {
                name: read[name].reshape(-1, dataset.num_times, H, W)
                for name in dataset.target_fields
            },
            {name: read[name] for name in dataset.coefficient_names},
        )
