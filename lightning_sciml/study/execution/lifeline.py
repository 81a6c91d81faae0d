"""Child processes that end with the process that started them, however that one ends.

Each child leads a process group of its own, to which the ranks belong that Lightning starts in it:
a terminal's Ctrl-C reaches the parent alone, and a group can be ended as a whole.
"""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.process import BaseProcess
from threading import Thread
from time import sleep
from types import FrameType

from lightning_sciml.launcher import lightning_rank

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
REQUEST = signal.SIGUSR1  # a training that gets it saves and ends
GRACE_S = 120.0  # from the request to the end of a group that does not follow it
POLL_S, RANK_GRACE_S = 1.0, 10.0


class Lifeline:
    """A pipe whose writing end the parent alone holds, so that it closes when the parent dies.

    Unlike Linux's PR_SET_PDEATHSIG this works on every system, cannot be missed by a child that
    starts as its parent dies, and leaves time to save.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def attach(self) -> None:
        """End this process, a child that has just been forked, and its group with the parent.

        A training saves and ends. Everything else ends at once: a request to stop takes the whole
        group with it until a training handles requests itself.
        """
        os.close(self._writer)
        os.setpgid(0, 0)
        for number in STOP_SIGNALS:
            signal.signal(number, _end_group)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
        Thread(target=self._watch, daemon=True).start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def _watch(self) -> None:
        os.read(self._reader, 1)  # returns when the parent is dead
        os.kill(os.getpid(), REQUEST)
        sleep(GRACE_S)
        os.killpg(0, signal.SIGKILL)

    def close(self) -> None:
        """Close both ends; the parent's last act, when its children have ended."""
        os.close(self._reader)
        os.close(self._writer)


def _end_group(number: int, frame: FrameType | None) -> None:
    os.killpg(0, signal.SIGKILL)  # further ranks may wait for this one, deaf to anything less


def follow_first_rank(environment: Mapping[str, str]) -> None:
    """End this process, a rank that Lightning has started, some time after the rank that did.

    A rank whose first one is killed waits for it until its time is out. One that has only its last
    files to write does so in the meantime.
    """
    if lightning_rank(environment) is not None:
        Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        sleep(POLL_S)
    sleep(RANK_GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


def request_end(process: BaseProcess) -> None:
    """Ask a child to save and end."""
    if process.pid is not None and process.is_alive():
        os.kill(process.pid, REQUEST)


def kill_group(process: BaseProcess) -> None:
    """End a child, and what it has started, at once."""
    if process.pid is not None:
        with suppress(ProcessLookupError, PermissionError):  # all of it has ended
            os.killpg(process.pid, signal.SIGKILL)
