"""A test report holds numbers or null with the reason, never NaN or infinity."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.evaluation import test_report
from lightning_sciml.evaluation.metrics import METRICS, Metric, band_errors
from lightning_sciml.evaluation.test_report import sample_errors, saved_checksums, summary
from lightning_sciml.json_files import json_text
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.execution.results import ResultRow, mean_errors, write_table


def errors(**changes):
    good = {"relative_l2": np.array([0.5, 1.0]), "pde_residual": np.array([2.0, 4.0])}
    return {**good, **changes}


def test_a_band_without_modes_is_null_and_says_why():
    solution = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    high = band_errors(1.1 * solution, solution)[:, 2].numpy()
    report = json.loads(json_text(summary(errors(band_error_high=high))))
    assert report["relative_l2"]["mean"] == 0.75
    assert report["band_error_high"]["mean"] is None
    assert report["band_error_high"]["quantiles"]["0.5"] is None
    assert (
        "2 of 2 samples: the grid has no modes in this band"
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
        return (prediction - reference).abs().mean(dim=(1, 2, 3))

    monkeypatch.setattr(test_report, "METRICS", (*METRICS, Metric(("mean_error",), mean_error)))
    solution = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    batch = Batch(
        solution, solution[:, None], torch.ones(2, 3), *[torch.zeros(2, dtype=int)] * 3, 2
    )
    member = SimpleNamespace(equation=None)
    measured = sample_errors(solution + 0.25, batch, [member])
    report = summary({name: values.numpy() for name, values in measured.items()})
    (tmp_path / "test").mkdir()
    (tmp_path / "test/poisson.json").write_text(json_text(report))
    errors = mean_errors(tmp_path)["poisson"]
    assert errors["mean_error"] == pytest.approx(0.25)
    known = [name for metric in METRICS if not metric.needs_equation for name in metric.names]
    assert list(errors) == [*known, "mean_error"]
    run = Run(
        init=Init.PRETRAIN, pretraining="p", datasets=("poisson",), model="m", recipe="r", seed=0
    )
    result = SimpleNamespace(tests={"poisson": errors})
    row = ResultRow(run=run, result=result, dataset="poisson", is_selected=True)
    write_table([row], tmp_path / "results.csv")
    (written,) = csv.DictReader((tmp_path / "results.csv").read_text().splitlines())
    assert {*known, "mean_error"} <= written.keys()
    assert written["mean_error"] == "0.25"
