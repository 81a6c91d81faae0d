"""Successive halving over learning rates: the best is left, with the bits of a run in full."""

import csv
import json
import os
import signal
import time
from pathlib import Path

import pytest
import torch
import yaml
from small_study import TRAINER, execute, grid, in_background, option, pretended, rejection

from lightning_sciml.cli import fit
from lightning_sciml.study.execution.execute import Executor
from lightning_sciml.study.execution.plan import checked_plan, describe_plan
from lightning_sciml.study.execution.results import collect, finished_results, write_table
from lightning_sciml.study.execution.searches import searches
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.sections import Findings
from lightning_sciml.study.report.stopped_rates import stopped_section

RATES = [1e-4, 1e-3, 1e-2, 1e-1]
ERRORS = dict(zip(RATES, (0.4, 0.2, 0.1, 0.3), strict=True))
STOPPED = {1e-4: 2, 1e-3: 4, 1e-2: None, 1e-1: 2}  # at a quarter and at half of eight steps


def halved(study_file, rates=RATES, **changes):
    """Path of a study of one arm that halves the rates; a run has eight steps."""
    stage = {"min_steps": 8, "num_validations": 8, "data": {"batch_size": 8}, "trainer": TRAINER}
    runs = grid(
        inits=["scratch"], num_samples=[8], learning_rates=rates, seeds=[0], subset_draws=[0]
    )
    stage |= changes.pop("stage", {})
    return study_file(**runs, **{"search": "halving", "downstream": stage, **changes})


class Trained:
    """Leaves what `sciml fit` does, with a known error; notes rate and first and last step.

    Args:
        log: file of the notes.
        before: called with rate and last step before each training.
    """

    def __init__(self, log, before=lambda rate, until: None):
        self.log, self.before = log, before

    def __call__(self, words):
        config = yaml.safe_load(Path(option(words, "--config")).read_text())
        if words[0] != "fit":
            pretended(words)
            return
        rate = config["model"]["init_args"]["optimizer"]["init_args"]["lr"]
        is_part = "--stop_after_step" in words
        until = int(option(words, "--stop_after_step")) if is_part else 8
        self.before(rate, until)
        path = Path(config["run_dir"]) / "summary.json"
        first = json.loads(path.read_text())["num_steps"] if path.exists() else 0
        pretended(words)
        error = ERRORS[rate] + 1 / until
        summary = {"num_steps": until, "num_parameters": 7, "elapsed_s": 1.0}
        path.write_text(json.dumps({**summary, "best_val_relative_l2": error}))
        with self.log.open("a") as file:
            file.write(f"{rate} {first} {until}\n")
        if is_part:
            raise SystemExit(0)

    def legs(self):
        return [tuple(map(float, line.split())) for line in self.log.read_text().splitlines()]


def stops(path):
    """Step at which each rate was stopped, of those with a result."""
    study, runs, _ = checked_plan(path)
    finished, _ = finished_results(study, runs)
    return {run.learning_rate: result.stopped_at_step for run, result in finished.items()}


@pytest.mark.parametrize("jobs", [1, 3])
def test_the_best_rate_is_left_at_the_cost_that_the_plan_tells(study_file, tmp_path, jobs):
    path, trained = halved(study_file), Trained(tmp_path / "log")
    outcome = execute(path, trained, jobs=jobs)
    assert len(outcome.finished) == 4
    assert stops(path) == STOPPED
    study, runs, datasets = checked_plan(path)
    [search] = searches(study, runs, datasets)
    assert search.endings == [2, 2, 4, 8]
    assert sum(last - first for _, first, last in trained.legs()) == sum(search.endings)
    told = describe_plan(study, runs, datasets, words="small.yaml")
    assert "4 → 2 → 1 rates at steps 2, 4 of 8: 16 of 32 steps each, 50% of all" in told
    assert told.count("--array=0-3") == 3  # to each rung, and to the end
    rows = collect(finished_results(study, runs)[0])
    assert [row.run.learning_rate for row in rows if row.is_selected] == [1e-2]
    execute(path, trained)
    assert len(trained.legs()) == 7  # 4 + 2 + 1: what is decided is not done again


def test_rungs_are_at_the_steps_of_the_study_where_it_is_validated(study_file):
    for rungs, expected in (([3], (4,)), ([1, 5, 6], (2, 6)), ([8], ()), ([7], ())):
        path = halved(study_file, rungs=rungs, stage={"num_validations": 4})
        [search] = searches(*checked_plan(path))
        assert search.rungs == expected
    assert search.endings == [8, 8, 8, 8]


def test_tasks_of_an_array_end_at_a_rung_and_go_on_in_the_next_round(study_file, tmp_path):
    path, trained = halved(study_file), Trained(tmp_path / "log")
    study, runs, datasets = checked_plan(path)
    rounds = []
    for _ in range(3):
        told = []
        for run in runs:
            executor = Executor(study, datasets, verb=trained, jobs=1, say=lambda _: None)
            outcome = executor.execute([run])
            assert not outcome.left + outcome.failed
            told.append("waits" if outcome.at_rung else "ends")
        rounds.append(told)
    assert rounds[0] == ["waits", "waits", "waits", "ends"]
    assert rounds[1:] == [["ends", "waits", "ends", "ends"], ["ends"] * 4]
    assert stops(path) == STOPPED


def test_a_study_killed_between_rungs_ends_as_an_undisturbed_one(study_file, tmp_path):
    path, marker = halved(study_file), tmp_path / "killed"

    def kill(rate, until):
        if (rate, until) == (1e-2, 4) and not marker.exists():
            marker.touch()
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)

    trained = Trained(tmp_path / "log", kill)
    process = in_background(execute, path, trained, 1)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    decisions = {p: p.read_bytes() for p in (tmp_path / "study/search").rglob("*.json")}
    assert [p.name for p in decisions] == ["2.json"]
    execute(path, trained)
    assert stops(path) == STOPPED
    assert all(p.read_bytes() == content for p, content in decisions.items())
    assert len(trained.legs()) == 7


def test_a_run_that_fails_loses_and_is_not_tried_again(study_file, tmp_path):
    def fail(rate, until):
        if rate == 1e-2 and until == 4:
            raise FloatingPointError("not finite")

    path, trained = halved(study_file), Trained(tmp_path / "log", fail)
    for _ in range(2):
        outcome = execute(path, trained)
        assert [run.learning_rate for run in outcome.lost] == [1e-2]
        assert not outcome.left + outcome.failed
        assert stops(path) == {1e-4: 2, 1e-3: None, 1e-1: 2}
    assert len(trained.legs()) == 6


def test_rates_that_were_trained_in_full_before_are_met_by_new_ones(study_file, tmp_path):
    trained = Trained(tmp_path / "log")
    execute(halved(study_file, rates=[1e-3, 1e-2], search="all"), trained)
    path = halved(study_file)
    assert not execute(path, trained).at_rung
    assert stops(path) == {1e-4: 2, 1e-3: None, 1e-2: None, 1e-1: 2}


def test_other_rates_after_a_decision_are_a_fault(study_file, tmp_path, capsys):
    execute(halved(study_file), Trained(tmp_path / "log"))
    wider = halved(study_file, rates=[*RATES, 1.0])
    assert "holds a search with other rates" in rejection("plan", wider, capsys)
    invalid = halved(study_file, selection="last", rungs=[4, 2])
    told = rejection("plan", invalid, capsys)
    assert "search halving needs validations that decide" in told
    assert "rungs must be ascending steps" in told


def weights(path):
    return torch.load(path, weights_only=True, map_location="cpu")["state_dict"]


def test_the_run_that_is_left_has_the_bits_of_the_run_trained_in_full(study_file, tmp_path):
    options = {"rates": [1e-3, 1e-2], "keep_checkpoints": True}
    stage = {"min_steps": 6, "num_validations": 3}
    outputs = {search: tmp_path / search for search in ("all", "halving")}
    for search, output in outputs.items():
        path = halved(study_file, search=search, output=str(output), stage=stage, **options)
        assert not execute(path, fit.main, jobs=1).failed
    study, runs, _ = checked_plan(path)
    finished, _ = finished_results(study, runs)
    [left] = [run for run, result in finished.items() if result.stopped_at_step is None]
    [lost] = {*runs} - {left}
    assert finished[lost].num_steps == finished[lost].stopped_at_step == 4
    folders = [output / "runs" / left.name for output in outputs.values()]
    for name in ("last", "best"):
        full, halved_run = (weights(folder / f"checkpoints/{name}.ckpt") for folder in folders)
        assert all(torch.equal(full[key], halved_run[key]) for key in full)
    results = [json.loads((folder / "result.json").read_text()) for folder in folders]
    for key in ("tests", "val_relative_l2", "num_steps", "num_samples_seen"):
        assert results[0][key] == results[1][key]
    rows = collect(finished)
    write_table(rows, tmp_path / "results.csv")
    with (tmp_path / "results.csv").open(newline="") as file:
        table = {row["run"]: row["stopped_at_step"] for row in csv.DictReader(file)}
    assert table == {left.name: "", lost.name: "4"}
    page = Page(tmp_path / "report")
    page.directory.mkdir()
    stopped_section(page, Findings(study, rows))
    shown = page.write("halving").read_text()
    assert f"<td>{lost.learning_rate:g}</td><td>4</td>" in shown.replace("\n", "")
