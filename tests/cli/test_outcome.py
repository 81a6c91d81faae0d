"""Verbs say what they measured and where it lies."""

import json

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
