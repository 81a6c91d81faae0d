"""Loggers make no file before the run begins; a resumed run continues their curves."""

import csv
from pathlib import Path
from typing import Any

import pytest
from command_line import rejection
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_sciml.cli.main import main

LOGGERS = ("CSVLogger", "TensorBoardLogger")


class KilledError(Exception):
    """Ends a run in this process as SIGKILL would: nothing of ours handles it."""


class KillAt(Callback):
    """Ends the run at the start of a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Trainer, *_: object) -> None:
        if trainer.global_step == self.step:
            raise KilledError


class Remark(Callback):
    """Writes by the logger's own methods before the first step."""

    def on_fit_start(self, trainer: Trainer, *_: object) -> None:
        trainer.logger.experiment.add_scalar("remark", 1.0, 0)
        trainer.logger.log_hyperparams({"remark": 2.0}, {"own": 3.0})


def own_logger(name: str, folder: Path) -> dict[str, Any]:
    """A logger of the user's, whose files lie in one place."""
    init_args = {"save_dir": str(folder), "name": "curves", "version": ""}
    return {"class_path": f"lightning.pytorch.loggers.{name}", "init_args": init_args}


def curve(name: str, folder: Path) -> list[tuple[int, float]]:
    """Steps and values of train/loss."""
    if name == "TensorBoardLogger":
        events = EventAccumulator(str(folder / "curves")).Reload().Scalars("train/loss")
        return [(event.step, event.value) for event in events]
    with (folder / "curves/metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    return [(int(row["step"]), float(row["train/loss"])) for row in rows]


@pytest.mark.parametrize("name", LOGGERS)
def test_a_start_that_fails_leaves_no_file_of_a_logger(config, tmp_path, capsys, name):
    path = config(logger=own_logger(name, tmp_path / "run"))
    before = sorted(tmp_path.rglob("*"))
    rejection(["fit", "--config", path, "--data.num_train_samples=999"], capsys)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", LOGGERS)
def test_a_killed_and_resumed_run_continues_its_curve(config, tmp_path, name):
    options = {"max_epochs": 2, "log_every_n_steps": 1}
    more = ["--checkpoint_every_n_steps=3"]
    whole = config("whole", logger=own_logger(name, tmp_path / "whole"), **options)
    main(["fit", "--config", str(whole), *more])
    killer = {"class_path": f"{__name__}.KillAt", "init_args": {"step": 8}}
    logger = own_logger(name, tmp_path / "run")
    path = config(logger=logger, callbacks=[killer], **options)
    with pytest.raises(KilledError):
        main(["fit", "--config", str(path), *more])
    assert [step for step, _ in curve(name, tmp_path / "run")] == list(range(8))
    main(["fit", "--config", str(config(logger=logger, **options)), *more])
    assert [step for step, _ in curve(name, tmp_path / "run")] == list(range(10))
    assert curve(name, tmp_path / "run") == curve(name, tmp_path / "whole")


def test_what_is_written_before_the_first_step_is_kept(config, tmp_path):
    logger = own_logger("TensorBoardLogger", tmp_path / "run")
    path = config(max_epochs=1, logger=logger, callbacks=[{"class_path": f"{__name__}.Remark"}])
    main(["fit", "--config", str(path)])
    events = EventAccumulator(str(tmp_path / "run/curves")).Reload()
    assert events.Scalars("remark")[0].value == 1.0
    assert events.Scalars("own")[0].value == 3.0
