"""Outputs of a window lie a stride apart, at whatever times are stored."""

from types import SimpleNamespace

import numpy as np

from lightning_sciml.evaluation.lead_times import lead_times, output_times


def test_lead_times_follow_stored_times_and_stride():
    member = SimpleNamespace(
        dataset=SimpleNamespace(is_evolution=True, times=(0.0, 0.1, 0.3, 0.6, 1.0, 1.5)),
        windows=SimpleNamespace(num_steps=2, stride=2),
    )
    last_inputs = np.array([1, 0])
    np.testing.assert_allclose(output_times(member, last_inputs), [[0.6, 1.5], [0.3, 1.0]])
    np.testing.assert_allclose(lead_times(member, last_inputs), [[0.5, 1.4], [0.3, 1.0]])


def test_steady_problems_have_no_lead_time():
    member = SimpleNamespace(
        dataset=SimpleNamespace(is_evolution=False), windows=SimpleNamespace(num_steps=1)
    )
    np.testing.assert_array_equal(lead_times(member, np.zeros(3, int)), np.zeros((3, 1)))
