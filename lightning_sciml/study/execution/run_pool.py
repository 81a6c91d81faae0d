"""The processes of runs: forked from one that has loaded torch already, and ended with it."""

import multiprocessing
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from time import perf_counter, sleep
from types import FrameType
from typing import NamedTuple

import torch

from lightning_sciml.study.definition.runs import Run
from lightning_sciml.study.execution.halving import Leg
from lightning_sciml.study.execution.lifeline import STOP_SIGNALS, Lifeline, kill_group, request_end

POLL_S = 0.5  # from one look at processes, and at folders that others hold, to the next


class Ended(NamedTuple):
    """A run whose process has ended."""

    run: Run
    exit_code: int
    elapsed_s: float


class RunPool:
    """A process for each run that is started; a request to stop makes all of them save and end.

    Args:
        work: does a leg of a run in its process, and returns the exit code.

    Attributes:
        is_stopped: whether a signal has asked to stop.
    """

    def __init__(self, work: Callable[[Run, Leg], int]) -> None:
        self.is_stopped = False
        self._work = work
        self._processes: dict[BaseProcess, tuple[Run, float]] = {}
        self._is_interrupted = False

    @property
    def runs(self) -> list[Run]:
        """The runs that have a process, the oldest first."""
        return [run for run, _ in self._processes.values()]

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Pass a request to stop on to the runs, which save and end; a second Ctrl-C kills them."""

        def stop(number: int, frame: FrameType | None) -> None:
            is_repeated = number == signal.SIGINT and self._is_interrupted
            self._is_interrupted |= number == signal.SIGINT
            self.is_stopped = True
            for process in list(self._processes):
                (kill_group if is_repeated else request_end)(process)

        self._lifeline = Lifeline()
        previous = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            self._lifeline.close()

    def start(self, run: Run, leg: Leg) -> None:
        """Start the process of a run."""

        def child() -> None:
            self._lifeline.attach()
            # A fork breaks torch's pool of threads. The first thread that works makes it anew, and
            # of two at once one finds none: here there is one.
            torch.set_num_threads(torch.get_num_threads())
            sys.exit(self._work(run, leg))

        process = multiprocessing.get_context("fork").Process(target=child)
        # a signal to stop waits until the process is known here and its own handlers are set there
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            with warnings.catch_warnings():  # of forks while threads run: none of ours holds a lock
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            self._processes[process] = (run, perf_counter())
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def wait(self) -> None:
        """Wait until a process ends, half a second at most."""
        if self._processes:
            wait([process.sentinel for process in self._processes], timeout=POLL_S)
        else:
            sleep(POLL_S)

    def ended(self) -> Iterator[Ended]:
        """Take out the runs whose process has ended."""
        for process in [p for p in self._processes if p.exitcode is not None]:
            run, started_at = self._processes.pop(process)
            kill_group(process)  # ranks that it has left behind
            yield Ended(run, process.exitcode or 0, perf_counter() - started_at)
