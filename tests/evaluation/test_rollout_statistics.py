"""What is measured of rollouts: times of decorrelation and blow-up, windows of lead times."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.error_statistics import ErrorTable
from lightning_sciml.evaluation.rollout_errors import (
    REACH,
    correlation,
    has_left_bounds,
    mean_error,
    rollout_errors,
)
from lightning_sciml.evaluation.rollout_frames import rollout_frames
from lightning_sciml.evaluation.rollout_spectra import rollout_spectra, spectra_lines
from lightning_sciml.evaluation.rollout_statistics import (
    blow_up_times,
    correlation_times,
    rollout_columns,
    rollout_outcome,
    rollout_report,
)
from lightning_sciml.evaluation.sample_fields import SampleFields
from lightning_sciml.evaluation.solution_panels import Panel
from lightning_sciml.evaluation.test_report import _with_steps, measured
from lightning_sciml.json_files import json_text
from lightning_sciml.pde.grid import Grid
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.rollouts import MOST_BYTES, rollout_batch_size, rollout_of
from lightning_sciml.streaming.windows import WindowOptions, Windows

GRID = Grid(shape=(16, 12))


def member(times, fields=(0, 1), num_steps=None):
    steps = num_steps or len(times) - 1
    return SimpleNamespace(
        grid=GRID,
        equation=None,
        input_channels=fields,
        output_channels=fields,
        windows=Windows(num_times=len(times), history=1, num_steps=steps, is_rollout=True),
        dataset=SimpleNamespace(is_evolution=True, times=times),
    )


def waves(phase):
    """Cosines cos(2πx - phase), (*phase, H, W), whose correlations are cosines of phases."""
    _, x = GRID.coordinates()
    angle = 2 * np.pi * torch.as_tensor(x) - torch.as_tensor(phase, dtype=torch.float64)[..., None]
    return angle.cos()[..., None, :].expand(*angle.shape[:-1], *GRID.shape).clone()


def rollouts(phases, times, **options):
    """Reference cos x, predictions with these phases (n, K, F); its batch and data set."""
    phases = np.asarray(phases, float)
    n = len(phases)
    outputs = waves(np.zeros(phases.shape))
    places = (torch.zeros(n, dtype=int), torch.arange(n), torch.zeros(n, dtype=int))
    batch = Batch(outputs[:, 0], outputs, torch.ones(n, 0), *places, torch.zeros(n), n)
    return waves(phases), batch, [member(times, tuple(range(phases.shape[2])), **options)]


def table_of(prediction, batch, members, fields=("u", "v")):
    arrays = {name: v.numpy() for name, v in rollout_errors(prediction, batch, members).items()}
    arrays |= {n: getattr(batch, n).numpy() for n in ("dataset", "sample_index", "time_index")}
    return ErrorTable.of(arrays, fields[: prediction.shape[2]], members)


def test_correlation_is_the_cosine_of_the_angle_between_deviations():
    reference = waves(0.0)
    for phase in (0.0, 0.4, 2.0):
        found = correlation(5.0 + 3.0 * waves(phase), reference - 2.0)
        assert float(found) == pytest.approx(np.cos(phase), abs=1e-12)
    assert float(correlation(torch.ones_like(reference), reference)) == 0
    assert float(correlation(torch.full_like(reference, torch.inf), reference)) == 0
    assert bool(correlation(reference, torch.ones_like(reference)).isnan())
    assert float(mean_error(reference + 0.5, reference)) == pytest.approx(0.5 * np.sqrt(2))


def test_the_time_to_decorrelation_lies_between_unevenly_stored_times():
    times = (0.0, 0.1, 0.4, 1.0)
    values = [[[1.0], [0.9], [0.5]], [[0.4], [0.9], [0.1]], [[0.95], [0.85], [0.81]]]
    table = table_of(*rollouts(np.arccos(values), times))
    expected = [0.4 + 0.6 * (0.9 - 0.8) / (0.9 - 0.5), 0.1 * (1 - 0.8) / (1 - 0.4), np.inf]
    np.testing.assert_allclose(correlation_times(table), expected, rtol=1e-9)
    told = rollout_report(table)["correlation_time"]
    assert (told["num_samples"], told["num_censored"], told["num_undefined"]) == (3, 1, 0)
    assert told["mean"] == pytest.approx(np.mean([*expected[:2], 1.0]))
    assert told["median"] == pytest.approx(expected[0])


def test_of_several_fields_the_first_that_decorrelates_counts_and_each_has_its_own_time():
    values = np.stack([[[0.9, 0.6]], [[0.95, 0.9]]])
    table = table_of(*rollouts(np.arccos(values), (0.0, 2.0)))
    columns = rollout_columns(table)
    np.testing.assert_allclose(columns["correlation_time"], [2 * 0.2 / 0.4, np.inf])
    np.testing.assert_array_equal(columns["correlation_time/u"], [np.inf, np.inf])
    report = rollout_report(table)
    assert report["fields"]["u"]["correlation_time"]["num_censored"] == 2
    assert report["fields"]["v"]["correlation_time"]["num_censored"] == 1


def test_a_constant_reference_has_no_time_to_decorrelation():
    prediction, batch, members = rollouts(np.zeros((2, 2, 1)), (0.0, 1.0, 2.0))
    batch.outputs[1, 1] = 1.0
    told = rollout_report(table_of(prediction, batch, members))["correlation_time"]
    assert (told["num_undefined"], told["num_censored"]) == (1, 1)


@pytest.mark.parametrize("sign", [-1, 1])
def test_bounds_are_ten_ranges_beyond_the_reference(sign):
    reference = waves(np.zeros((1, 3, 1))) + 300.0  # from 299 to 301
    edge = 300 + sign * (1 + 2 * REACH)
    prediction = reference.clone()
    prediction[0, 1, 0, 3, 3] = edge - sign * 1e-6
    assert not has_left_bounds(prediction, reference).any()
    prediction[0, 1, 0, 3, 3] = edge + sign * 1e-6
    assert has_left_bounds(prediction, reference).tolist() == [[False, True, True]]
    still = torch.ones_like(reference)
    assert not has_left_bounds(1e9 * still, still).any()
    assert has_left_bounds(torch.inf * still, still).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_blow_up_is_counted_and_the_others_statistics_are_those_without_it(value):
    times = (0.0, 0.5, 1.0, 3.0)
    phases = np.random.default_rng(0).uniform(0.1, 0.5, (4, 3, 2))
    prediction, batch, members = rollouts(phases, times)
    alone = rollout_report(table_of(*rollouts(phases[1:], times)))
    prediction[0, 1, 1, 2, 2] = value
    table = table_of(prediction, batch, members)
    report = json.loads(json_text(rollout_report(table)))
    assert report["blow_up"]["num_blown_up"] == 1
    assert report["blow_up"]["median"] == report["blow_up"]["first"] == 1.0
    np.testing.assert_array_equal(blow_up_times(table), [1.0, np.nan, np.nan, np.nan])
    assert (report["num_samples"], report["num_left_out"]) == (3, 1)
    for name in ("relative_l2", "vrmse", "h1", "correlation"):
        assert report[name]["mean"] == pytest.approx(alone[name]["mean"], rel=1e-12)
        assert report["fields"]["u"][name]["max"] == pytest.approx(
            alone["fields"]["u"][name]["max"]
        )
    assert [step["num_left_out"] for step in report["steps"]] == [0, 1, 1]
    assert [step["num_samples"] for step in report["steps"]] == [4, 3, 3]
    assert "1 of 4 left all bounds, the first after 1" in rollout_outcome(report)


def test_a_report_of_blow_ups_alone_has_counts():
    prediction, batch, members = rollouts(np.zeros((2, 2, 1)), (0.0, 1.0, 2.0))
    prediction[:] = torch.nan
    report = json.loads(json_text(rollout_report(table_of(prediction, batch, members))))
    assert (report["num_samples"], report["num_left_out"]) == (0, 2)
    assert "relative_l2" not in report
    assert "relative L2 error not defined; 2 of 2 left" in measured("flow", report, "rollouts")


def test_windows_hold_both_their_ends_and_lack_rollouts_that_are_too_short():
    times = tuple(0.5 * np.arange(31))
    phases = np.linspace(0.01, 0.6, 60).reshape(2, 30, 1)
    table = table_of(*rollouts(phases, times))
    report = rollout_report(table)
    errors = 2 * np.sin(phases[..., 0] / 2)  # |cos(x - p) - cos x| / |cos x|
    for name, steps in (("6:12", slice(5, 12)), ("13:30", slice(12, 30))):
        told = report["windows"][name]
        assert told["relative_l2"]["mean"] == pytest.approx(errors[:, steps].mean(), rel=1e-9)
    assert report["windows"]["6:12"]["lead_times"] == [3.0, 6.0]
    short = rollout_report(table.part(steps=slice(0, 29)))
    assert list(short["windows"]) == ["6:12"]


def test_data_sets_of_other_lengths_share_a_table():
    pieces = []
    members = [member((0.0, 1.0, 2.0, 3.0), (0, 1)), member((0.0, 1.0, 2.0), (1,))]
    for d, num_steps in ((0, 3), (1, 2)):
        prediction, batch, _ = rollouts(np.full((2, num_steps, 2), 0.9), (0.0,) * 4, num_steps=3)
        batch = batch._replace(dataset=torch.full((2,), d))
        found = rollout_errors(prediction, batch, members)
        found |= {n: getattr(batch, n) for n in ("dataset", "sample_index", "time_index")}
        pieces.append({name: _with_steps(v, 3).numpy() for name, v in found.items()})
    arrays = {name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]}
    table = ErrorTable.of(arrays, ("u", "v"), members)
    crossing = 0.2 / (1 - np.cos(0.9))
    np.testing.assert_allclose(correlation_times(table), crossing)
    report = rollout_report(table)
    assert report["num_left_out"] == 0
    assert [step["num_samples"] for step in report["steps"]] == [4, 4, 2]
    assert report["fields"]["u"]["correlation_time"]["num_samples"] == 2


def plan(num_times, is_evolution=True):
    return SimpleNamespace(name="flow", num_times=num_times, is_evolution=is_evolution)


def test_a_rollout_ends_with_the_last_state_a_stride_reaches():
    windows = rollout_of(plan(12), WindowOptions(history=2, stride=3), "all")
    assert (windows.num_steps, windows.num_starts) == (2, 1)  # 0, 3 | 6, 9
    one = np.zeros(1, int)
    assert windows.draw(one, one, one) == (0, 3)
    assert rollout_of(plan(12), WindowOptions(history=2, window_starts=4), 5).num_starts == 1


@pytest.mark.parametrize(
    ("of_plan", "options", "num_steps", "message"),
    [
        (plan(5, is_evolution=False), {}, "all", "flow is steady; leave data.rollout out"),
        (plan(5), {"history": 2}, 4, "takes at least 6 .* have 5; rollout up to 3 fits"),
        (plan(5), {"history": 3, "stride": 2}, "all", "at least 7 .*; lower data.stride"),
    ],
)
def test_a_rollout_that_does_not_fit_is_rejected(of_plan, options, num_steps, message):
    with pytest.raises(InputError, match=message):
        rollout_of(of_plan, WindowOptions(**options), num_steps)


def test_a_batch_of_long_rollouts_is_bounded():
    of = member(tuple(range(10_001)))
    largest = 4 * (2 + 10_000 * 2) * 16 * 12
    assert rollout_batch_size([of], 128, 2) == 2 * (MOST_BYTES // largest)
    assert rollout_batch_size([of], 3, 2) == 3
    assert rollout_batch_size([member(tuple(range(1_000_001)))], 128, 2) == 2


def test_spectra_find_the_ring_of_a_wave_and_leave_blow_ups_out():
    prediction, batch, members = rollouts(np.zeros((3, 4, 1)), (0.0, 1.0, 2.0, 3.0, 4.0))
    prediction *= 0.5
    prediction[0, 2:] = torch.inf
    has_left = has_left_bounds(prediction, batch.outputs).double()[..., None]
    of = members[0]
    of.name, of.dataset.target_fields = "flow", ("u",)
    found = rollout_spectra(prediction, batch, has_left, members)
    header, *lines = spectra_lines(found[::-1], members)
    assert [row[6] for row in lines if row[3] == 1] == [3, 2, 2]  # steps 1, 3 and 4
    for row in lines:
        told = dict(zip(header, row, strict=True))
        is_wave = told["wavenumber"] == 1  # cos 2πx has the mean square 1/2
        expected = {"reference": 0.5 * is_wave, "prediction": 0.125 * is_wave}
        assert {name: told[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_frames_share_the_references_scale_and_leave_blanks_where_values_are_not_finite():
    prediction, batch, members = rollouts(np.zeros((1, 12, 1)), tuple(range(13)))
    prediction[0, 6:] *= 1e30
    prediction[0, 11, 0, 2, 2] = torch.nan
    members[0].dataset.target_fields, members[0].dataset.input_fields = ("u",), ()
    members[0].dataset.coefficient_names, members[0].columns = (), ()
    sample = SampleFields.of(prediction, batch, 0, members[0])
    figure = rollout_frames(Panel("flow 0", GRID, sample))
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) == 3 * 6
    drawn = np.array([image.get_clim() for image in images]).reshape(3, 6, 2)
    np.testing.assert_allclose(drawn[..., 0], -drawn[..., 1])
    np.testing.assert_allclose(drawn[..., 1], 1.0, rtol=1e-6)  # errors are larger
    np.testing.assert_allclose(images[5].get_array(), batch.outputs[0, 11, 0], rtol=1e-6)
    blanks = [np.count_nonzero(np.ma.getmaskarray(image.get_array())) for image in images]
    assert [number for number, of in enumerate(blanks) if of] == [11, 17]
    figure.savefig(io.BytesIO(), format="png", dpi=20)
