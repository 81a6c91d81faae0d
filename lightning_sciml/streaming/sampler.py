"""The order in which samples are seen: a pure function of (seed, epoch, position).

Nothing here holds a list as long as the data set: a permutation is a keyed bijection that is
evaluated at the positions asked for, so 10⁹ samples cost no more memory than ten.
"""

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


@dataclass(frozen=True, kw_only=True)
class EpochOrder:
    """Which samples make up the global batches of an epoch, and which of them a rank takes.

    `num_samples` are dealt into ⌈num_samples / batch_size⌉ batches whose sizes differ by at most
    one: none is dropped, none is seen twice, and no small batch is left over at the end. Batches do
    not depend on the number of ranks; a rank takes every world_size-th sample of each of them.

    Attributes:
        num_samples: samples of an epoch.
        batch_size: largest global batch.
        seed: seed of the order.
        shuffle: permute the samples anew in each epoch; else keep the order of the data set.
    """

    num_samples: int
    batch_size: int
    seed: int = 0
    shuffle: bool = True

    @property
    def num_batches(self) -> int:
        """Global batches in an epoch, the same for every rank."""
        return -(-self.num_samples // self.batch_size)

    def batch(self, epoch: int, batch_index: int) -> NDArray[np.int64]:
        """List the samples of one global batch, in their global order."""
        group_size = max(1, _POSITIONS_AT_ONCE // self.batch_size)
        group = batch_index // group_size
        first, begin, end = (
            self._first(b) for b in (group * group_size, batch_index, batch_index + 1)
        )
        last = self._first(min((group + 1) * group_size, self.num_batches))
        return _images(self, epoch, first, last)[begin - first : end - first]

    def _first(self, batch_index: int) -> int:
        """Find the position in the epoch of a batch's first sample."""
        return batch_index * self.num_samples // self.num_batches


@lru_cache(maxsize=4)  # an epoch's current run of batches, for training and validation
def _images(order: EpochOrder, epoch: int, begin: int, end: int) -> NDArray[np.int64]:
    """List the samples at positions begin … end - 1 of an epoch."""
    positions, n = np.arange(begin, end), order.num_samples
    if not order.shuffle:
        return positions
    return permute(positions, n, (order.seed, Stream.EPOCH_ORDER, epoch))


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
