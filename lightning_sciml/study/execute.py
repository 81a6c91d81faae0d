"""Running a study: one process a run, forked from one that has loaded torch already.

A run is finished when its result.json is there, and is then never run again. Everything before that
may be killed at any moment: training goes on from its last checkpoint, a test is done again.
"""

import fcntl
import json
import multiprocessing
import os
import shlex
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import Any

import yaml

from lightning_sciml.errors import InputError, reported_cause
from lightning_sciml.shards.durable import write_whole
from lightning_sciml.study.results import START_MARK, run_result, write_result
from lightning_sciml.study.run_config import Datasets, budget, checkpoint_of, run_config
from lightning_sciml.study.run_files import (
    ERROR,
    LOCK,
    LOG,
    RESULT,
    RUN_CONFIG,
    State,
    last_line,
    read_json,
    state_of,
)
from lightning_sciml.study.runs import DownstreamRun, Init, PretrainingRun, Run
from lightning_sciml.study.study_file import StudyFile

STOPPED, BUSY = 75, 76  # exit codes of a run: asked to stop; another process is at it
STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
Verb = Callable[[Sequence[str]], None]


@dataclass
class Outcome:
    """What became of the runs that were wanted.

    Attributes:
        finished: runs that have a result now.
        failed: runs that have an error now.
        left: runs that were not started, or were stopped.
    """

    finished: list[Run] = field(default_factory=list)
    failed: list[Run] = field(default_factory=list)
    left: list[Run] = field(default_factory=list)
    is_stopped: bool = False


class Executor:
    """Runs what is not finished, pre-trainings before what builds upon them.

    Args:
        study: the study.
        datasets: facts of its data sets.
        verb: runs `sciml VERB …` in this process, given the words.
        jobs: runs at a time.
        say: shows a line.
        show: shows a line until the next one, where the screen can.
    """

    def __init__(
        self,
        study: StudyFile,
        datasets: Datasets,
        *,
        verb: Verb,
        jobs: int,
        say: Callable[[str], None],
        show: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.study, self.datasets, self.verb, self.jobs = study, datasets, verb, jobs
        self.say, self.show = say, show
        self._running: dict[BaseProcess, tuple[Run, float]] = {}
        self._is_stopping = False

    def execute(self, runs: Sequence[Run]) -> Outcome:
        """Run all of `runs` that are not finished; those that failed before are tried again."""
        outcome = Outcome()
        waiting: list[Run] = []
        for run in runs:
            is_finished = state_of(self.study.run_dir(run)) == State.FINISHED
            (outcome.finished if is_finished else waiting).append(run)
        total = len(runs)
        with self._forwarded_signals():
            while (waiting and not self._is_stopping) or self._running:
                self._start_some(waiting)
                if not self._running:
                    break
                for run in self._ended():
                    self._account(run, outcome, total)
        for run in waiting if not self._is_stopping else ():
            if isinstance(run, DownstreamRun) and run.pretrained:
                self.say(f"{run.name} waits for {run.pretrained.name}, which is not finished")
        outcome.left += waiting
        outcome.is_stopped = self._is_stopping
        return outcome

    def _start_some(self, waiting: list[Run]) -> None:
        for run in list(waiting):
            if self._is_stopping or len(self._running) >= self.jobs:
                return
            if self._is_ready(run):
                waiting.remove(run)
                self._start(run)

    def _is_ready(self, run: Run) -> bool:
        if isinstance(run, PretrainingRun) or run.pretrained is None:
            return True
        is_given = self.study.given_checkpoint(run.pretrained) is not None
        return is_given or state_of(self.study.run_dir(run.pretrained)) == State.FINISHED

    def _start(self, run: Run) -> None:
        process = multiprocessing.get_context("fork").Process(target=self._child, args=(run,))
        with warnings.catch_warnings():  # of forks while threads run: none of ours holds a lock
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        self._running[process] = (run, perf_counter())
        typed = commands(self.study, run, self.datasets)
        self.say("$ " + " && ".join(shlex.join(["sciml", *words]) for words in typed))

    def _child(self, run: Run) -> None:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's goes to all; the parent acts
        sys.exit(run_one(self.study, run, self.datasets, self.verb))

    def _ended(self) -> list[Run]:
        """Runs whose process has ended, after at most half a second."""
        wait([process.sentinel for process in self._running], timeout=0.5)
        oldest, _ = next(iter(self._running.values()))
        self.show(f"{oldest.name}: {last_line(self.study.run_dir(oldest) / LOG)}")
        ended = [process for process in self._running if process.exitcode is not None]
        return [self._close(process) for process in ended]

    def _close(self, process: BaseProcess) -> Run:
        run, started_at = self._running.pop(process)
        folder = self.study.run_dir(run)
        if process.exitcode == BUSY:
            self.say(f"{run.name}: another process is at it")
        elif process.exitcode and process.exitcode < 0 and -process.exitcode not in STOP_SIGNALS:
            name = signal.Signals(-process.exitcode).name
            write_error(folder, f"killed by {name}; out of memory?", "")
        self._elapsed_s = perf_counter() - started_at
        return run

    def _account(self, run: Run, outcome: Outcome, total: int) -> None:
        folder = self.study.run_dir(run)
        state = state_of(folder)
        if state == State.FINISHED:
            outcome.finished.append(run)
            result = read_json(folder / RESULT) or {}
            errors = ", ".join(f"{t['relative_l2']:.4g}" for t in result["tests"].values())
            done = f"[{len(outcome.finished)}/{total}]"
            self.say(f"{done} {run.name}: relative L2 {errors}, {self._elapsed_s:.1f} s")
        elif state == State.FAILED:
            outcome.failed.append(run)
            self.say(f"{run.name} failed: {(read_json(folder / ERROR) or {}).get('message')}")
        else:
            outcome.left.append(run)

    @contextmanager
    def _forwarded_signals(self) -> Iterator[None]:
        """A request to stop goes on to the runs, which save and leave."""

        def forward(number: int, frame: FrameType | None) -> None:
            self._is_stopping = True
            for process in self._running:
                if process.pid is not None and process.is_alive():
                    os.kill(process.pid, signal.SIGUSR1)

        previous = {number: signal.signal(number, forward) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def run_one(study: StudyFile, run: Run, datasets: Datasets, verb: Verb) -> int:
    """Train and test one run in this process, its output in RUN/log.txt; the exit code."""
    folder = study.run_dir(run)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return BUSY
        except OSError:
            pass  # a file system without locks
        if state_of(folder) == State.FINISHED:
            return 0
        (folder / ERROR).unlink(missing_ok=True)
        write_whole(folder / RUN_CONFIG, yaml.safe_dump(run_config(study, run, datasets)))
        redirect_output(folder / LOG)
        os.write(1, f"{START_MARK}{run.name}\n".encode())
        return _fit_and_test(study, run, datasets, verb)


def _fit_and_test(study: StudyFile, run: Run, datasets: Datasets, verb: Verb) -> int:
    folder = study.run_dir(run)
    *fits, test = commands(study, run, datasets)
    try:
        if fits:
            fit(folder, budget(study, run, datasets).num_steps, verb)
        verb(test)
        write_result(folder, run_result(study, run, datasets))
    except SystemExit as stop:
        return STOPPED if (folder / "PREEMPTED").exists() else int(bool(stop.code))
    except BaseException as error:
        reported = reported_cause(error)
        message = str(reported) if reported else f"{type(error).__name__}: {error}"
        write_error(folder, message, traceback.format_exc())
        return 1
    if isinstance(run, DownstreamRun) and not study.keep_checkpoints:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return 0


def commands(study: StudyFile, run: Run, datasets: Datasets) -> list[list[str]]:
    """What does the run when typed after `sciml`: fit, unless it is zero-shot, and test."""
    config = str(study.run_dir(run) / RUN_CONFIG)
    test = ["test", "--config", config, "--ckpt_path", tested(study, run)]
    return [["fit", "--config", config], test] if budget(study, run, datasets).num_steps else [test]


def fit(folder: Path, num_steps: int, verb: Verb) -> None:
    """Train from where the run stands, unless it is at its end.

    Raises:
        InputError: the training ended early.
    """
    summary: dict[str, Any] = read_json(folder / "summary.json") or {}
    if summary.get("num_steps") == num_steps:
        return
    for marker in ("PREEMPTED", "STOP_REQUESTED"):
        (folder / marker).unlink(missing_ok=True)
    verb(["fit", "--config", str(folder / RUN_CONFIG)])
    summary = read_json(folder / "summary.json") or {}
    if summary.get("num_steps") != num_steps:
        raise InputError(
            f"{num_steps} steps were planned, the training ended at {summary.get('num_steps')}; "
            f"see {folder / LOG}"
        )


def tested(study: StudyFile, run: Run) -> str:
    """The checkpoint that is tested."""
    if isinstance(run, DownstreamRun) and run.init == Init.ZERO_SHOT:
        return checkpoint_of(study, run)
    name = "last.ckpt" if study.selection == "last" else "best.ckpt"
    return str(study.run_dir(run) / "checkpoints" / name)


def write_error(folder: Path, message: str, trace: str) -> None:
    """Say in RUN/error.json why the run has no result."""
    write_whole(folder / ERROR, json.dumps({"message": message, "traceback": trace}, indent=1))


def redirect_output(path: Path) -> None:
    """Append what this process writes to its screen to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
