"""Messages between ranks: the outcome of checks, samples done, shards finished."""

import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from lightning_sciml.errors import InputError, ReportedError
from lightning_sciml.launcher import launched
from lightning_sciml.plain_text import for_terminal
from lightning_sciml.shards.manifest import ShardRecord

if TYPE_CHECKING:
    from mpi4py.MPI import Comm, Request

Result = TypeVar("Result")

PATIENCE_S = 3.0  # for rank 0 to say what is wrong
_INTERVAL_S = 0.2
_POLL_S = 0.01
# Hydra may drop what a rank wrote in the instant before it aborts: measured, 4 of 60 messages.
_BEFORE_ABORT_S = 1.0


def all_ranks() -> "Comm":
    """Start MPI, which neither --help nor a misspelt option needs; the communicator of all ranks.

    Raises:
        InputError: mpi4py finds no MPI library.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"generation needs an MPI library, mpi4py finds none ({reason}); "
            "load the site's MPI module, or pip install mpich"
        ) from error
    return MPI.COMM_WORLD


def check_launcher(num_ranks: int) -> None:
    """Reject several processes that each take themselves for the only one.

    Raises:
        InputError: the launcher started several processes and MPI connects none of them.
    """
    started = launched(os.environ).size
    if num_ranks == 1 and started > 1:
        raise InputError(
            f"the launcher started {started} processes but MPI connects none of them: it is not "
            "that of mpi4py's MPI library; use the mpirun beside this Python, or srun --mpi=pmi2"
        )


def end_on_interrupt(comm: "Comm") -> None:
    """Let Ctrl-C end a rank at once: one that waits inside MPI never gets to raise an exception.

    One that raises would wait in MPI_Finalize for the others. Finished shards are on disk.
    """
    if comm.size > 1 and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def on_rank_0(comm: "Comm", action: Callable[[], Result]) -> Result:
    """Do an action on rank 0 and give all ranks its result.

    Raises:
        Exception: on all ranks, the one that rank 0 raised: no rank may wait for one that has left.
    """
    outcome: Result | Exception | None = None
    if comm.rank == 0:
        try:
            outcome = action()
        except Exception as error:
            outcome = error
    outcome = comm.bcast(outcome)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def wait_quietly(comm: "Comm") -> None:
    """Wait for all ranks without occupying a core, as a plain barrier would."""
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(_POLL_S)


class Reporter:
    """Brings what all ranks have done to rank 0.

    Ordinary messages at intervals, received by polling: MPI's own waiting would spin, and no rank
    ever waits for another before all of its work is done. Only the main thread may call it.

    Args:
        comm: all ranks.
        show: called on rank 0 with samples newly done.
    """

    def __init__(self, comm: "Comm", show: Callable[[int], object]) -> None:
        self.comm = comm
        self._show = show
        self._num_unsent = 0
        self._spoke_at = time.monotonic()
        self._sends: list[Request] = []
        self._records: list[ShardRecord] = []
        self._num_at_work = comm.size

    def advance(self, num_samples: int) -> None:
        """Note samples that are done on this rank."""
        self._num_unsent += num_samples
        if time.monotonic() - self._spoke_at > _INTERVAL_S:
            self._speak()

    def close(self, records: Sequence[ShardRecord]) -> list[ShardRecord]:
        """Tell that this rank has made these shards; on rank 0, wait for those of all ranks."""
        self._speak(records)
        while self.comm.rank == 0 and self._num_at_work:
            time.sleep(_POLL_S)
            self._receive()
        for request in self._sends:
            request.wait()
        return self._records

    def _speak(self, records: Sequence[ShardRecord] | None = None) -> None:
        message, self._num_unsent = (self._num_unsent, records), 0
        if self.comm.rank == 0:
            self._take(*message)
            self._receive()
        else:
            self._sends.append(self.comm.isend(message, dest=0))
        self._spoke_at = time.monotonic()

    def _receive(self) -> None:
        while self.comm.iprobe():
            self._take(*self.comm.recv())

    def _take(self, num_samples: int, records: Sequence[ShardRecord] | None) -> None:
        self._show(num_samples)
        if records is not None:  # the last message of a rank
            self._records += records
            self._num_at_work -= 1


@contextmanager
def aborting_all(comm: "Comm") -> Iterator[None]:
    """End all ranks where one fails, which says why, instead of leaving the others waiting.

    An error that all ranks have is told by rank 0 alone, which the others let go ahead.
    """
    try:
        yield
    except BaseException as error:
        if comm.size == 1:
            raise
        if comm.rank > 0:
            time.sleep(PATIENCE_S)
        os.write(2, f"rank {comm.rank}: {described(error)}\n".encode())
        time.sleep(_BEFORE_ABORT_S)
        comm.Abort(1)
        os._exit(1)  # MPI may take a moment to kill this process


def described(error: BaseException) -> str:
    """Describe an error of a user in one line, and any other by its traceback."""
    if isinstance(error, ReportedError | OSError):
        return f"error: {for_terminal(error)}"
    return "".join(traceback.format_exception(error))
