"""Results of a study: result.json of a run, and results.csv with one row for each tested set."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from lightning_sciml.errors import InputError
from lightning_sciml.json_files import json_text, read_json
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.durable import write_whole
from lightning_sciml.study.definition.runs import DownstreamRun, PretrainingRun, Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.run_config import Datasets, budget
from lightning_sciml.study.execution.run_files import (
    Errors,
    Result,
    read_result,
    read_summary,
)

PRETRAIN = "pretrain"
START_MARK = "\n=== start of "


class Arm(NamedTuple):
    """Factors that the runs of one curve over numbers of samples share."""

    init: str
    pretraining: str
    model: str
    recipe: str


class Replicate(NamedTuple):
    """Seed and draw of the samples; arms are compared on equal ones."""

    seed: int
    subset_draw: int


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One run on one test set.

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
        errors: means over test samples by metric, each a column of results.csv.
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
    errors: Errors
    num_steps: int
    num_samples_seen: int
    fit_elapsed_s: float
    num_attempts: int

    @property
    def relative_l2(self) -> float | None:
        """‖û - u‖/‖u‖; None where predictions are not finite."""
        return self.errors["relative_l2"]

    @property
    def arm(self) -> Arm:
        """The arm of the study that the run belongs to."""
        return Arm(self.init, self.pretraining, self.model, self.recipe)

    @property
    def replicate(self) -> Replicate:
        """Which repetition of its arm the run is."""
        return Replicate(self.seed, self.subset_draw)


def run_result(study: StudyFile, run: Run, datasets: Datasets) -> Result:
    """Collect the result of a run that has just been trained and tested."""
    folder, plan = study.run_dir(run), budget(study, run, datasets)
    summary = read_summary(folder) if plan.num_steps else None
    log_starts = RunFolder(folder).log.read_text(errors="replace").count(START_MARK)
    return Result(
        run=run.name,
        num_parameters=summary.num_parameters if summary else _num_parameters(study, run),
        val_relative_l2=summary.best_val_relative_l2 if summary else None,
        num_steps=plan.num_steps,
        num_samples_seen=plan.num_samples_seen,
        fit_elapsed_s=summary.elapsed_s if summary else 0.0,
        num_attempts=max(1, log_starts),
        tests=mean_errors(folder),
    )


def _factors(run: Run) -> dict[str, Any]:
    if isinstance(run, PretrainingRun):
        return {**asdict(run), "init": PRETRAIN}
    factors = asdict(run)
    del factors["pretrained"], factors["dataset"]
    return {**factors, "pretraining": run.pretrained.pretraining if run.pretrained else ""}


def _num_parameters(study: StudyFile, run: Run) -> int:
    """Count parameters of a pre-trained network tested as it is; 0 where the number is unknown."""
    origin = run.pretrained if isinstance(run, DownstreamRun) else None
    trained = read_summary(study.run_dir(origin)) if origin else None
    return trained.num_parameters if trained else 0


def mean_errors(folder: Path) -> dict[str, Errors]:
    """Read the mean errors by tested data set from what ``sciml test`` has written.

    Raises:
        InputError: a report is damaged.
    """
    found: dict[str, Errors] = {}
    for path in sorted(RunFolder(folder).tests.glob("*.json")):
        report = read_json(path, dict[str, Any], remedy="run the test again")
        parts = report.get("datasets") or {path.stem: report}
        for name, part in parts.items():
            found[name] = {
                metric: of_metric["mean"]
                for metric, of_metric in part.items()
                if isinstance(of_metric, dict) and "mean" in of_metric
            }
            if "relative_l2" not in found[name]:
                raise InputError(f"{path} must have a relative_l2 of {name}; run the test again")
    return found


def write_result(folder: Path, result: Result) -> None:
    """Write RUN/result.json: from here on the run is finished."""
    write_whole(RunFolder(folder).result, json_text(asdict(result), indent=1))


def finished_results(study: StudyFile, runs: Sequence[Run]) -> tuple[dict[Run, Result], list[str]]:
    """Read the results of all finished runs, and list a line on each damaged one."""
    found, damaged = {}, []
    for run in runs:
        try:
            result = read_result(study, run)
        except InputError as error:
            damaged.append(str(error))
            continue
        if result is not None:
            found[run] = result
    return found, damaged


def collect(finished: Mapping[Run, Result]) -> list[ResultRow]:
    """List rows of all finished runs, and mark the learning rate that validation prefers."""
    chosen = selected(finished)
    return [
        ResultRow(
            dataset=dataset,
            **_factors(run),
            **{name: value for name, value in vars(result).items() if name != "tests"},
            errors=errors,
            is_selected=run in chosen,
        )
        for run, result in finished.items()
        for dataset, errors in result.tests.items()
    ]


def selected(finished: Mapping[Run, Result]) -> set[Run]:
    """Select, of runs that differ in the learning rate alone, the least validation error.

    A training without a finite validation error is chosen only where there is no other.
    """
    best: dict[tuple[Any, ...], tuple[float, Run]] = {}
    for run, result in finished.items():
        key: tuple[Any, ...] = (run,)
        if isinstance(run, DownstreamRun):
            key = tuple(getattr(run, f.name) for f in fields(run) if f.name != "learning_rate")
        error = math.inf if result.val_relative_l2 is None else result.val_relative_l2
        if key not in best or error < best[key][0]:
            best[key] = (error, run)
    return {run for _, run in best.values()}


def write_table(rows: Sequence[ResultRow], path: Path) -> None:
    """Write results.csv; an error that is not a number is an empty cell."""
    metrics = dict.fromkeys(metric for row in rows for metric in row.errors)
    columns = [
        column
        for f in fields(ResultRow)
        for column in (metrics if f.name == "errors" else [f.name])
    ]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            values = vars(row) | row.errors
            writer.writerow([_cell(values.get(column)) for column in columns])


def _cell(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
