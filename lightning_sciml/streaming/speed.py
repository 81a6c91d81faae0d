"""Measure how fast batches arrive, against gathering the same rows from main memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Literal

import numpy as np
import torch

from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.streaming.loader import ResumableLoader

Cache = Literal["none", "memory"]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One way to read: the options of PDEDataModule that decide it."""

    cache: Cache
    batch_size: int

    def __str__(self) -> str:
        return f"cache={self.cache} batch_size={self.batch_size}"


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What was measured: medians over repeats.

    Attributes:
        setting: how it was read.
        samples_per_s: samples per second.
        megabytes_per_s: fields, in MB (10⁶ bytes) per second.
        ratio: to the bare gather at the same batch size.
    """

    setting: Setting
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
        settings = [Setting(cache=cache, batch_size=batch_size) for cache in caches]
        loaders = {setting: _loader(directory, setting, num_samples) for setting in settings}
        times: dict[Setting | None, list[float]] = {s: [] for s in (None, *settings)}
        for _ in range(num_repeats + 1):
            times[None].append(_gather(rows, batch_size))
            for setting, loader in loaders.items():
                times[setting].append(_drain(loader))
        seconds = {setting: median(values[1:]) for setting, values in times.items()}
        for setting in settings:
            yield Speed(
                setting=setting,
                samples_per_s=num_samples / seconds[setting],
                megabytes_per_s=rows.nbytes / seconds[setting] / 1e6,
                ratio=seconds[None] / seconds[setting],
            )


def _loader(directory: str, setting: Setting, num_samples: int) -> ResumableLoader:
    data = PDEDataModule(
        [directory],
        batch_size=setting.batch_size,
        num_train_samples=num_samples,
        cache=setting.cache,
    )
    data.setup("fit")
    return data.train_dataloader()


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
