"""Execute a study: one process per run, forked from one that has loaded torch already.

A run is finished when it has a result.json, and is never run again. Before that it may be killed at
any moment: training resumes from its last checkpoint, and a test is repeated.
"""

import multiprocessing
import shlex
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import perf_counter, sleep
from types import FrameType

from lightning_sciml.errors import InputError
from lightning_sciml.folder_lock import FolderLock
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.study.definition.runs import DownstreamRun, Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.lifeline import STOP_SIGNALS, Lifeline, kill_group, request_end
from lightning_sciml.study.execution.run_config import Datasets
from lightning_sciml.study.execution.run_files import (
    State,
    error_message,
    last_line,
    read_result,
    state_of,
)
from lightning_sciml.study.execution.run_process import BUSY, Verb, commands, run_one, write_error

POLL_S = 0.5  # from one look at processes, and at folders that others hold, to the next


@dataclass
class Outcome:
    """Outcome of the requested runs.

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
    """Runs what is not finished, pre-trainings before the runs that start from them.

    A run whose folder another process holds is waited for, and counted by the result of that
    process. The processes of the runs end with this one, however it ends.

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
        self._waiting: list[Run] = []
        self._held: set[Run] = set()  # waiting for what another process holds
        self._running: dict[BaseProcess, tuple[Run, float]] = {}
        self._outcome, self._total = Outcome(), 0
        self._is_stopping = self._is_announced = self._is_interrupted = False

    def execute(self, runs: Sequence[Run]) -> Outcome:
        """Run all of `runs` that are not finished; those that failed before are tried again."""
        self._outcome, self._total = Outcome(), len(runs)
        for run in runs:
            (self._outcome.finished if self._is_finished(run) else self._waiting).append(run)
        lifeline = Lifeline()
        with self._handled_signals():
            self._start_some(lifeline)
            while self._running or (self._held and not self._is_stopping):
                self._wait()
                self._announce_stop()
                self._start_some(lifeline)
        lifeline.close()
        for run in self._waiting if not self._is_stopping else ():
            if isinstance(run, DownstreamRun) and run.pretrained:
                self.say(f"{run.name} waits for {run.pretrained.name}, which is not finished")
        self._outcome.left += self._waiting
        self._outcome.is_stopped = self._is_stopping
        return self._outcome

    def _is_finished(self, run: Run) -> bool:
        try:
            return read_result(self.study, run) is not None
        except InputError as error:
            self.say(str(error))
            return False

    def _start_some(self, lifeline: Lifeline) -> None:
        before, self._held = self._held, set()
        for run in list(self._waiting):
            if self._is_stopping or len(self._running) >= self.jobs:
                return
            holder = self._held_by_others(run)
            if holder is not None:
                self._held.add(run)
                if run not in before:
                    self.say(f"{run.name} waits for {holder.name}: another process is at it")
            elif self._is_ready(run):
                self._waiting.remove(run)
                self._start(run, lifeline)

    def _origin(self, run: Run) -> Run | None:
        """Find the pre-training of this study that a run starts from."""
        origin = run.pretrained if isinstance(run, DownstreamRun) else None
        return None if origin is None or self.study.given_checkpoint(origin) else origin

    def _is_ready(self, run: Run) -> bool:
        origin = self._origin(run)
        return origin is None or state_of(self.study, origin) == State.FINISHED

    def _held_by_others(self, run: Run) -> Path | None:
        """Find the folder, of the run or of its pre-training, that another process works on."""
        own = [started for started, _ in self._running.values()]
        needed = [r for r in (self._origin(run), run) if r is not None and r not in own]
        return next(filter(is_held, map(self.study.run_dir, needed)), None)

    def _start(self, run: Run, lifeline: Lifeline) -> None:
        process = multiprocessing.get_context("fork").Process(
            target=self._child, args=(run, lifeline)
        )
        # a signal to stop waits until the process is known here and its own handlers are set there
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            with warnings.catch_warnings():  # of forks while threads run: none of ours holds a lock
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            self._running[process] = (run, perf_counter())
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        typed = commands(self.study, run, self.datasets)
        self.say("$ " + " && ".join(shlex.join(["sciml", *words]) for words in typed))

    def _child(self, run: Run, lifeline: Lifeline) -> None:
        lifeline.attach()
        sys.exit(run_one(self.study, run, self.datasets, self.verb))

    def _wait(self) -> None:
        """Account for runs whose process has ended, after at most half a second."""
        if not self._running:
            sleep(POLL_S)
            return
        wait([process.sentinel for process in self._running], timeout=POLL_S)
        oldest, _ = next(iter(self._running.values()))
        self.show(f"{oldest.name}: {last_line(RunFolder(self.study.run_dir(oldest)).log)}")
        for process in [p for p in self._running if p.exitcode is not None]:
            run, started_at = self._running.pop(process)
            kill_group(process)  # ranks that it has left behind
            self._account(run, process.exitcode or 0, perf_counter() - started_at)

    def _announce_stop(self) -> None:
        if self._is_stopping and not self._is_announced:
            self._is_announced = True
            self.say(
                f"stopping: {len(self._running)} runs save and end, the same command resumes them; "
                "Ctrl-C once more ends them without saving"
            )

    def _account(self, run: Run, exit_code: int, elapsed_s: float) -> None:
        if exit_code == BUSY:  # another process was faster by a moment
            self._waiting.append(run)
            self._held.add(run)
            return
        folder = self.study.run_dir(run)
        if exit_code < 0 and -exit_code not in STOP_SIGNALS and not self._is_stopping:
            name = signal.Signals(-exit_code).name
            write_error(folder, f"killed by {name}; out of memory?", "")
        state = state_of(self.study, run)
        if state == State.FINISHED:
            self._outcome.finished.append(run)
            self._say_errors(run, elapsed_s)
        elif state == State.FAILED:
            self._outcome.failed.append(run)
            self.say(f"{run.name} failed: {error_message(folder)}")
        else:
            self._outcome.left.append(run)

    def _say_errors(self, run: Run, elapsed_s: float) -> None:
        result = read_result(self.study, run)
        tested = result.tests.values() if result else ()
        errors = ", ".join(
            "not finite" if e["relative_l2"] is None else f"{e['relative_l2']:.4g}" for e in tested
        )
        done = f"[{len(self._outcome.finished)}/{self._total}]"
        self.say(f"{done} {run.name}: relative L2 {errors}, {elapsed_s:.1f} s")

    @contextmanager
    def _handled_signals(self) -> Iterator[None]:
        """Pass a request to stop on to the runs, which save and end; a second Ctrl-C kills them."""

        def stop(number: int, frame: FrameType | None) -> None:
            is_repeated = number == signal.SIGINT and self._is_interrupted
            self._is_interrupted |= number == signal.SIGINT
            self._is_stopping = True
            for process in list(self._running):
                (kill_group if is_repeated else request_end)(process)

        previous = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def is_held(folder: Path) -> bool:
    """Tell whether another process works in a run's folder."""
    lock = FolderLock(folder)
    try:
        is_free = lock.acquire()
    except OSError:  # no such folder yet, or one that cannot be written, of which the run will tell
        return False
    lock.release()
    return not is_free
