"""Rollouts in a report: curves over lead time, blow-ups, samples needed, spectra, frames."""

import csv
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from finished_runs import scratch_row

from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.sample_fields import SampleFields
from lightning_sciml.study.execution.results import Arm, ResultRow
from lightning_sciml.study.execution.rollout_results import Rollout, Rollouts
from lightning_sciml.study.report.arm_frames import arm_frames
from lightning_sciml.study.report.curves import curves, samples_needed
from lightning_sciml.study.report.drift import drift_figure
from lightning_sciml.study.report.lead_curves import (
    BLOWN_UP,
    few_some_many,
    lead_curves,
    rollout_error,
)
from lightning_sciml.study.report.lead_times import lead_figure
from lightning_sciml.study.report.rollout_spectra import read_spectra, spectra_figure
from lightning_sciml.study.report.sections import needed_by_target
from lightning_sciml.study.report.styles import Styles

TIMES = [0.1, 0.2, 0.3]


def row(errors, *, seed=0, num_samples=8, num_left_out=(0, 0, 0), drift=None) -> ResultRow:
    """A run from scratch with these errors of rollouts at three lead times."""
    rollout = Rollout(
        num_samples=4,
        num_blown_up=num_left_out[-1],
        lead_times=TIMES,
        relative_l2=list(errors),
        vrmse=list(errors),
        num_left_out=list(num_left_out),
        mean_relative_l2=float(np.mean(errors)) if None not in errors else None,
        windows={},
        correlation_time=0.25,
        is_correlated=seed == 0,
        drift=drift or {},
    )
    rollouts = {"d": Rollouts(mean=rollout, fields={})}
    return scratch_row(0.1, seed=seed, num_samples=num_samples, rollouts=rollouts)


def test_a_line_is_the_mean_over_replicates_and_its_band_holds_them():
    [curve] = lead_curves([row([0.1, 0.2, 0.4]), row([0.3, 0.4, 0.8], seed=1)])
    mean, (low, high) = curve.mean_and_band(curve.errors)
    np.testing.assert_allclose(mean, [0.2, 0.3, 0.6])
    np.testing.assert_allclose(low, [0.1, 0.2, 0.4])  # both resampled from the first
    np.testing.assert_allclose(high, [0.3, 0.4, 0.8])
    assert curve.cell(lambda rollout: rollout.relative_l2[-1]) == "0.6 [0.4, 0.8]"
    assert curve.cell(lambda rollout: None) == "-"


def test_blow_ups_are_drawn_and_end_a_line():
    """One replicate loses a trajectory at the second step, and all of them at the third."""
    rows = [row([0.1, 0.2, 0.4]), row([0.3, 0.4, None], seed=1, num_left_out=(0, 1, 4))]
    [curve] = lead_curves(rows)
    assert (curve.num_blown_up, curve.first_left) == (4, 1)
    found = SimpleNamespace(styles=Styles(curves(rows)))
    figure = lead_figure([curve], found, "d")
    line, cross = figure.axes[0].get_lines()
    np.testing.assert_allclose(line.get_ydata(), [0.2, 0.3, np.nan])
    np.testing.assert_allclose(cross.get_xydata(), [[0.2, 0.3]])
    assert figure.axes[0].get_yscale() == "log"


def test_a_run_with_a_blow_up_has_reached_no_error():
    rows = [
        row([0.8, 0.8, 0.8], num_samples=8),
        row([0.1, 0.1, 0.1], num_samples=16, num_left_out=(0, 0, 1)),
        row([0.2, 0.2, 0.2], num_samples=32),
    ]
    assert rollout_error(rows[1]) == BLOWN_UP
    [curve] = curves(rows, rollout_error)
    np.testing.assert_allclose(curve.mean, [0.8, BLOWN_UP, 0.2])
    needed = samples_needed(curve, 0.25)
    assert 16 < needed.value < 32  # the 16 samples have a small error, of what is left
    assert few_some_many(lead_curves(rows)) == [8, 16, 32]


def test_an_error_with_a_blow_up_is_no_target():
    """One of two replicates is lost at each number of samples: their mean says nothing."""
    lost = {"num_left_out": (0, 0, 1)}
    rows = [row([0.2] * 3, seed=s, num_samples=n, **lost) for s in (0, 1) for n in (8, 16)]
    found = SimpleNamespace(study=SimpleNamespace(target_errors=[0.5]), styles=Styles([]))
    found.styles.recipes = ["paper"]
    for whole, targets in ((rows, ["0.5"]), ([row([0.2] * 3, num_samples=8)], ["0.2", "0.5"])):
        needed = needed_by_target(curves(whole, rollout_error), found, useless=BLOWN_UP)
        assert [target for _, target, *_ in needed] == targets


def test_drift_is_drawn_beside_that_of_the_reference():
    names = ("energy_error", "energy_budget", "energy_budget_of_reference")
    drifts = [{name: [size * s for s in (1.0, 2.0, 4.0)] for name in names} for size in (0.1, 0.3)]
    rows = [row([1, 1, 1], seed=s, drift=drift) for s, drift in enumerate(drifts)]
    figure = drift_figure(lead_curves(rows), Styles(curves(rows)))
    error, budget = figure.axes
    np.testing.assert_allclose(error.get_lines()[0].get_ydata(), [0.2, 0.4, 0.8])
    mean, reference = budget.get_lines()
    np.testing.assert_allclose(mean.get_ydata(), reference.get_ydata())
    assert reference.get_color() == "black"


def test_spectra_of_replicates_are_averaged(tmp_path):
    path, arm = tmp_path / "d-rollout-spectra.csv", Arm("scratch", "", "1M", "paper")
    with path.open("w", newline="") as file:
        names = ("dataset", "field", "lead_time", "wavenumber", "reference", "prediction")
        writer = csv.writer(file)
        writer.writerow([*names, "num_samples"])
        time = 0.7 - 0.2  # 0.49999999999999994, as after two input states
        writer.writerows(["d", "u", time, k, 2.0**-k, 3.0**-k, 4] for k in range(4))
    spectra = read_spectra(path)
    other = {"u": {0.5: spectra["u"][0.5] * [1, 1, 3]}}
    figure = spectra_figure({arm: [spectra, other]}, "u", Styles(curves([row([1, 1, 1])])))
    reference, mean = figure.axes[0].get_lines()
    assert reference.get_color() == "black"
    np.testing.assert_allclose(reference.get_ydata(), 2.0 ** -np.arange(4))
    np.testing.assert_allclose(mean.get_ydata(), 2 * 3.0 ** -np.arange(4))
    path.write_text("dataset,field\nd,u\n")
    with pytest.raises(InputError, match=r"spectra\.csv cannot be read"):
        read_spectra(path)


def sample(factor, times=TIMES):
    """A trajectory that is 1 everywhere, and a prediction that is `factor`."""
    reference = np.ones((len(times), 1, 4, 6), np.float32)
    return SampleFields(
        inputs=reference[0],
        reference=reference,
        prediction=factor * reference,
        coefficients=np.zeros(0, np.float32),
        lead_times=np.array(times),
        sample_index=0,
        time_index=0,
        input_fields=("u",),
        output_fields=("u",),
    )


def test_frames_of_all_arms_are_of_the_states_of_the_first():
    """An arm whose rollout begins one stored time later has the same lead times."""
    later = sample(1.0)
    later = replace(later, reference=2 * later.reference)
    arms = {"near": sample(1.5), "far": sample(np.inf), "later": later}
    figure = arm_frames(arms, "u", (1.0, 1.5))
    *frames, _ = figure.axes
    assert len(frames) == 3 * len(TIMES)  # reference, near, far
    assert [axes.get_title() for axes in frames[3:]] == ["0.5"] * 3 + ["not finite"] * 3


@pytest.mark.parametrize(("num_recipes", "num_pretrainings"), [(1, 1), (2, 2), (12, 1), (3, 5)])
def test_lines_in_time_tell_all_arms_apart(num_recipes, num_pretrainings):
    starts = [("scratch", "")]
    starts += [(i, f"p{n}") for n in range(num_pretrainings) for i in ("zero_shot", "fine_tune")]
    arms = [Arm(*start, "1M", f"r{n}") for n in range(num_recipes) for start in starts]
    styles = Styles([SimpleNamespace(arm=arm, dataset="d") for arm in arms])
    looks = {(styles.color(arm), styles.line(arm)) for arm in arms}
    assert len(looks) == len(arms)


def test_pre_trainings_that_meet_on_a_test_set_have_colours_of_their_own():
    """Take many data sets, each with two: itself and the one before."""
    arms = [
        (Arm("fine_tune", f"p{n - shift}", "1M", "r"), n) for n in range(26) for shift in (0, 1)
    ]
    styles = Styles([SimpleNamespace(arm=arm, dataset=f"d{n}") for arm, n in arms])
    for n in range(26):
        assert len({styles.color(arm) for arm, of_set in arms if of_set == n}) == 2
