"""One rank's batches, read ahead, in an order that can be resumed anywhere."""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.streaming.mixture import Batch, Mixture
from lightning_sciml.streaming.read_ahead import CallsAhead
from lightning_sciml.streaming.sampler import EpochOrder

_DRAWN_TOGETHER = 16  # batches; the time of a draw is hardly that of its number of samples


class ResumableLoader:
    """Iterates over one rank's share of the global batches of an epoch; each iteration is an epoch.

    One that is cut short (``limit_train_batches``, ``limit_val_batches``) is over all the same.
    Its state is (epoch, batches handed out), the same on every rank and for any number of ranks;
    Lightning stores it in the checkpoint. It counts batches the trainer took, not those read ahead.

    Args:
        mixture: where samples come from.
        order: which samples make up which batch.
        rank: this process.
        world_size: number of processes.
        epoch: the first one.
        num_prefetch: batches read ahead, in one or two threads; 0 reads when asked. One that is
            not there when asked for is waited for by reading another.

    Attributes:
        wait_s: time that batches were waited for, in all.
    """

    def __init__(
        self,
        mixture: Mixture,
        order: EpochOrder,
        *,
        rank: int = 0,
        world_size: int = 1,
        epoch: int = 0,
        num_prefetch: int = 2,
    ) -> None:
        self.mixture = mixture
        self.order = order
        self.rank, self.world_size = rank, world_size
        self.num_prefetch = num_prefetch
        self.wait_s = 0.0
        self._epoch, self._next_batch = epoch, 0
        self._is_begun = False

    def __len__(self) -> int:
        return self.order.num_batches

    def state_dict(self) -> dict[str, Any]:
        """Save the epoch and the number of batches handed out; after all, it is the next epoch."""
        epoch, next_batch = self._epoch, self._next_batch
        if next_batch == len(self):
            epoch, next_batch = epoch + 1, 0
        return {"epoch": epoch, "next_batch": next_batch, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume after the last batch handed out.

        Raises:
            InputError: the state belongs to another order of samples.
        """
        saved = {name: state[name] for name in self._identity()}
        if state["next_batch"] and saved != self._identity():
            raise InputError(
                f"to resume in the middle of an epoch the data must be {saved}, "
                f"got {self._identity()}; restore these or start another run_dir"
            )
        self._epoch, self._next_batch = state["epoch"], state["next_batch"]
        self._is_begun = False

    def _identity(self) -> dict[str, Any]:
        order, sizes = self.order, list(self.order.group_sizes)
        num_samples = sizes if len(sizes) > 1 else order.num_samples
        return {"num_samples": num_samples, "batch_size": order.batch_size, "seed": order.seed}

    def __iter__(self) -> Iterator[Batch]:
        if self._is_begun:
            self._epoch, self._next_batch = self._epoch + 1, 0
        self._is_begun = True
        numbers = range(self._next_batch, len(self))
        with closing(self._read_ahead(self._epoch, numbers)) as ahead:
            while self._next_batch < len(self):
                asked_at = perf_counter()
                batch = next(ahead)
                self.wait_s += perf_counter() - asked_at
                self._next_batch += 1
                yield batch

    def _reads(self, epoch: int, numbers: range) -> Iterator[Callable[[], Batch]]:
        """Draw this rank's share of batches, several at a time; yield what reads each of them."""
        for start in range(0, len(numbers), _DRAWN_TOGETHER):
            together = numbers[start : start + _DRAWN_TOGETHER]
            batches = [self.order.batch(epoch, number) for number in together]
            shares = [batch[self.rank :: self.world_size] for batch in batches]
            samples = self.mixture.draw(np.concatenate(shares), epoch if self.order.shuffle else 0)
            end = 0
            for batch, share in zip(batches, shares, strict=True):
                begin, end = end, end + len(share)
                group = self.mixture.group_of(int(batch[0]))  # also of an empty share
                yield partial(self.mixture.batch, samples.at(slice(begin, end)), group, len(batch))

    def _read_ahead(self, epoch: int, numbers: range) -> Generator[Batch, None, None]:
        """Yield batches in order, up to `num_prefetch` of them read ahead."""
        reads = self._reads(epoch, numbers)
        if not self.num_prefetch:
            yield from (read() for read in reads)
            return
        num_others = max(1, len(os.sched_getaffinity(0)) - 1)  # cores beside that of the caller
        num_threads = min(2, self.num_prefetch, num_others)
        yield from CallsAhead(reads, self.num_prefetch).results(
            len(numbers), num_threads=num_threads
        )
