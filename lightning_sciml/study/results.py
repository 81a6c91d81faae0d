"""Results of a study: result.json of a run, and results.csv with one row for each tested set."""

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lightning_sciml.shards.durable import write_whole
from lightning_sciml.study.run_config import Datasets, budget
from lightning_sciml.study.run_files import RESULT, read_json
from lightning_sciml.study.runs import DownstreamRun, PretrainingRun, Run
from lightning_sciml.study.study_file import StudyFile

PRETRAIN = "pretrain"
_ERRORS = (
    "relative_l2",
    "vrmse",
    "pde_residual",
    "band_error_low",
    "band_error_mid",
    "band_error_high",
)


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One run on one test set. Errors are means over test samples.

    Attributes:
        run: name of the run.
        init: pretrain, scratch, zero_shot or fine_tune.
        pretraining: where its weights come from; of a pre-training its own; empty from scratch.
        dataset: what it is tested on.
        model: name of the size.
        num_parameters: of the network.
        recipe: how it was trained.
        num_samples: labelled downstream samples used, validation included where budgeted.
        learning_rate: peak rate; None for zero-shot and pre-training.
        seed: of weights and order.
        subset_draw: of the downstream samples.
        is_selected: whether validation prefers it over the other learning rates.
        val_relative_l2: smallest of its validations; None for zero-shot.
        relative_l2: ‖û - u‖/‖u‖.
        vrmse: ‖û - u‖/‖u - ū‖.
        pde_residual: ‖Lû - f‖/‖f‖; not a number where no equation is known.
        band_error_low: Σ|û̂ - û|²/Σ|û|² over |n| < 4.
        band_error_mid: over 4 ≤ |n| < 12.
        band_error_high: over 12 ≤ |n|.
        num_steps: optimizer steps.
        num_samples_seen: samples over all steps.
        fit_elapsed_s: seconds of training over all starts, up to the last checkpoint of each.
        num_attempts: starts of the run.
    """

    run: str
    init: str
    pretraining: str
    dataset: str
    model: str
    num_parameters: int
    recipe: str
    seed: int
    num_samples: int = 0
    learning_rate: float | None = None
    subset_draw: int = 0
    is_selected: bool
    val_relative_l2: float | None
    relative_l2: float
    vrmse: float
    pde_residual: float
    band_error_low: float
    band_error_mid: float
    band_error_high: float
    num_steps: int
    num_samples_seen: int
    fit_elapsed_s: float
    num_attempts: int

    @property
    def arm(self) -> tuple[str, str, str, str]:
        """What a curve over numbers of samples shares on one data set."""
        return (self.init, self.pretraining, self.model, self.recipe)

    @property
    def replicate(self) -> tuple[int, int]:
        """Seed and draw: arms are compared on equal ones."""
        return (self.seed, self.subset_draw)


def run_result(study: StudyFile, run: Run, datasets: Datasets) -> dict[str, Any]:
    """What is known of a run that has just been trained and tested."""
    folder, plan = study.run_dir(run), budget(study, run, datasets)
    summary = read_json(folder / "summary.json") or {}
    log_starts = (folder / "log.txt").read_text(errors="replace").count(START_MARK)
    return {
        "run": run.name,
        **_factors(run),
        "num_parameters": _num_parameters(study, run, summary),
        "val_relative_l2": summary.get("best_val_relative_l2"),
        "num_steps": plan.num_steps,
        "num_samples_seen": plan.num_samples_seen,
        "fit_elapsed_s": summary.get("elapsed_s", 0.0),
        "num_attempts": max(1, log_starts),
        "tests": tests(folder),
    }


def _factors(run: Run) -> dict[str, Any]:
    if isinstance(run, PretrainingRun):
        return {**asdict(run), "init": PRETRAIN}
    factors = asdict(run)
    del factors["pretrained"], factors["dataset"]
    return {**factors, "pretraining": run.pretrained.pretraining if run.pretrained else ""}


def _num_parameters(study: StudyFile, run: Run, summary: dict[str, Any]) -> int:
    if "num_parameters" not in summary and isinstance(run, DownstreamRun) and run.pretrained:
        summary = read_json(study.run_dir(run.pretrained) / RESULT) or {}
    return int(summary.get("num_parameters", 0))


START_MARK = "\n=== start of "


def tests(folder: Path) -> dict[str, dict[str, float]]:
    """Mean errors by tested data set, from what ``sciml test`` has written."""
    found: dict[str, dict[str, float]] = {}
    for path in sorted((folder / "test").glob("*.json")):
        report = json.loads(path.read_text())
        for name, errors in report.get("datasets", {path.stem: report}).items():
            found[name] = {
                key: errors[key]["mean"] if key in errors else math.nan for key in _ERRORS
            }
    return found


def write_result(folder: Path, result: dict[str, Any]) -> None:
    """Write RUN/result.json: from here on the run is finished."""
    write_whole(folder / RESULT, json.dumps(result, indent=1) + "\n")


def collect(study: StudyFile, runs: Sequence[Run]) -> list[ResultRow]:
    """Rows of all finished runs, with the learning rate that validation prefers marked."""
    found = {run: read_json(study.run_dir(run) / RESULT) for run in runs}
    finished = {run: result for run, result in found.items() if result}
    chosen = selected(finished)
    rows = []
    for run, result in finished.items():
        own = {key: value for key, value in result.items() if key != "tests"}
        own["is_selected"] = run in chosen
        rows += [ResultRow(dataset=d, **own, **errors) for d, errors in result["tests"].items()]
    return rows


def selected(finished: dict[Run, dict[str, Any]]) -> set[Run]:
    """Of runs that differ in the learning rate alone, the one with the least validation error."""
    best: dict[tuple[Any, ...], tuple[float, Run]] = {}
    for run, result in finished.items():
        key: tuple[Any, ...] = (run,)
        if isinstance(run, DownstreamRun):
            key = tuple(getattr(run, f.name) for f in fields(run) if f.name != "learning_rate")
        error = result["val_relative_l2"] or 0.0
        if key not in best or error < best[key][0]:
            best[key] = (error, run)
    return {run for _, run in best.values()}


def write_table(rows: Sequence[ResultRow], path: Path) -> None:
    """Write results.csv."""
    names = [f.name for f in fields(ResultRow)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)


def _cell(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
