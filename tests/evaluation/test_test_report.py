"""A test report holds numbers or null with the reason, never NaN or infinity."""

import csv
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.evaluation import sample_errors as measuring
from lightning_sciml.evaluation.error_statistics import PLACE, ErrorTable, summary
from lightning_sciml.evaluation.metrics import METRICS, Metric, band_errors, relative_l2
from lightning_sciml.evaluation.sample_errors import sample_errors
from lightning_sciml.evaluation.test_report import _lines, _with_steps, measured, saved_checksums
from lightning_sciml.json_files import json_text
from lightning_sciml.pde.grid import Grid
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.execution.results import ResultRow, mean_errors, write_table


def errors(**changes):
    good = {"relative_l2": np.array([0.5, 1.0]), "pde_residual": np.array([2.0, 4.0])}
    return {**good, **changes}


def member(grid, *, fields=(0,), history=0, num_steps=1, stride=1, times=(0.0,), **options):
    """What the measuring of a test knows about a data set."""
    windows = SimpleNamespace(history=history, num_steps=num_steps, stride=stride)
    return SimpleNamespace(
        grid=grid,
        equation=None,
        output_channels=fields,
        windows=windows,
        dataset=SimpleNamespace(is_evolution=history > 0, times=times),
        **options,
    )


def test_a_band_without_modes_is_null_and_says_why():
    solution = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    grid = Grid(shape=(16, 16))
    high = band_errors(1.1 * solution, solution, grid)[:, 0, 2].numpy()
    report = json.loads(json_text(summary(errors(band_error_high=high))))
    assert report["relative_l2"]["mean"] == 0.75
    assert report["band_error_high"]["mean"] is None
    assert report["band_error_high"]["quantiles"]["0.5"] is None
    assert (
        "2 of 2 samples: the grid has no modes, or the reference no energy, in this band"
        in (report["band_error_high"]["reason"])
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_prediction_that_is_not_finite_is_not_left_out(value):
    broken = {"relative_l2": np.array([0.5, value]), "pde_residual": np.array([2.0, value])}
    report = json.loads(json_text(summary(broken)))
    for name in broken:
        assert report[name]["mean"] is None
        assert "not finite for 1 of 2 samples" in report[name]["reason"]


def test_the_residual_is_that_of_samples_with_an_equation():
    report = summary(errors(pde_residual=np.array([2.0, np.nan])))
    assert report["pde_residual"]["mean"] == 2.0
    assert "pde_residual" not in summary(errors(pde_residual=np.full(2, np.nan)))


@pytest.mark.parametrize("text", ["", "[]", "null", '{"checksums": 5}', '{"checksums": {"a": 1}}'])
def test_a_damaged_report_is_named_before_the_test(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(InputError, match=r"report\.json is damaged .*; delete it and test again"):
        saved_checksums(tmp_path / "report.json")
    assert saved_checksums(tmp_path / "absent.json") == {}


def test_one_entry_in_the_list_of_metrics_reaches_reports_and_tables_of_studies(
    tmp_path, monkeypatch
):
    def mean_error(prediction, reference):
        return (prediction - reference).abs().mean(dim=(-2, -1))

    monkeypatch.setattr(measuring, "METRICS", (*METRICS, Metric(("mean_error",), mean_error)))
    solution = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    outputs = solution[:, None]
    batch = Batch(
        solution, outputs, torch.ones(2, 3), *[torch.zeros(2, dtype=int)] * 3, torch.zeros(2), 2
    )
    measured = sample_errors(outputs + 0.25, batch, [member(Grid(shape=(32, 32)))])
    report = summary({name: values[:, 0, 0].numpy() for name, values in measured.items()})
    (tmp_path / "test").mkdir()
    (tmp_path / "test/poisson.json").write_text(json_text(report))
    [errors] = mean_errors(tmp_path)[0].values()
    assert errors["mean_error"] == pytest.approx(0.25)
    known = [name for metric in METRICS if metric.takes != "equation" for name in metric.names]
    assert list(errors) == [*known, "mean_error"]
    run = Run(
        init=Init.PRETRAIN, pretraining="p", datasets=("poisson",), model="m", recipe="r", seed=0
    )
    result = SimpleNamespace(
        tests={"poisson": errors}, fields={}, rollouts={}, stopped_at_step=None
    )
    row = ResultRow(run=run, result=result, dataset="poisson", is_selected=True)
    write_table([row], tmp_path / "results.csv")
    (written,) = csv.DictReader((tmp_path / "results.csv").read_text().splitlines())
    assert {*known, "mean_error"} <= written.keys()
    assert written["mean_error"] == "0.25"
    by_field = SimpleNamespace(**vars(result) | {"fields": {"poisson": {"all": errors}}})
    write_table([row, replace(row, result=by_field, field="all")], tmp_path / "results.csv")
    table = csv.DictReader((tmp_path / "results.csv").read_text().splitlines())
    assert [line["field"] for line in table] == ["all", "all_field"]


def mixed_batches():
    """A steady set of one field, and windows of two fields at three steps; random predictions."""
    rng = torch.Generator().manual_seed(0)
    grid = Grid(shape=(24, 16), lengths=(1.5, 1.0), boundary=("wall", "periodic"))
    times = (0.0, 0.5, 0.75, 2.0, 2.5)
    members = [
        member(grid, fields=(0,)),
        member(grid, fields=(1, 0), history=1, num_steps=3, times=times),
    ]
    batches = []
    for d, num_steps, index, time in (
        (1, 3, [5, 0], [1, 1]),
        (0, 1, [2, 0], [0, 0]),
        (1, 3, [5, 0], [0, 0]),
    ):
        outputs, error = torch.randn(2, 2, num_steps, 2, 24, 16, generator=rng)
        places = (torch.full((2,), d), torch.tensor(index), torch.tensor(time))
        batch = Batch(outputs[:, 0, :1], outputs, torch.ones(2, 0), *places, torch.zeros(2), 2)
        batches.append((batch, outputs + 0.1 * error))
    return members, batches


def table_of(members, batches):
    arrays = []
    for batch, prediction in batches:
        found = {k: _with_steps(v, 3) for k, v in sample_errors(prediction, batch, members).items()}
        arrays.append(found | {name: getattr(batch, name) for name in PLACE})
    together = {name: torch.cat([a[name] for a in arrays]).numpy() for name in arrays[0]}
    return ErrorTable.of(together, ("u", "v"), members)


def test_errors_of_fields_and_steps_are_means_of_what_a_sample_has():
    members, batches = mixed_batches()
    table = table_of(members, batches)
    assert table.dataset.tolist() == [0, 0, 1, 1, 1, 1]
    assert table.sample_index.tolist() == [0, 2, 0, 0, 5, 5]
    assert table.time_index.tolist() == [0, 0, 0, 1, 0, 1]
    (first, predicted), (steady, of_steady), _ = batches
    windows = relative_l2(predicted.double(), first.outputs.double())  # (B, K, F)
    one = relative_l2(of_steady.double(), steady.outputs.double())[:, 0, 0]
    by_sample = table.means()["relative_l2"]
    np.testing.assert_allclose(by_sample[[5, 3]], windows.mean(dim=(1, 2)), rtol=1e-14)
    np.testing.assert_array_equal(by_sample[[1, 0]], one)  # one field at one step: its own bits
    of_v = table.part(fields=slice(1, 2)).means()["relative_l2"]
    assert np.isnan(of_v[:2]).all()  # which the steady set does not have
    np.testing.assert_allclose(of_v[[5, 3]], windows[:, :, 1].mean(dim=1), rtol=1e-14)
    report = table.part(table.dataset == 1).report()
    assert report["fields"].keys() == {"u", "v"}
    assert [step["lead_time"] for step in report["steps"]] == [0.375, 1.125, 2.0]
    values = table.part(table.dataset == 1).errors["vrmse"]
    assert report["steps"][2]["vrmse"]["mean"] == pytest.approx(values[:, 2].mean())
    of_u = report["fields"]["u"]
    assert of_u["steps"][1]["h1"]["max"] == table.errors["h1"][2:, 1, 0].max()
    whole = table.report()
    of_first = whole["steps"][0]  # the steady samples have no lead time
    assert (of_first["num_samples"], of_first["lead_time"]) == (4, 0.375)
    assert (whole["num_samples"], whole["fields"]["v"]["num_samples"]) == (6, 4)
    assert "fields" not in table.part(table.dataset == 0).report()
    assert "steps" not in table.part(table.dataset == 0).report()


def test_columns_of_fields_have_a_residual_only_where_one_is_known():
    members, batches = mixed_batches()
    header, *rows = _lines(table_of(members, batches), ("steady", "flow"))
    assert len(rows) == 6
    assert "relative_l2/u" in header
    assert "pde_residual" in header
    assert not {"pde_residual/u", "pde_residual/v"} & {*header}


def test_windows_are_not_called_samples():
    members, batches = mixed_batches()
    report = table_of(members, batches).report()
    assert measured("flow", report, "windows").startswith("flow, test split, 6 windows: relative")


def test_a_field_that_is_not_finite_is_not_left_out():
    members, batches = mixed_batches()
    batches[0][1][0, 2, 1] = torch.inf
    report = table_of(members, batches).report()
    assert report["relative_l2"]["mean"] is None
    assert "not finite for 1 of 6 samples" in report["relative_l2"]["reason"]
    assert report["fields"]["v"]["relative_l2"]["mean"] is None
    assert report["fields"]["u"]["relative_l2"]["mean"] > 0
    assert [s["relative_l2"]["mean"] is None for s in report["steps"]] == [False, False, True]
