"""Windows of trajectories: their names, numbers and start times."""

import numpy as np
import pytest

from lightning_sciml.errors import InputError
from lightning_sciml.streaming.windows import (
    STEADY,
    WindowOptions,
    Windows,
    field_of,
    history_names,
    lagged,
)


def test_channels_of_a_history_begin_with_the_oldest_state():
    names = history_names(("u", "v"), 3)
    assert names == ("u@-2", "v@-2", "u@-1", "v@-1", "u", "v")
    assert lagged("u", 0) == "u"
    assert [field_of(name) for name in names] == ["u", "v"] * 3


@pytest.mark.parametrize(
    ("num_times", "history", "num_steps", "stride"), [(9, 1, 1, 1), (9, 3, 2, 2), (2, 1, 1, 1)]
)
def test_the_last_window_ends_with_the_trajectory(num_times, history, num_steps, stride):
    options = WindowOptions(history=history, num_unrolled_steps=num_steps, stride=stride)
    windows = options.of(num_times, name="heat")
    n = windows.num_starts
    zeros = np.zeros(n, np.int64)
    starts, strides = windows.draw(zeros, np.arange(n), zeros)
    np.testing.assert_array_equal(starts, np.arange(n))
    assert starts[-1] + (windows.num_states - 1) * stride == num_times - 1
    last_inputs = windows.time_index(starts, strides)
    np.testing.assert_array_equal(last_inputs, starts + (history - 1) * stride)
    assert last_inputs[-1] + num_steps * stride == num_times - 1


def test_a_steady_sample_is_the_one_window_of_its_only_time():
    zero = np.zeros(1, np.int64)
    assert (STEADY.num_starts, STEADY.num_states) == (1, 1)
    assert STEADY.time_index(*STEADY.draw(zero, zero, zero)).tolist() == [0]


def chosen(rounds: int, *, seed: int = 0, num_trajectories: int = 300) -> np.ndarray:
    """The start times of three windows of each trajectory in one round, (trajectories, 3)."""
    windows = WindowOptions(window_starts=3).of(8, name="heat", seed=seed)
    trajectories, numbers = np.divmod(np.arange(3 * num_trajectories), 3)
    starts, _ = windows.draw(trajectories, numbers, np.full_like(numbers, rounds))
    return starts.reshape(-1, 3)


def test_chosen_start_times_of_a_trajectory_differ_and_are_spread_evenly():
    starts = chosen(0)
    assert all(len(set(row)) == 3 for row in starts.tolist())
    counts = np.bincount(starts.ravel(), minlength=7)
    assert len(counts) == 7
    # 900 draws over 7 times: 129 each, with a standard deviation below 11
    assert np.abs(counts - 900 / 7).max() < 45
    assert len({tuple(row) for row in starts.tolist()}) > 100  # of 210: by trajectory


def test_chosen_start_times_are_a_function_of_seed_round_and_trajectory():
    np.testing.assert_array_equal(chosen(2), chosen(2))
    np.testing.assert_array_equal(chosen(2, num_trajectories=20), chosen(2)[:20])
    for other in (chosen(3), chosen(2, seed=1)):
        assert (chosen(2) == other).mean() < 0.3  # 1/7 by chance
    windows = Windows(num_times=8, history=1, num_steps=1, num_chosen=3)
    alone, _ = windows.draw(np.array([17, 4]), np.array([2, 0]), np.array([2, 3]))
    assert alone.tolist() == [chosen(2)[17, 2], chosen(3)[4, 0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"history": 3, "num_unrolled_steps": 2, "stride": 2},
            r"history=3 and num_unrolled_steps=2 at stride=2 take 9 stored times, the trajectories "
            r"of heat have 8; stride up to 1 fits",
        ),
        (
            {"history": 4, "num_unrolled_steps": 5},
            r"take 9 stored times, .* have 8; history \+ num_unrolled_steps up to 8 at stride=1",
        ),
        ({"window_starts": 8}, r"window_starts=8 asks for more start times than the 7 of each"),
        ({"window_starts": 0}, r"window_starts must be at least 1, got 0"),
        ({"history": 0}, r"history must be at least 1, got 0"),
        ({"num_unrolled_steps": 0}, r"num_unrolled_steps must be at least 1, got 0"),
        ({"stride": 0}, r"stride must be at least 1, got 0"),
    ],
)
def test_windows_that_do_not_exist_are_rejected(options, message):
    with pytest.raises(InputError, match=message):
        WindowOptions(**options).of(8, name="heat")
