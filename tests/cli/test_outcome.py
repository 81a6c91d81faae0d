"""Verbs say what they measured and where it lies, and nothing beside it."""

import json
import re
import warnings

from lightning_sciml.cli.main import main


def test_verbs_say_what_they_measured_and_where_it_lies(config, tmp_path, caplog):
    path = str(config(max_epochs=1))
    main(["fit", "--config", path])
    said = {}
    for verb in ("validate", "test", "predict"):
        caplog.clear()
        main([verb, "--config", path])
        said[verb] = caplog.text
    report = json.loads((tmp_path / "run/test/poisson_1_5.json").read_text())
    error = f"relative L2 error {report['relative_l2']['mean']:.4g} on average"
    assert f"poisson_1_5, test split, 11 samples: {error}" in said["test"]
    for suffix in ("json", "csv", "npz"):
        assert str(tmp_path / f"run/test/poisson_1_5.{suffix}") in said["test"]
    assert "poisson_1_5, val split, 13 samples: relative L2 error " in said["validate"]
    assert "poisson_1_5, test split, 11 samples" in said["predict"]
    assert str(tmp_path / "run/predictions/poisson_1_5-test.h5") in said["predict"]


def test_the_line_of_an_epoch_has_what_was_measured_in_it(config, caplog):
    options = {"max_epochs": 4, "check_val_every_n_epoch": 2, "log_every_n_steps": 50}
    shown = {"enable_progress_bar": None, "enable_model_summary": None}
    with warnings.catch_warnings(record=True) as warned:
        main(["fit", "--config", str(config(**options, **shown))])
    lines = [text for text in caplog.messages if text.startswith("epoch ")]
    assert [re.findall(r"train/samples_per_s|val/relative_l2", line) for line in lines] == [
        [],
        ["train/samples_per_s", "val/relative_l2"],  # of ten steps, five an epoch
        [],
        ["train/samples_per_s", "val/relative_l2"],
    ]
    assert any(
        re.fullmatch(r"[\d,]+ of [\d,]+ parameters are trained", text) for text in caplog.messages
    )
    assert not any("smaller than the logging interval" in str(w.message) for w in warned)
