"""Runs of a study write with the loggers that it names, each below its own folder."""

import csv

import yaml
from small_study import TRAINER, execute, grid, pretended

from lightning_sciml.cli import fit


def test_a_run_of_a_study_has_the_files_of_its_loggers(study_file, tmp_path):
    loggers = [
        {"class_path": "CSVLogger"},
        {"class_path": "lightning.pytorch.loggers.TensorBoardLogger"},
    ]
    trainer = {**TRAINER, "logger": loggers, "log_every_n_steps": 1}
    factors = {"num_samples": [8], "learning_rates": [3e-3], "seeds": [0]}
    path = study_file(
        **grid(inits=["scratch"], subset_draws=[0], **factors),
        downstream={"min_steps": 2, "num_validations": 1, "trainer": trainer},
    )
    assert len(execute(path, verb=lambda w: (fit.main if w[0] == "fit" else pretended)(w)).finished)
    (run,) = (tmp_path / "study/runs").iterdir()
    (events,) = (run / "tensorboard").glob("events.out.tfevents.*")
    assert b"_hparams_/session_start_info" in events.read_bytes()  # what the page HPARAMS shows
    rows = list(csv.DictReader((run / "csv/metrics.csv").read_text().splitlines()))
    assert {int(row["step"]) for row in rows if row["train/loss"]} == {0, 1}
    options = yaml.safe_load((run / "csv/hparams.yaml").read_text())
    assert options["model.optimizer.lr"] == 3e-3
    assert not list(tmp_path.glob("**/lightning_logs"))
