"""Streams of random numbers have nothing in common, whatever seed and counters are."""

from itertools import combinations, product

import numpy as np
import pytest
import torch

from lightning_sciml.operators.random_integers import random_integers
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.random_streams import Stream, stream_words
from lightning_sciml.streaming.sampler import EpochOrder, Subset

NUM_SAMPLES, NUM_STEPS = 512, 64
DRAWS = [Stream.SYMMETRY, Stream.SHIFT, Stream.AMPLITUDE]


def draws(stream: Stream, num_values: int, *, seed: int) -> torch.Tensor:
    """Draws of every sample in every step, all digits used."""
    batch = Batch(
        inputs=torch.empty(0),
        outputs=torch.empty(0),
        coefficients=torch.empty(0),
        dataset=torch.zeros(NUM_SAMPLES, dtype=torch.int64),
        sample_index=torch.arange(NUM_SAMPLES),
        time_index=torch.zeros(NUM_SAMPLES, dtype=torch.int64),
        lead_time=torch.zeros(NUM_SAMPLES),
        global_size=NUM_SAMPLES,
    )
    return torch.stack(
        [random_integers(batch, num_values, stream, seed=seed, step=s) for s in range(NUM_STEPS)]
    )


def chi_squared(one: torch.Tensor, other: torch.Tensor, num_classes: int) -> float:
    """χ² of independence of two uniform draws from `num_classes` values."""
    counts = torch.bincount((one * num_classes + other).flatten(), minlength=num_classes**2)
    expected = one.numel() / num_classes**2
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.mark.parametrize(("one", "other"), list(combinations(DRAWS, 2)), ids=lambda s: s.name)
@pytest.mark.parametrize("other_seed", [0, 1])
def test_draws_of_two_streams_are_independent(one, other, other_seed):
    """χ² with 64 classes is 63 ± 11; drawn from one stream it was 7 × 32,768.

    Low and high digits: the symmetry was the translation modulo 8, and an amplitude that of the
    next seed.
    """
    a, b = draws(one, 8**6, seed=0), draws(other, 8**6, seed=other_seed)
    for low, high in product((1, 8**5), repeat=2):
        assert chi_squared(a // low % 8, b // high % 8, 8) < 130


def test_draws_of_one_stream_are_independent_from_step_to_step():
    for stream in DRAWS:
        values = draws(stream, 8, seed=3)
        assert chi_squared(values[1:], values[:-1], 8) < 130
        assert chi_squared(values[:, 1:], values[:, :-1], 8) < 130


def test_no_two_streams_share_a_word():
    """NumPy pads a short seed with zeros: (seed, stream) is (seed, stream, 0)."""
    counters = [(step, rank) for step in range(20) for rank in range(3)]
    words = {
        (seed, stream, *more): int(stream_words(seed, stream, *more, count=1)[0])
        for seed in range(3)
        for stream in Stream
        for more in counters
    }
    assert len(set(words.values())) == len(words)


def test_the_order_of_samples_is_what_it_was():
    """Names of streams change no training order."""
    epoch = EpochOrder(group_sizes=(10,), batch_size=10).batch(3, 0)
    np.testing.assert_array_equal(epoch, [1, 2, 6, 9, 5, 8, 3, 4, 7, 0])
    assert Subset(num_samples=4, dataset_size=10)(np.arange(4)).tolist() == [9, 1, 7, 3]
