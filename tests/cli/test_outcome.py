"""Verbs say what they measured and where it lies; their help begins with what people use."""

import json

import pytest
import yaml

from lightning_sciml.cli.main import main
from lightning_sciml.cli.run_options import OPTIONS


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


@pytest.mark.parametrize("verb", OPTIONS)
def test_help_begins_with_the_options_that_people_use(capsys, verb):
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    first = "\n".join(text.splitlines()[:20])
    assert text.startswith(f"usage: sciml {verb} --config FILE")
    assert all(option in first for option in OPTIONS[verb])
    assert max(map(len, first.splitlines())) <= 110
    assert "--trainer.gradient_clip_val" in text


def test_every_option_of_that_list_is_accepted(config, capsys):
    words = [f"{o}=x" if " " not in o else o.replace(" ", "=") for o in OPTIONS["fit"]]
    words = [w for w in words if not w.startswith(("--config", "--model.ch", "--print_config"))]
    words = [w.replace("=N", "=3").replace("=DIR", "=x") for w in words]
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--config", str(config()), *words, "--print_config"])
    assert stop.value.code == 0
    options = yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]
    assert options["network"]["init_args"]["size"] == "1M"
    assert options["optimizer"]["init_args"]["lr"] == 0.001
