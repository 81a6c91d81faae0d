"""Draw random integers of each sample of a batch, the same on every device and any ranks."""

import numpy as np
from jaxtyping import Int
from torch import Tensor

from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.random_streams import Stream, stream_words


def random_integers(
    batch: Batch, num_values: int | Int[Tensor, " B"], stream: Stream, *, seed: int, step: int
) -> Int[Tensor, " B"]:
    """Draw integers in [0, num_values) from (seed, stream, step, data set, sample, time) alone.

    So they depend neither on ranks nor on what was drawn before, and a resumed run draws the same.
    Computed where the batch lies: products and shifts of integers are the same on every device.
    """
    key = int(stream_words(seed, stream, step, count=1, dtype=np.uint32)[0])
    sample = batch.sample_index ^ (batch.time_index * 0x9E3779B1)
    return mixed(sample ^ mixed(batch.dataset ^ key)) % num_values


def mixed(x: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
    """MurmurHash3's 32-bit finaliser (Appleby 2011), on the low words of 64-bit integers."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        x = x & 0xFFFFFFFF
        x = (x ^ (x >> shift)) * factor
    return x & 0xFFFFFFFF
