"""Orders and subsets are bijections, seeded, nested, and independent of the number of ranks."""

import tracemalloc
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from lightning_sciml.streaming.sampler import EpochOrder, Subset, permute


@pytest.mark.parametrize("length", [1, 2, 3, 7, 64, 1000, 4097])
def test_permutation_is_a_bijection(length):
    image = permute(np.arange(length), length, (3, 5))
    np.testing.assert_array_equal(np.sort(image), np.arange(length))


def test_keys_give_unrelated_permutations():
    n = 4096
    first, second = (permute(np.arange(n), n, (0, epoch)) for epoch in (0, 1))
    # Coincidences of two random permutations are Poisson(1): more than 8 have chance 1e-6.
    assert np.sum(first == second) <= 8
    assert np.sum(first == np.arange(n)) <= 8
    # Neighbours are scattered: the correlation of a random permutation is O(1/√n) = 0.016.
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 5 / np.sqrt(n)


def test_a_billion_samples_cost_no_memory():
    order = EpochOrder(group_sizes=(10**9,), batch_size=128)
    tracemalloc.start()
    batch = order.batch(7, order.num_batches - 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(np.unique(batch)) == len(batch)
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("num_samples", "batch_size"), [(256, 64), (1000, 128), (5, 8), (129, 128)]
)
def test_an_epoch_takes_every_sample_once_in_even_batches(num_samples, batch_size):
    order = EpochOrder(group_sizes=(num_samples,), batch_size=batch_size)
    batches = [order.batch(0, b) for b in range(order.num_batches)]
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(num_samples))
    sizes = [len(b) for b in batches]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1


def test_epochs_and_seeds_differ_and_validation_keeps_the_order():
    def first_batch(**kwargs):
        epoch = kwargs.pop("epoch", 0)
        return EpochOrder(group_sizes=(1000,), batch_size=100, **kwargs).batch(epoch, 0).tolist()

    assert first_batch() == first_batch()
    assert first_batch() != first_batch(epoch=1)
    assert first_batch() != first_batch(seed=1)
    assert first_batch(shuffle=False) == list(range(100))


GROUPS = EpochOrder(group_sizes=(70, 0, 33, 9), batch_size=8, seed=5)


def test_batches_are_of_one_group_and_take_turns():
    ends, orders = np.cumsum(GROUPS.group_sizes), []
    for epoch in (0, 1):
        batches = [GROUPS.batch(epoch, b) for b in range(GROUPS.num_batches)]
        np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(112))
        groups = [np.searchsorted(ends, batch, side="right") for batch in batches]
        assert all(len(set(group.tolist())) == 1 for group in groups)
        orders.append([int(group[0]) for group in groups])
        assert Counter(orders[-1]) == {0: 9, 2: 5, 3: 2}
        assert orders[-1] != sorted(orders[-1])
    assert orders[0] != orders[1]
    with pytest.raises(IndexError, match="has 16 batches, got index 16"):
        replace(GROUPS, shuffle=False).batch(0, 16)


def test_a_group_is_dealt_as_if_it_were_alone():
    """The first one by the very numbers of an order without groups."""
    alone = EpochOrder(group_sizes=(70,), batch_size=8, seed=5)
    batches = [GROUPS.batch(3, b).tolist() for b in range(GROUPS.num_batches)]
    assert all(alone.batch(3, b).tolist() in batches for b in range(alone.num_batches))


def test_subsets_of_a_seed_are_nested():
    small, large = (
        Subset(num_samples=n, dataset_size=1024, seed=4)(np.arange(n)) for n in (16, 256)
    )
    np.testing.assert_array_equal(small, large[:16])
    other = Subset(num_samples=16, dataset_size=1024, seed=5)(np.arange(16))
    assert set(small.tolist()) != set(other.tolist())
