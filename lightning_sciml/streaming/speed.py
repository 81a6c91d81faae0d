"""Measure how fast batches arrive, against gathering the same rows from main memory."""

from collections.abc import Iterator, Sequence
from statistics import median
from time import perf_counter
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32

from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.streaming.loader import ResumableLoader

Cache = Literal["none", "memory"]


class Speed(NamedTuple):
    """What was measured: medians over repeats.

    Attributes:
        cache: option of PDEDataModule.
        batch_size: option of PDEDataModule.
        samples_per_s: samples per second.
        megabytes_per_s: fields, in MB (10⁶ bytes) per second.
        ratio: to the bare gather at the same batch size.
    """

    cache: Cache
    batch_size: int
    samples_per_s: float
    megabytes_per_s: float
    ratio: float


def measure(
    directory: str,
    *,
    batch_sizes: Sequence[int],
    caches: Sequence[Cache],
    max_samples: int,
    num_repeats: int,
) -> Iterator[Speed]:
    """Time epochs of the training split in every setting, interleaved with the bare gather.

    Args:
        directory: the data set; a sample of an evolution is a state and the next one.
        batch_sizes: to try.
        caches: to try.
        max_samples: samples of an epoch; an evolution takes whole trajectories.
        num_repeats: epochs of each; the first one, which warms up, is not counted.
    """
    dataset = ShardedDataset(directory, "train")
    per_item = max(1, dataset.num_times - 1)
    num_items = min(dataset.num_samples, -(-max_samples // per_item))
    rows = _rows(dataset, num_items * per_item)
    for batch_size in batch_sizes:
        loaders = {}
        for cache in caches:
            data = PDEDataModule(
                [directory], batch_size=batch_size, num_train_samples=num_items, cache=cache
            )
            data.setup("fit")
            loaders[cache] = data.train_dataloader()
        times: dict[Cache | None, list[float]] = {cache: [] for cache in (None, *caches)}
        for _ in range(num_repeats + 1):
            times[None].append(_gather(rows, batch_size))
            for cache, loader in loaders.items():
                times[cache].append(_drain(loader))
        seconds = {cache: median(values[1:]) for cache, values in times.items()}
        for cache in caches:
            s = seconds[cache]
            megabytes_per_s = rows.nbytes / s / 1e6
            yield Speed(cache, batch_size, len(rows) / s, megabytes_per_s, seconds[None] / s)


def _rows(dataset: ShardedDataset, num_rows: int) -> Float32[np.ndarray, "n C H W"]:
    """Read as many samples as batches hold: the fields, or static inputs and two states."""
    if not dataset.is_evolution:
        return dataset.fields(np.arange(num_rows))
    indices, starts = np.divmod(np.arange(num_rows), dataset.num_times - 1)
    windows = dataset.windows(indices, starts, num_states=2)
    states = windows.reshape(num_rows, -1, *dataset.grid.shape)
    return np.concatenate([dataset.inputs(indices), states], axis=1)


def _drain(loader: ResumableLoader) -> float:
    started_at = perf_counter()
    for _ in loader:
        pass
    return perf_counter() - started_at


def _gather(rows: np.ndarray, batch_size: int) -> float:
    """Time copying all rows, in random order, into one batch buffer again and again."""
    order = np.random.default_rng(0).permutation(len(rows))
    buffer = np.empty((batch_size, *rows.shape[1:]), rows.dtype)
    torch.from_numpy(buffer).zero_()
    started_at = perf_counter()
    for begin in range(0, len(rows), batch_size):
        batch = order[begin : begin + batch_size]
        np.take(rows, batch, axis=0, out=buffer[: len(batch)])
    return perf_counter() - started_at
