"""What an epoch has, in samples, batches and steps."""

import pytest

from lightning_sciml.streaming.epoch_plan import EpochPlan, Group, SetSize, proportions
from lightning_sciml.streaming.sampler import EpochOrder


def sets(*sizes: int, num_points: int = 32) -> list[SetSize]:
    return [SetSize(Group((num_points, num_points), 1), size) for size in sizes]


@pytest.mark.parametrize(
    ("weights", "total", "expected"),
    [([1, 1], 10, [5, 5]), ([1, 1, 1], 10, [4, 3, 3]), ([0.7, 0.3], 11, [8, 3]), ([1], 5, [5])],
)
def test_proportions_are_exact_and_add_up(weights, total, expected):
    assert proportions(weights, total) == expected


@pytest.mark.parametrize("share", [0.05, 0.5, 0.75])
@pytest.mark.parametrize("num_own", [1, 6, 1000])
def test_replayed_samples_are_their_share_of_an_epoch(num_own, share):
    plan = EpochPlan(own=sets(num_own), batch_size=8, replayed=sets(5, 7), replay_share=share)
    assert plan.num_samples == num_own + plan.num_replayed
    is_least = plan.num_replayed == 1
    assert is_least or abs(plan.num_replayed - share * plan.num_samples) <= 1
    assert sum(plan.replayed_counts) == plan.num_replayed
    assert EpochPlan(own=sets(num_own), batch_size=8).num_replayed == 0


@pytest.mark.parametrize("num_own", [0, 1, 15, 16, 17])
def test_a_plan_counts_what_an_order_hands_out(num_own):
    plan = EpochPlan(own=sets(num_own), batch_size=8)
    order = EpochOrder(group_sizes=(plan.num_samples,), batch_size=8)
    assert plan.num_batches == order.num_batches
    sizes = [len(order.batch(0, b)) for b in range(order.num_batches)]
    assert plan.num_samples_seen(3 * plan.num_batches) == 3 * sum(sizes)


def test_batches_are_counted_by_groups():
    """7 + 6 samples of one grid make two batches, 5 and 3 of another grid one."""
    own = [*sets(7), *sets(5, num_points=64), *sets(6)]
    plan = EpochPlan(own=own, batch_size=8)
    assert (plan.num_samples, plan.num_batches) == (18, 3)
    replaying = EpochPlan(
        own=own, batch_size=8, replayed=sets(9, num_points=64), replay_share=3 / 21
    )
    assert (replaying.num_samples, replaying.num_batches) == (21, 3)
    few = EpochPlan(own=own, batch_size=8, samples_per_epoch=9, weights=[1, 1, 1])
    assert (few.own_counts, few.num_batches) == ([3, 3, 3], 2)


@pytest.mark.parametrize(
    ("limit", "accumulate", "steps"),
    [(1.0, 1, 13), (0.5, 1, 6), (4, 1, 4), (99, 1, 13), (1.0, 4, 4), (0.5, 4, 2), (0, 1, 0)],
)
def test_steps_of_an_epoch_are_those_that_lightning_takes(limit, accumulate, steps):
    plan = EpochPlan(own=sets(100), batch_size=8)
    assert plan.num_steps(limit, accumulate) == steps
