"""The order in which samples are seen: a pure function of (seed, epoch, position).

Nothing here holds a list as long as the data set: a permutation is a keyed bijection that is
evaluated at the positions asked for, so 10⁹ samples cost no more memory than ten.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightning_sciml.streaming.random_streams import Stream

NUM_ROUNDS = 8
Words = NDArray[np.unsignedinteger[Any]]
_POSITIONS_AT_ONCE = 8192  # evaluated together: a hundred small array operations cost 0.5 ms a time
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(x: Words) -> Words:
    """Apply the SplitMix64 finaliser (Steele, Lea, Flood 2014), a bijection of 64-bit words."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _round_keys(key: tuple[int, ...]) -> Words:
    return np.random.SeedSequence(key).generate_state(NUM_ROUNDS, np.uint64)


def permute(
    positions: NDArray[np.int64],
    length: int,
    key: tuple[int, ...],
    salts: NDArray[np.uint64] | None = None,
) -> NDArray[np.int64]:
    """Map `positions` by a pseudo-random bijection of [0, length) chosen by `key`.

    A Feistel network (Luby and Rackoff 1988) permutes the next power of four; values that leave
    [0, length) are sent through it again until they are back ("cycle walking", Black and Rogaway
    2002), which keeps it a bijection.

    Args:
        positions: (B,) integers in [0, length).
        length: size of the permuted set.
        key: non-negative integers; another key gives another permutation.
        salts: (B,) of each position: those of another salt are permuted in another way.
    """
    half_bits = np.uint64(max(1, (max(length - 1, 1).bit_length() + 1) // 2))
    mask = (np.uint64(1) << half_bits) - np.uint64(1)
    keys = _round_keys(key)

    own = np.zeros_like(keys[:1]) if salts is None else _mix(salts * _GOLDEN)

    def encrypt(x: Words, salt: Words) -> Words:
        left, right = x >> half_bits, x & mask
        for round_key in keys:
            left, right = right, left ^ (_mix(right * _GOLDEN + (round_key ^ salt)) & mask)
        return (left << half_bits) | right

    image = encrypt(positions.astype(np.uint64), own)
    outside = np.flatnonzero(image >= length)
    while outside.size:
        image[outside] = encrypt(image[outside], own if salts is None else own[outside])
        outside = outside[image[outside] >= length]
    return image.astype(np.int64)


def num_batches(group_sizes: Iterable[int], batch_size: int) -> int:
    """Count the batches of an epoch: ⌈samples / batch_size⌉ of each group."""
    return sum(-(-size // batch_size) for size in group_sizes)


@dataclass(frozen=True, kw_only=True)
class EpochOrder:
    """Which samples make up the global batches of an epoch, and which of them a rank takes.

    Samples are numbered group after group, and a batch is of one group. The samples of a group are
    dealt into batches whose sizes differ by at most one: none is dropped, none is seen twice, and
    no small batch is left over at the end. Batches do not depend on the number of ranks; a rank
    takes every world_size-th sample of each of them.

    Attributes:
        group_sizes: samples of each group in an epoch.
        batch_size: largest global batch.
        seed: seed of the order.
        shuffle: permute the samples of each group, and the batches of all groups, anew in each
            epoch; else keep the order of the data sets, group after group.
    """

    group_sizes: tuple[int, ...]
    batch_size: int
    seed: int = 0
    shuffle: bool = True

    @property
    def num_samples(self) -> int:
        """Samples of an epoch."""
        return sum(self.group_sizes)

    @property
    def num_batches(self) -> int:
        """Global batches in an epoch, the same for every rank."""
        return num_batches(self.group_sizes, self.batch_size)

    def batch(self, epoch: int, batch_index: int) -> NDArray[np.int64]:
        """List the samples of one global batch, in their global order."""
        first_sample, number = 0, self._number(epoch, batch_index)
        for group, size in enumerate(self.group_sizes):
            num_of_group = num_batches((size,), self.batch_size)
            if number < num_of_group:
                return first_sample + self._of_group(epoch, group, number)
            first_sample, number = first_sample + size, number - num_of_group
        raise IndexError(f"an epoch has {self.num_batches} batches, got index {batch_index}")

    def _number(self, epoch: int, batch_index: int) -> int:
        """Find which batch comes at a place of the epoch, counted group after group."""
        if not self.shuffle or len(self.group_sizes) == 1:
            return batch_index
        place = batch_index % _POSITIONS_AT_ONCE
        begin, total = batch_index - place, self.num_batches
        end = min(begin + _POSITIONS_AT_ONCE, total)
        return int(_images(begin, end, total, (self.seed, Stream.BATCHES, epoch))[place])

    def _of_group(self, epoch: int, group: int, number: int) -> NDArray[np.int64]:
        """List the samples of a batch of a group, numbered within the group."""
        size = self.group_sizes[group]
        num_of_group = num_batches((size,), self.batch_size)
        run_length = max(1, _POSITIONS_AT_ONCE // self.batch_size)
        run = number // run_length * run_length
        begin, end, first, last = (
            b * size // num_of_group
            for b in (number, number + 1, run, min(run + run_length, num_of_group))
        )
        if not self.shuffle:
            return np.arange(begin, end)
        key = (self.seed, Stream.EPOCH_ORDER, epoch, *((group,) if group else ()))
        return _images(first, last, size, key)[begin - first : end - first]


@lru_cache(maxsize=64)  # runs of batches: those of an epoch of half a million samples in groups
def _images(begin: int, end: int, length: int, key: tuple[int, ...]) -> NDArray[np.int64]:
    """List the images of positions begin … end - 1."""
    return permute(np.arange(begin, end), length, key)


@dataclass(frozen=True, kw_only=True)
class Subset:
    """The first `num_samples` of a seeded permutation of a data set: subsets of a seed are nested.

    Attributes:
        num_samples: size of the subset.
        dataset_size: size of the data set it is drawn from.
        seed: seed of the draw; None, or taking all samples, keeps their order.
        start: samples of the permutation that are left to others.
    """

    num_samples: int
    dataset_size: int
    seed: int | None = 0
    start: int = 0

    def __call__(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Map positions of the subset to samples of the data set."""
        if self.seed is None or self.num_samples == self.dataset_size:
            return self.start + positions
        return permute(self.start + positions, self.dataset_size, (self.seed, Stream.SUBSET))
