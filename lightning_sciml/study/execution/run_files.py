"""The files of a run: RUN/run.yaml, log.txt, summary.json, result.json or error.json.

All of them are data: reading one runs nothing that stands in it, and checks its types.
"""

import math
import os
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from lightning_sciml.errors import InputError
from lightning_sciml.json_files import read_json
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.study.definition.runs import Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.rollout_results import Rollouts


class State(StrEnum):
    """Progress of a run."""

    FINISHED = "finished"
    FAILED = "failed"
    STARTED = "started"
    WAITING = "waiting"
    DAMAGED = "damaged"


Errors = dict[str, float | None]
"""Means over a test set by metric, as `sciml test` names them; None where not finite."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Measurements of a finished run: RUN/result.json.

    Attributes:
        run: its name.
        num_parameters: of the network.
        val_relative_l2: smallest of its validations; None for zero-shot.
        num_steps: optimizer steps.
        num_samples_seen: samples over all steps.
        fit_elapsed_s: seconds of training over all starts.
        num_threads: of the process that trained; None where nothing said it.
        num_attempts: starts of the run.
        tests: errors by test set, means over its fields; relative_l2 is always among them.
        fields: of test sets with several fields, errors by field.
        rollouts: by test set, where the study asks for them.
        num_trained_parameters: parameters that training changes; None where it is not known.
        stopped_at_step: rung at which another learning rate was preferred; None for a full run.
    """

    run: str
    num_parameters: int
    val_relative_l2: float | None
    num_steps: int
    num_samples_seen: int
    fit_elapsed_s: float
    num_attempts: int
    tests: dict[str, Errors]
    fields: dict[str, dict[str, Errors]] = field(default_factory=dict)
    rollouts: dict[str, Rollouts] = field(default_factory=dict)
    num_trained_parameters: int | None = None
    num_threads: int | None = None
    stopped_at_step: int | None = None

    def __post_init__(self) -> None:
        """Reject values that no run can have."""
        numbers: list[float | None] = [self.num_parameters, self.num_steps, self.num_samples_seen]
        numbers += [self.fit_elapsed_s, self.val_relative_l2, self.num_trained_parameters]
        by_field = [errors for of_set in self.fields.values() for errors in of_set.values()]
        tested = [*self.tests.values(), *by_field]
        numbers += [error for errors in tested for error in errors.values()]
        if not all(number is None or 0 <= number < math.inf for number in numbers):
            raise ValueError("numbers and errors must be at least 0 and finite")
        if not all("relative_l2" in errors for errors in tested):
            raise ValueError("every test must have a relative_l2")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Summary that a training writes at its end: RUN/summary.json.

    Attributes:
        num_steps: optimizer steps.
        num_parameters: of the network.
        elapsed_s: seconds of training over all starts.
        best_val_relative_l2: smallest of its validations; None where there was none.
        num_trained_parameters: parameters that it changes; None in a file of an earlier version.
    """

    num_steps: int
    num_parameters: int
    elapsed_s: float
    best_val_relative_l2: float | None = None
    num_trained_parameters: int | None = None


def state_of(study: StudyFile, run: Run) -> State:
    """Tell how far a run is; "started" is running now, or was killed."""
    folder = RunFolder(study.run_dir(run))
    try:
        if read_result(study, run) is not None:
            return State.FINISHED
    except InputError:
        return State.DAMAGED
    if folder.error.exists():
        return State.FAILED
    return State.STARTED if folder.log.exists() else State.WAITING


def read_result(study: StudyFile, run: Run) -> Result | None:
    """Read the result of a run; None where it has none yet.

    Raises:
        InputError: the file is damaged, or the result of another run.
    """
    path, remedy = RunFolder(study.run_dir(run)).result, "sciml study run does this run again"
    if not path.exists():
        return None
    result = read_json(path, Result, remedy=remedy)
    wanted = (run.name, sorted(run.datasets))
    if (result.run, sorted(result.tests)) != wanted:
        raise InputError(
            f"{path} must be the result of {wanted[0]} on {', '.join(wanted[1])}, it is that of "
            f"{result.run} on {', '.join(result.tests) or 'nothing'}; {remedy}"
        )
    return result


def read_summary(folder: Path) -> Summary | None:
    """Read the summary of a training; None where it has not ended, or the file is damaged.

    Training writes it at its end, each time: a damaged one costs no more than one that is missing.
    """
    try:
        return read_json(RunFolder(folder).summary, Summary, remedy="")
    except (FileNotFoundError, InputError):
        return None


def error_message(folder: Path) -> str:
    """Read why a run has failed; say so where its error.json is damaged."""
    files = RunFolder(folder)
    try:
        return read_json(files.error, dict[str, str], remedy=f"see {files.log}").get("message", "")
    except FileNotFoundError:
        return ""
    except InputError as error:
        return str(error)


def has_begun(folder: Path) -> bool:
    """Tell whether a run has left what it took its configuration to make: weights, or a result."""
    files = RunFolder(folder)
    kept = (files.result, files.summary, files.rungs)
    return any(files.checkpoints.glob("*.ckpt")) or any(path.exists() for path in kept)


def read_config(path: Path) -> dict[str, Any] | None:
    """Read a run.yaml; None where there is none.

    Raises:
        InputError: it is damaged.
    """
    if not path.exists():
        return None
    try:
        return msgspec.yaml.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, RecursionError, msgspec.DecodeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path} is damaged or was edited: {reason:.200}; remove {path.parent}, or that file "
            "alone if the study has not changed since"
        ) from error


def last_line(path: Path) -> str:
    """Read the last line of a log as a terminal shows it, such as the state of a progress bar."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1000))
            lines = re.split(r"[\r\n]+", file.read().decode(errors="replace").strip())
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return lines[-1]
