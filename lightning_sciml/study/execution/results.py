"""Results of a study: result.json of a run, and results.csv with one row for each tested set."""

import csv
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from lightning_sciml.errors import InputError
from lightning_sciml.json_files import json_text
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.durable import replacing, write_whole
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.rollout_results import COLUMNS, Rollout, read_rollouts
from lightning_sciml.study.execution.rollouts import rolled_out
from lightning_sciml.study.execution.run_config import Datasets, budget
from lightning_sciml.study.execution.run_files import Errors, Result, read_result, read_summary
from lightning_sciml.study.execution.test_reports import reports

ALL_FIELDS = "all"
"""What stands in the column `field` of an error that is the mean over all fields."""
OTHER_PARTS = ("fields", "datasets", "checksums")  # of a report, beside metrics
START_MARK = "\n=== start of "
# Columns of results.csv: attributes of the run, then of its result; the metrics stand between.
OF_RUN = "init pretraining dataset field model num_parameters recipe seed num_samples learning_rate"
OF_SELECTION = "subset_draw is_selected val_relative_l2"
OF_RESULT = "num_steps num_samples_seen fit_elapsed_s num_attempts num_trained_parameters"


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
    """One run on one test set, in the mean over its fields or in one of them.

    Attributes:
        run: what was trained, and how.
        result: all that it measured.
        dataset: what it is tested on.
        is_selected: whether validation prefers it over the other learning rates.
        field: name of the field, None for the mean.
    """

    run: Run
    result: Result
    dataset: str
    is_selected: bool
    field: str | None = None

    @property
    def errors(self) -> Errors:
        """Means over test samples by metric, each a column of results.csv."""
        if self.field is None:
            return self.result.tests[self.dataset]
        return self.result.fields[self.dataset][self.field]

    @property
    def relative_l2(self) -> float | None:
        """‖û - u‖/‖u‖; None where predictions are not finite."""
        return self.errors["relative_l2"]

    @property
    def rollout(self) -> Rollout | None:
        """Errors of rollouts on the test set; None where the run was not tested by any."""
        found = self.result.rollouts.get(self.dataset)
        if found is None:
            return None
        return found.mean if self.field is None else found.fields.get(self.field)

    @property
    def arm(self) -> Arm:
        """The arm of the study that the run belongs to."""
        return Arm(self.run.init, self.run.pretraining, self.run.model, self.run.recipe)

    @property
    def replicate(self) -> Replicate:
        """Which repetition of its arm the run is."""
        return Replicate(self.run.seed, self.run.subset_draw)


def write_result(
    study: StudyFile, run: Run, datasets: Datasets, stopped_at: int | None = None
) -> None:
    """Write RUN/result.json of a run that has been trained and tested, and is finished by that.

    One that has lost at a rung of the search for its learning rate has trained to that step.

    Raises:
        InputError: a report of the test is damaged.
    """
    folder, plan = study.run_dir(run), budget(study, run, datasets)
    summary = None if run.init == Init.ZERO_SHOT else read_summary(folder)
    origin = read_summary(study.run_dir(run.pretrained)) if run.pretrained else None
    tests, fields = mean_errors(folder)
    rollouts = read_rollouts(folder)
    for name in rolled_out(study, run, datasets):
        if name not in rollouts:
            raise InputError(f"{folder} has no report on rollouts of {name}; run the test again")
    num_steps = plan.num_steps if stopped_at is None else stopped_at
    trained = summary or origin  # zero-shot has the network of its pre-training, if that is known
    result = Result(
        run=run.name,
        num_parameters=trained.num_parameters if trained else 0,
        num_trained_parameters=summary.num_trained_parameters if summary else None,
        val_relative_l2=summary.best_val_relative_l2 if summary else None,
        num_steps=num_steps,
        num_samples_seen=plan.epoch.num_samples_seen(num_steps),
        fit_elapsed_s=summary.elapsed_s if summary else 0.0,
        num_threads=_num_threads(),
        num_attempts=max(1, RunFolder(folder).log.read_text(errors="replace").count(START_MARK)),
        tests=tests,
        fields=fields,
        rollouts=rollouts,
        stopped_at_step=stopped_at,
    )
    write_whole(RunFolder(folder).result, json_text(asdict(result), indent=1))


def _num_threads() -> int | None:
    """Read how many threads this process computes with, where its environment says so."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() else None


def mean_errors(folder: Path) -> tuple[dict[str, Errors], dict[str, dict[str, Errors]]]:
    """Read the mean errors by tested data set, and by field, from what ``sciml test`` has written.

    Raises:
        InputError: a report is damaged.
    """
    found: dict[str, Errors] = {}
    by_field: dict[str, dict[str, Errors]] = {}
    for path, name, report in reports(folder, on_rollouts=False):
        found[name] = _means(report)
        if of_fields := report.get("fields"):
            by_field[name] = {field: _means(errors) for field, errors in of_fields.items()}
        if "relative_l2" not in found[name]:
            raise InputError(f"{path} must have a relative_l2 of {name}; run the test again")
    return found, by_field


def _means(report: Mapping[str, Any]) -> Errors:
    """Take the mean of each metric of a report; its other parts are no statistics."""
    return {
        name: of_metric["mean"]
        for name, of_metric in report.items()
        if name not in OTHER_PARTS and isinstance(of_metric, dict)
    }


def finished_results(study: StudyFile, runs: Sequence[Run]) -> tuple[dict[Run, Result], list[str]]:
    """Read the results of all finished runs, and list a line on each damaged one."""
    found, damaged = {}, []
    for run in runs:
        try:
            if (result := read_result(study, run)) is not None:
                found[run] = result
        except InputError as error:
            damaged.append(str(error))
    return found, damaged


def collect(finished: Mapping[Run, Result]) -> list[ResultRow]:
    """List rows of all finished runs.

    Of runs that differ in the learning rate alone, the one with the least validation error is
    selected; one without a finite validation error only where there is no other. A run that has
    lost at a rung is never selected.
    """
    best: dict[Run, tuple[float, Run]] = {}
    for run, result in finished.items():
        if result.stopped_at_step is not None:
            continue
        alike = replace(run, learning_rate=None)
        error = math.inf if result.val_relative_l2 is None else result.val_relative_l2
        if alike not in best or error < best[alike][0]:
            best[alike] = (error, run)
    selected = {run for _, run in best.values()}
    return [
        ResultRow(run=run, result=result, dataset=dataset, is_selected=run in selected, field=field)
        for run, result in finished.items()
        for dataset in result.tests
        for field in (None, *result.fields.get(dataset, ()))
    ]


def _shown(field: str | None) -> str:
    """Name a field in the table; one that is called as the mean is told apart."""
    return ALL_FIELDS if field is None else f"{field}{'_field' if field == ALL_FIELDS else ''}"


def write_table(rows: Sequence[ResultRow], path: Path) -> None:
    """Write results.csv; an error that is not a number is an empty cell."""
    metrics = dict.fromkeys(metric for row in rows for metric in row.errors)
    before = ["run", *OF_RUN.split(), *OF_SELECTION.split()]
    of_rollouts = COLUMNS if any(row.rollout for row in rows) else ()
    is_halved = any(row.result.stopped_at_step is not None for row in rows)
    of_search = ("stopped_at_step",) if is_halved else ()
    columns = [*before, *metrics, *of_rollouts, *OF_RESULT.split(), *of_search]
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            known = {"run": row.run.name, "dataset": row.dataset, "is_selected": row.is_selected}
            known = {**vars(row.result), **row.errors, **known, "field": _shown(row.field)}
            known |= row.rollout.columns if row.rollout else {}
            values = (known.get(c, getattr(row.run, c, None)) for c in columns)
            writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in values])
