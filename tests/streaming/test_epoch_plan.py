"""What an epoch has, in samples, batches and steps."""

import pytest

from lightning_sciml.streaming.epoch_plan import EpochPlan
from lightning_sciml.streaming.sampler import EpochOrder


@pytest.mark.parametrize("share", [0.05, 0.5, 0.75])
@pytest.mark.parametrize("num_own", [1, 6, 1000])
def test_replayed_samples_are_their_share_of_an_epoch(num_own, share):
    plan = EpochPlan(num_own=num_own, batch_size=8, replay_share=share)
    assert plan.num_samples == num_own + plan.num_replayed
    is_least = plan.num_replayed == 1
    assert is_least or abs(plan.num_replayed - share * plan.num_samples) <= 1
    assert EpochPlan(num_own=num_own, batch_size=8).num_replayed == 0


@pytest.mark.parametrize("num_own", [0, 1, 15, 16, 17])
def test_a_plan_counts_what_an_order_hands_out(num_own):
    plan = EpochPlan(num_own=num_own, batch_size=8)
    order = EpochOrder(num_samples=plan.num_samples, batch_size=8)
    assert plan.num_batches == order.num_batches
    sizes = [len(order.batch(0, b)) for b in range(order.num_batches)]
    assert plan.num_samples_seen(3 * plan.num_batches) == 3 * sum(sizes)


@pytest.mark.parametrize(
    ("limit", "accumulate", "steps"),
    [(1.0, 1, 13), (0.5, 1, 6), (4, 1, 4), (99, 1, 13), (1.0, 4, 4), (0.5, 4, 2), (0, 1, 0)],
)
def test_steps_of_an_epoch_are_those_that_lightning_takes(limit, accumulate, steps):
    plan = EpochPlan(num_own=100, batch_size=8)
    assert plan.num_steps(limit, accumulate) == steps
