"""A test report holds numbers or null with the reason, never NaN or infinity."""

import json

import numpy as np
import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.metrics import band_errors
from lightning_sciml.evaluation.test_report import saved_checksums, summary
from lightning_sciml.json_files import json_text


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
