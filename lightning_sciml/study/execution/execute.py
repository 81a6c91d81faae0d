"""Execute a study: one process per run, forked from one that has loaded torch already.

A run is finished when it has a result.json, and is never run again. Before that it may be killed at
any moment: training resumes from its last checkpoint, and a test is repeated.
"""

import shlex
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lightning_sciml.errors import InputError
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.study.definition.runs import Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.halving import Leg
from lightning_sciml.study.execution.lifeline import STOP_SIGNALS
from lightning_sciml.study.execution.order import Order, is_held
from lightning_sciml.study.execution.run_config import Datasets
from lightning_sciml.study.execution.run_files import (
    State,
    error_message,
    last_line,
    read_result,
    state_of,
)
from lightning_sciml.study.execution.run_pool import Ended, RunPool
from lightning_sciml.study.execution.run_process import (
    AT_RUNG,
    BUSY,
    Verb,
    commands,
    run_one,
    write_error,
)


@dataclass
class Outcome:
    """Outcome of the requested runs.

    Attributes:
        finished: runs that have a result now.
        failed: runs that have an error now.
        left: runs that were not started, or were stopped.
        at_rung: runs that wait at a rung for other learning rates, which are not of these runs.
        lost: runs that failed, and lost by that against other learning rates.
        is_stopped: whether a signal has asked to stop.
    """

    finished: list[Run] = field(default_factory=list)
    failed: list[Run] = field(default_factory=list)
    left: list[Run] = field(default_factory=list)
    at_rung: list[Run] = field(default_factory=list)
    lost: list[Run] = field(default_factory=list)
    is_stopped: bool = False


class Executor:
    """Runs what is not finished, pre-trainings before the runs that start from them.

    A run whose folder another process holds is waited for, and counted by the result of that
    process. The processes of the runs end with this one, however it ends.

    Args:
        study: the study.
        datasets: its data sets.
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
        self._pool = RunPool(lambda run, leg: run_one(study, run, datasets, verb, leg))
        self._order = Order(study, datasets)
        self._outcome, self._total = Outcome(), 0

    def execute(self, runs: Sequence[Run]) -> Outcome:
        """Run all of `runs` that are not finished; those that failed before are tried again."""
        outcome, self._total = self._outcome, len(runs)
        for run in runs:
            (outcome.finished if self._is_finished(run) else self._waiting).append(run)
        pool, is_announced = self._pool, False
        with pool.opened():
            self._start_some()
            while pool.runs or (self._held and not pool.is_stopped):
                self._wait()
                self._start_some()
                if pool.is_stopped and not is_announced:
                    is_announced = True
                    self.say(
                        f"stopping: {len(pool.runs)} runs save and end, the same command "
                        "resumes them; Ctrl-C once more ends them without saving"
                    )
        outcome.is_stopped = pool.is_stopped
        if outcome.is_stopped:
            outcome.left += self._waiting
        else:
            self._account_for_waiting()
        return outcome

    def _account_for_waiting(self) -> None:
        """Tell what runs that could not be started wait for, and which failed ones have lost."""
        outcome = self._outcome
        for run in self._waiting:
            is_blocked = not self._order.is_ready(run)
            next_one = run.pretrained if is_blocked else self._next(run)
            if isinstance(next_one, Run):
                self.say(f"{run.name} waits for {next_one.name}, which is not finished")
            is_at_rung = not is_blocked and self._order.is_searched(run)
            (outcome.at_rung if is_at_rung else outcome.left).append(run)
        for run in list(outcome.failed):
            if self._order.is_searched(run) and self._next(run) is None:
                outcome.failed.remove(run)
                outcome.lost.append(run)

    def _is_finished(self, run: Run) -> bool:
        try:
            return read_result(self.study, run) is not None
        except InputError as error:
            self.say(str(error))
            return False

    def _start_some(self) -> None:
        before, self._held = self._held, set()
        for run in list(self._waiting):
            if self._pool.is_stopped or len(self._pool.runs) >= self.jobs:
                return
            origin = self._order.origin(run)
            holder = self._held_by_others([run] if origin is None else [origin, run])
            leg = self._next(run) if holder is None and self._order.is_ready(run) else run
            if isinstance(leg, Run) and leg != run:
                holder = self._held_by_others([leg])
            if holder is not None:
                self._held.add(run)
                if run not in before:
                    self.say(f"{run.name} waits for {holder.name}: another process is at it")
            elif not isinstance(leg, Run):
                self._waiting.remove(run)
                if leg is None:
                    self._outcome.lost.append(run)
                else:
                    self._start(run, leg)

    def _next(self, run: Run) -> Leg | Run | None:
        return self._order.next(run, self._is_coming)

    def _is_coming(self, run: Run) -> bool:
        """Tell whether a run that has failed before is tried again."""
        is_known = run in self._waiting or run in self._pool.runs
        return is_known or is_held(self.study.run_dir(run))

    def _held_by_others(self, runs: Sequence[Run]) -> Run | None:
        others = (run for run in runs if run not in self._pool.runs)
        return next((run for run in others if is_held(self.study.run_dir(run))), None)

    def _start(self, run: Run, leg: Leg) -> None:
        self._pool.start(run, leg)
        typed = commands(self.study, run, self.datasets, leg)
        self.say("$ " + " && ".join(shlex.join(["sciml", *words]) for words in typed))

    def _wait(self) -> None:
        """Account for runs whose process has ended, after at most half a second."""
        self._pool.wait()
        for run in self._pool.runs[:1]:
            self.show(f"{run.name}: {last_line(RunFolder(self.study.run_dir(run)).log)}")
        for ended in self._pool.ended():
            self._account(ended)

    def _account(self, ended: Ended) -> None:
        run, exit_code, elapsed_s = ended
        if exit_code == BUSY:  # another process was faster by a moment
            self._waiting.append(run)
            self._held.add(run)
            return
        if exit_code == AT_RUNG:  # first in turn: searches end one after the other
            self._waiting.insert(0, run)
            return
        folder, outcome = self.study.run_dir(run), self._outcome
        if exit_code < 0 and -exit_code not in STOP_SIGNALS and not self._pool.is_stopped:
            name = signal.Signals(-exit_code).name
            write_error(folder, f"killed by {name}; out of memory?", "")
        if state_of(self.study, run) == State.FAILED:
            outcome.failed.append(run)
            self.say(f"{run.name} failed: {error_message(folder)}")
        elif self._is_finished(run):
            outcome.finished.append(run)
            result = read_result(self.study, run)
            tested = [e["relative_l2"] for e in result.tests.values()] if result else []
            errors = ", ".join("not finite" if e is None else f"{e:.4g}" for e in tested)
            done = f"[{len(outcome.finished)}/{self._total}]"
            self.say(f"{done} {run.name}: relative L2 {errors}, {elapsed_s:.1f} s")
        else:
            outcome.left.append(run)
