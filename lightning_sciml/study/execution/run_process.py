"""Execute one run of a study in this process: train, test, write its result or its error."""

import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from lightning_sciml.errors import InputError, reported_cause
from lightning_sciml.folder_lock import FolderLock
from lightning_sciml.json_files import json_text
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.durable import write_whole
from lightning_sciml.study.definition.runs import DownstreamRun, Init, Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.results import START_MARK, run_result, write_result
from lightning_sciml.study.execution.run_config import Datasets, budget, checkpoint_of, run_config
from lightning_sciml.study.execution.run_files import (
    State,
    read_summary,
    state_of,
)

STOPPED, BUSY = 75, 76  # exit codes of a run: asked to stop; another process is at it
Verb = Callable[[Sequence[str]], None]


def run_one(study: StudyFile, run: Run, datasets: Datasets, verb: Verb) -> int:
    """Train and test one run, append output to RUN/log.txt, and return the exit code."""
    folder, files = study.run_dir(run), RunFolder(study.run_dir(run))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
        if not lock.acquire():
            return BUSY
        lock.share()  # with the fit
        if state_of(study, run) == State.FINISHED:
            return 0
        for stale in (files.error, files.result):
            stale.unlink(missing_ok=True)
        write_whole(files.study_config, yaml.safe_dump(run_config(study, run, datasets)))
        redirect_output(files.log)
    except OSError as error:  # no place for an error.json
        sys.stderr.write(f"{run.name} failed: {error.strerror}: {error.filename}\n")
        return 1
    os.write(1, f"{START_MARK}{run.name}\n".encode())
    return _fit_and_test(study, run, datasets, verb)


def _fit_and_test(study: StudyFile, run: Run, datasets: Datasets, verb: Verb) -> int:
    folder = study.run_dir(run)
    *fits, test = commands(study, run, datasets)
    try:
        if fits:
            with _same_environment():
                fit(study, run, datasets, verb)
        with _same_environment():
            verb(test)
        write_result(folder, run_result(study, run, datasets))
    except SystemExit as stop:
        return STOPPED if RunFolder(folder).preempted.exists() else int(bool(stop.code))
    except BaseException as error:
        reported = reported_cause(error)
        message = str(reported) if reported else f"{type(error).__name__}: {error}"
        write_error(folder, message, traceback.format_exc())
        return 1
    if isinstance(run, DownstreamRun) and not study.keep_checkpoints:
        shutil.rmtree(RunFolder(folder).checkpoints, ignore_errors=True)
    return 0


def commands(study: StudyFile, run: Run, datasets: Datasets) -> list[list[str]]:
    """List the commands of the run, as typed after `sciml`: fit, unless zero-shot, and test."""
    config = str(RunFolder(study.run_dir(run)).study_config)
    test = ["test", "--config", config, "--ckpt_path", tested(study, run)]
    return [["fit", "--config", config], test] if budget(study, run, datasets).num_steps else [test]


@contextmanager
def _same_environment() -> Iterator[None]:
    """Restore the environment after a verb: Lightning marks started ranks by LOCAL_RANK."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def fit(study: StudyFile, run: Run, datasets: Datasets, verb: Verb) -> None:
    """Train or resume, unless the run is at its end and its tested checkpoint exists.

    Raises:
        InputError: the training ended early.
    """
    folder, num_steps = study.run_dir(run), budget(study, run, datasets).num_steps
    if _num_steps(folder) == num_steps and Path(tested(study, run)).exists():
        return
    files = RunFolder(folder)
    for marker in (files.preempted, files.stop_requested):
        marker.unlink(missing_ok=True)
    verb(["fit", "--config", str(files.study_config)])
    if _num_steps(folder) != num_steps:
        raise InputError(
            f"{num_steps} steps were planned, the training ended at {_num_steps(folder)}; "
            f"see {files.log}"
        )


def _num_steps(folder: Path) -> int | None:
    summary = read_summary(folder)
    return summary.num_steps if summary else None


def tested(study: StudyFile, run: Run) -> str:
    """Get the path of the checkpoint that is tested."""
    if isinstance(run, DownstreamRun) and run.init == Init.ZERO_SHOT:
        return checkpoint_of(study, run)
    files = RunFolder(study.run_dir(run))
    return str(files.last if study.selection == "last" else files.best)


def write_error(folder: Path, message: str, trace: str) -> None:
    """Say in RUN/error.json why the run has no result."""
    write_whole(
        RunFolder(folder).error, json_text({"message": message, "traceback": trace}, indent=1)
    )


def redirect_output(path: Path) -> None:
    """Append the standard output and error of this process to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
