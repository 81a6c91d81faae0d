"""Measure how fast batches arrive, against gathering the same rows from main memory."""

from collections.abc import Iterator, Sequence
from statistics import median
from time import perf_counter
from typing import Literal, NamedTuple

import numpy as np
import torch

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
        directory: the data set.
        batch_sizes: to try.
        caches: to try.
        max_samples: samples of an epoch, at most.
        num_repeats: epochs of each; the first one, which warms up, is not counted.
    """
    for batch_size in batch_sizes:
        data = PDEDataModule([directory], batch_size=batch_size)
        data.setup("fit")
        num_samples = min(max_samples, len(data.mixtures["train"]))
        rows = data.mixtures["train"].members[0].dataset.fields(np.arange(num_samples))
        loaders = {}
        for cache in caches:
            data = PDEDataModule(
                [directory], batch_size=batch_size, num_train_samples=num_samples, cache=cache
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
            yield Speed(cache, batch_size, num_samples / s, megabytes_per_s, seconds[None] / s)


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
