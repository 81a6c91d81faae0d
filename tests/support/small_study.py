"""A study small enough to run in a test."""

import json
import multiprocessing
from pathlib import Path

import pytest
import yaml

from lightning_sciml.cli.main import main
from lightning_sciml.study.execution.execute import Executor
from lightning_sciml.study.execution.plan import checked_plan

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


def option(words, name):
    """The value behind an option of a command line."""
    return words[words.index(name) + 1]


def pretended(words):
    """What `sciml fit` and `sciml test` leave behind, without training."""
    config = yaml.safe_load(Path(option(words, "--config")).read_text())
    folder = Path(config["run_dir"])
    if words[0] == "fit":
        steps = config["trainer"]["max_steps"]
        summary = {"num_steps": steps, "num_parameters": 7, "elapsed_s": 1.0}
        (folder / "summary.json").write_text(json.dumps(summary))
        (folder / "checkpoints").mkdir(exist_ok=True)
        (folder / "checkpoints/best.ckpt").touch()
        return
    (folder / "test").mkdir(exist_ok=True)
    for dataset in config["data"]["datasets"]:
        report = {"relative_l2": {"mean": 0.5}}
        (folder / f"test/{Path(dataset).name}.json").write_text(json.dumps(report))


def execute(path, verb=pretended, jobs=2, say=lambda _: None):
    study, runs, datasets = checked_plan(path)
    return Executor(study, datasets, verb=verb, jobs=jobs, say=say).execute(runs)


def in_background(function, *arguments):
    """A forked process that calls a function."""
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process
