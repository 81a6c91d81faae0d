"""Trajectories are those of the equation, the same bits however they are made, and measured."""

import numpy as np
import pytest
from small_trajectories import STEPS, config, shard
from support.evolution_states import evaluate

from data_gen import evolution_generation
from data_gen.etdrk import integrate
from data_gen.evolution_generation import EvolutionGenerator
from data_gen.step_trial import MARGIN, enough_steps, trial_steps
from data_gen.stored_times import StoredTimes
from lightning_sciml.errors import InputError
from lightning_sciml.pde.linear_evolution import Heat

HEAT = (
    "--coefficients=HeatCoefficients",
    "--coefficients.eigenvalue=[1,3]",
    "--initial_state=TruncatedFourier",
)


def integrated(made, steps, num_samples=3):
    """Integrate the draws of these samples by the other way in, from states on the grid."""
    start = EvolutionGenerator(made).start("train", np.arange(num_samples))
    initial = evaluate(start.initial_hat, made.grid.shape)
    return integrate(
        made.coefficients.equation,
        initial,
        start.coefficients,
        made.times.values,
        steps,
        lengths=made.lengths,
    )


def relative(u, v):
    """‖u - v‖ / ‖v‖ of each state."""
    return np.linalg.norm((u - v).reshape(*u.shape[:2], -1), axis=-1) / np.linalg.norm(
        v.reshape(*v.shape[:2], -1), axis=-1
    )


def test_bits_of_a_trajectory_do_not_depend_on_the_block_or_the_shard(monkeypatch):
    whole = shard(0, 7)
    for block_size in (1, 3):
        monkeypatch.setattr(evolution_generation, "block_size", lambda *_, size=block_size: size)
        part = shard(2, 4)
        assert part.keys() == whole.keys()
        for name, values in part.items():
            assert values.tobytes() == whole[name][2:6].tobytes(), name


def test_stored_states_are_those_of_the_integrator_to_the_rounding_of_float32():
    made = config()
    found, expected = shard()["trajectories"], integrated(made, STEPS)
    assert found.shape == (3, 4, 2, 16, 16)
    np.testing.assert_allclose(found, expected, atol=2**-24 * np.abs(expected).max())


def test_time_error_is_the_difference_to_half_the_step_where_it_is_measured():
    """A method of order 4 differs from half its step by 15/16 of the error."""
    made = config(checked_share=2)
    coarse, fine, exact = (integrated(made, n) for n in (STEPS, 2 * STEPS, 16 * STEPS))
    found = shard(checked_share=2)["time_error"]
    assert np.isnan(found).tolist() == [False, True, False]
    np.testing.assert_allclose(found[::2], relative(coarse, fine).max(axis=1)[::2], rtol=1e-6)
    np.testing.assert_allclose(found[::2], relative(coarse, exact).max(axis=1)[::2], rtol=0.2)


@pytest.mark.parametrize(("horizon", "num_times"), [(0.0, 1), (0.2, 3)])
def test_error_is_measured_up_to_the_horizon_only(horizon, num_times):
    expected = relative(*(integrated(config(), n, 1) for n in (STEPS, 2 * STEPS)))[0, :num_times]
    (found,) = shard(num_samples=1, error_horizon=horizon)["time_error"]
    np.testing.assert_allclose(found, expected.max(), rtol=1e-6)


def test_spectral_tail_is_the_share_of_the_norm_in_the_highest_third_of_modes():
    """A full transform of the states has 7 modes below Nyquist; 5, 6, 7 are the tail."""
    states = integrated(config(), STEPS)
    energy = np.abs(np.fft.fft2(states)) ** 2
    modes = np.abs(np.fft.fftfreq(16, 1 / 16))
    is_high = (modes[:, None] > 4.7) | (modes > 4.7)
    share = (energy * is_high).sum(axis=(2, 3, 4)) / energy.sum(axis=(2, 3, 4))
    np.testing.assert_allclose(shard()["spectral_tail"], np.sqrt(share).max(axis=1), rtol=1e-9)


def test_states_before_the_first_stored_time_are_computed_and_left_out():
    late = shard(**{"times.first": 0.2, "times.num": 2})["trajectories"]
    np.testing.assert_array_equal(late, shard()["trajectories"][:, 2:])


def test_error_is_measured_from_the_first_stored_time():
    """The error of what is left out before does not count: at the first time it is zero."""
    late = {"times.first": 0.2, "times.num": 2}
    states = integrated(config(), STEPS, 1)[:, 2]
    made = config(**{"times.num": 2})
    start = EvolutionGenerator(made).start("train", np.arange(1))
    coarse, fine = (
        integrate(
            made.coefficients.equation,
            states,
            start.coefficients,
            made.times.values,
            steps,
            lengths=made.lengths,
        )
        for steps in (STEPS, 2 * STEPS)
    )
    (found,) = shard(num_samples=1, **late)["time_error"]
    np.testing.assert_allclose(found, relative(coarse, fine)[0, 1], rtol=1e-6)


def test_linear_equations_are_exact_with_one_step():
    made = config(*HEAT, **{"steps": 1})
    found = EvolutionGenerator(made).block("train", np.arange(3), out := _empty(made, 3))
    start = EvolutionGenerator(made).start("train", np.arange(3))
    M = start.initial_hat.shape[-1] - 1
    ky = 2 * np.pi * np.concatenate([np.arange(M + 1), np.arange(-M, 0)])[:, None]
    kx = 2 * np.pi / 1.5 * np.arange(M + 1)
    k11, k22, k12 = start.coefficients.T[:, :, None, None]
    decay = np.exp(-0.3 * (k11 * kx**2 + k22 * ky**2 + 2 * k12 * kx * ky))
    expected = evaluate(start.initial_hat * decay[:, None], made.grid.shape)
    np.testing.assert_allclose(out[:, -1], expected, rtol=1e-6, atol=1e-7)
    assert made.coefficients.equation == Heat()
    assert np.nanmax(found.values["time_error"]) == 0


def _empty(made, num_samples):
    fields = len(made.coefficients.equation.state_fields)
    return np.empty((num_samples, made.times.num, fields, *made.grid.shape), np.float32)


def test_trial_finds_the_fewest_steps_that_meet_a_part_of_the_bound_and_takes_a_quarter_more():
    generator, told = EvolutionGenerator(config(max_time_error=1e-6)), []
    chosen = trial_steps(generator, told.append)
    steps = int(0.8 * chosen)
    found, of_fewer = (
        max(generator.time_error("train", index, number) for index in range(4))
        for number in (steps, steps - 2)
    )
    assert found <= 1e-6 / MARGIN < of_fewer
    assert told[1:] == [
        f"{chosen} steps between stored times, by a trial: with {steps} the largest error is "
        f"{found:.1e}, max_time_error is 1e-06"
    ]


def test_estimated_steps_meet_the_error_at_order_4():
    assert enough_steps(10, 1e-4, 1e-8) == pytest.approx(100, rel=0.12)
    assert enough_steps(10, np.nan, 1e-8) == 20


def test_a_trajectory_past_the_bound_stops_and_the_steps_it_names_will_do():
    line = (
        r"^train sample 4 has a time error of .*, above max_time_error=1e-08 from time 0.1 on, "
        r"with steps=2; set steps=\d+, or"
    )
    with pytest.raises(InputError, match=line) as told:
        shard(3, 2, max_time_error=1e-8, steps=2)
    steps = int(str(told.value).split("set steps=")[1].split(",")[0])
    assert np.nanmax(shard(3, 2, max_time_error=1e-8, steps=steps)["time_error"]) < 1e-8


def test_a_trajectory_that_its_grid_does_not_resolve_is_named_with_the_time():
    line = (
        r"^train sample 5 is not resolved at time 0.1: the highest third of its modes has .* of "
        "its norm, max_spectral_tail is 1e-05; raise num_points=16"
    )
    with pytest.raises(InputError, match=line):
        shard(5, 1, max_spectral_tail=1e-5)


def test_initial_states_that_the_grid_does_not_resolve_are_answered_by_their_modes():
    line = r"^train sample 0 is not resolved at time 0: .*, or lower initial_state.num_modes=7$"
    with pytest.raises(InputError, match=line):
        shard(0, 1, **{"initial_state.num_modes": 7, "max_spectral_tail": 1e-5})


def test_the_trial_rejects_an_unresolved_initial_state_before_it_integrates(monkeypatch):
    made = config(**{"initial_state.num_modes": 7, "max_spectral_tail": 1e-5})
    monkeypatch.setattr(EvolutionGenerator, "time_error", None)
    with pytest.raises(InputError, match=r"^train sample 0 is not resolved at time 0: "):
        trial_steps(EvolutionGenerator(made), lambda _: None)


def test_a_blow_up_names_sample_and_time():
    line = r"^val sample 1 is not finite at time 0\.\d with steps=1; raise steps"
    with pytest.raises(InputError, match=line):
        shard(1, 1, "val", **{"initial_state.rms": 1e4, "steps": 1})


def test_a_trajectory_that_decays_below_float32_names_sample_and_time():
    """Modes decay as exp(-30 (2π/1.5)² t) or faster: below 10⁻⁴⁵ after 0.2."""
    made = config(*HEAT, **{"coefficients.diffusivity": 30})
    line = r"^train sample 0 has max\|u\| = .* at time 0.2, float32 holds 1e-31"
    with pytest.raises(InputError, match=line):
        EvolutionGenerator(made).block("train", np.arange(1), _empty(made, 1))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"interval": 0.0, "num": 3}, "times.interval must be positive"),
        ({"interval": 0.1, "num": 3, "first": -1.0}, "times.first not negative"),
        ({"interval": 0.1, "num": 1}, "times.num must be 2"),
    ],
)
def test_times_that_cannot_be_are_rejected(options, told):
    with pytest.raises(InputError, match=told):
        StoredTimes(**options)


def test_times_have_no_digits_of_rounding():
    times = StoredTimes(interval=0.1, num=4, first=0.2)
    assert times.values == (0.2, 0.3, 0.4, 0.5)
    assert times.steps_to_first(5) == 10
    assert times.index(0.4) == 2


@pytest.mark.parametrize("rms", [0, 1e-300])
def test_no_trial_looks_for_the_steps_of_a_state_that_vanishes(rms):
    """Its relative error is rounding, whatever the steps; generation then rejects the sample."""
    generator = EvolutionGenerator(config(**{"initial_state.rms": rms}))
    assert generator.time_error("train", 0, steps=1) == 0.0
    with pytest.raises(InputError, match=r"train sample 0 has max.u. = 0.0e.00 at time 0, float32"):
        shard(**{"initial_state.rms": rms})
