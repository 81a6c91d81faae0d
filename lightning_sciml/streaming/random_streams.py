"""The streams of random numbers of a run: one name, one number, one use.

A draw is a function of (seed, stream, counters) alone. Two uses of one stream would be the same
numbers: a new use takes a new name here.
"""

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Stream(IntEnum):
    """What is drawn; the numbers are part of every result and never change."""

    EPOCH_ORDER = 0
    SUBSET = 1
    SYMMETRY = 2
    SHIFT = 3
    AMPLITUDE = 4
    TORCH = 5
    BATCHES = 6
    WINDOW = 7
    NOISE = 8
    SIGN = 9
    BOOST_X = 10
    BOOST_Y = 11
    BOOST_ANGLE = 12
    PAIRS = 13


def stream_words(
    seed: int, stream: Stream, *counters: int, count: int, dtype: Any = np.uint64
) -> NDArray[Any]:
    """Draw the first `count` words of a stream at these counters (an epoch, a step, a rank, …)."""
    return np.random.SeedSequence((seed, stream, *counters)).generate_state(count, dtype)
