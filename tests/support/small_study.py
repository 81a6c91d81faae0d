"""A study small enough to run in a test."""

import pytest

from lightning_sciml.cli.main import main

TRAINER = {"logger": False, "accelerator": "cpu", "devices": 1}


def grid(**changes):
    whole = {
        "datasets": ["poisson_5_10"],
        "inits": ["scratch", "zero_shot", "fine_tune"],
        "pretrainings": ["poisson"],
        "num_samples": [8, 16],
        "learning_rates": [1e-3, 3e-3],
        "seeds": [0, 1],
        "subset_draws": [0, 1, 2],
    }
    return {"grids": [{**whole, **changes}]}


def rejection(command, path, capsys, *options) -> str:
    """What `sciml study COMMAND` says when it rejects a study."""
    with pytest.raises(SystemExit) as stop:
        main(["study", command, str(path), *options])
    assert stop.value.code == 2
    return capsys.readouterr().err
