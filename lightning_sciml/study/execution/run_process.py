"""Execute one run of a study in this process: train, test, write its result or its error."""

import os
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from lightning_sciml.errors import InputError, reported_cause
from lightning_sciml.folder_lock import FolderLock
from lightning_sciml.json_files import json_text
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.durable import write_whole
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.data_options import data_options
from lightning_sciml.study.execution.halving import Leg, note_rung
from lightning_sciml.study.execution.results import START_MARK, write_result
from lightning_sciml.study.execution.rollouts import words_of_tests
from lightning_sciml.study.execution.run_config import Datasets, budget, run_config
from lightning_sciml.study.execution.run_files import State, read_summary, state_of

# Exit codes of a run: asked to stop; another process is at it; at a rung, to be trained on.
STOPPED, BUSY, AT_RUNG = 75, 76, 77
Verb = Callable[[Sequence[str]], None]


WHOLE = Leg()


def run_one(study: StudyFile, run: Run, datasets: Datasets, verb: Verb, leg: Leg = WHOLE) -> int:
    """Train and test one run, append output to RUN/log.txt, and return the exit code."""
    files = RunFolder(study.run_dir(run))
    try:
        files.path.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(files.path)
        if not lock.acquire():
            return BUSY
        lock.share()  # with the fit
        if state_of(study, run) == State.FINISHED:
            return 0
        for stale in (files.error, files.result):
            stale.unlink(missing_ok=True)
        write_whole(files.study_config, yaml.safe_dump(run_config(study, run, datasets)))
        _redirect_output(files.log)
    except OSError as error:  # no place for an error.json
        sys.stderr.write(f"{run.name} failed: {error.strerror}: {error.filename}\n")
        return 1
    os.write(1, f"{START_MARK}{run.name}\n".encode())
    try:
        if leg.until is None:
            _train_and_test(study, run, datasets, verb, leg)
        else:
            _train_to_rung(study, run, datasets, verb, leg.until)
    except SystemExit as stop:
        return STOPPED if files.preempted.exists() else int(bool(stop.code))
    except BaseException as error:
        message = str(reported_cause(error) or f"{type(error).__name__}: {error}")
        write_error(files.path, message, traceback.format_exc())
        return 1
    return 0 if leg.until is None else AT_RUNG


def _train_to_rung(study: StudyFile, run: Run, datasets: Datasets, verb: Verb, step: int) -> None:
    """Train or resume up to a rung, and note the validation error.

    Raises:
        InputError: the training ended before.
        SystemExit: it was asked to stop before.
    """
    files = RunFolder(study.run_dir(run))
    stop: SystemExit | None = None
    try:
        _fit(files, commands(study, run, datasets, Leg(until=step))[0], verb)
    except SystemExit as request:
        stop = request
    summary = read_summary(files.path)
    if summary is None or summary.num_steps != step:
        raise stop or _early_end(files, step)
    files.preempted.unlink(missing_ok=True)
    note_rung(study, run, step, summary.best_val_relative_l2)


def _fit(files: RunFolder, words: Sequence[str], verb: Verb) -> None:
    for marker in (files.preempted, files.stop_requested):
        marker.unlink(missing_ok=True)
    _run_verb(verb, words)


def _early_end(files: RunFolder, num_steps: int) -> InputError:
    return InputError(
        f"{num_steps} steps were planned, the training ended at {_num_steps(files)}; "
        f"see {files.log}"
    )


def _train_and_test(study: StudyFile, run: Run, datasets: Datasets, verb: Verb, leg: Leg) -> None:
    """Train or resume, unless the run is at its end and its tested checkpoint exists; then test.

    A run that has lost at a rung is tested as it is.

    Raises:
        InputError: the training ended early.
    """
    files, num_steps = RunFolder(study.run_dir(run)), budget(study, run, datasets).num_steps
    words = commands(study, run, datasets, leg)
    fits, tests = ([w for w in words if w[0] == verb] for verb in ("fit", "test"))
    is_trained = _num_steps(files) == num_steps and Path(_tested(study, run)).exists()
    for fit in () if is_trained else fits:
        _fit(files, fit, verb)
        if _num_steps(files) != num_steps:
            raise _early_end(files, num_steps)
    for test in tests:
        _run_verb(verb, test)
    write_result(study, run, datasets, leg.stopped_at)
    if run.init != Init.PRETRAIN and not study.keep_checkpoints:
        shutil.rmtree(files.checkpoints, ignore_errors=True)


def _run_verb(verb: Verb, words: Sequence[str]) -> None:
    """Run a verb, and restore the environment: Lightning marks started ranks by LOCAL_RANK."""
    environment = dict(os.environ)
    verb(words)
    os.environ.clear()
    os.environ.update(environment)


def commands(study: StudyFile, run: Run, datasets: Datasets, leg: Leg = WHOLE) -> list[list[str]]:
    """List the commands of the run, as typed after `sciml`.

    They are fit, unless zero-shot, test, and where the study asks for them a test by rollouts. The
    windows of a test have one step however many a training unrolls, so that runs compare. A run
    that trains to a rung is not tested yet, and one that has lost there not trained any more.
    """
    config = str(RunFolder(study.run_dir(run)).study_config)
    fit = ["fit", "--config", config]
    if leg.until is not None:
        return [[*fit, "--stop_after_step", str(leg.until)]]
    test = ["test", "--config", config, "--ckpt_path", _tested(study, run)]
    if data_options(study, run).get("num_unrolled_steps", 1) > 1:
        test += ["--data.num_unrolled_steps", "1"]
    tests = [[*test, *words] for words in words_of_tests(study, run, datasets)]
    is_trained = run.init == Init.ZERO_SHOT or leg.stopped_at is not None
    return tests if is_trained else [fit, *tests]


def _tested(study: StudyFile, run: Run) -> str:
    if run.init == Init.ZERO_SHOT and run.pretrained:
        return study.checkpoint_of(run.pretrained)
    files = RunFolder(study.run_dir(run))
    return str(files.last if study.selection == "last" else files.best)


def _num_steps(files: RunFolder) -> int | None:
    summary = read_summary(files.path)
    return summary.num_steps if summary else None


def write_error(folder: Path, message: str, trace: str) -> None:
    """Say in RUN/error.json why the run has no result."""
    content = {"message": message, "traceback": trace}
    write_whole(RunFolder(folder).error, json_text(content, indent=1))


def _redirect_output(path: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
