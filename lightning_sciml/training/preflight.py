"""Check that every node sees the run's folder and the data, before processes wait together.

Nodes tell each other by files in the run's folder, since anything else that fails here would fail
as a hang.
"""

import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from lightning_sciml.checkpoints.folder_guard import removing_empty
from lightning_sciml.errors import InputError
from lightning_sciml.launcher import Place
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.schema import MANIFEST_FILE

MAX_NAMED_NODES = 4
POLL_S = 0.1


@contextmanager
def checked_nodes(
    here: Place, *, num_nodes: int, run_dir: Path, datasets: Sequence[Path], timeout_s: float
) -> Iterator[None]:
    """Wait for a note of every node, and act on what they say; notes go when the block ends.

    Raises:
        InputError: `run_dir` is not the same folder on all nodes, a data set is not on all, or
            another node has ended this start.
    """
    folder = RunFolder(run_dir).nodes / here.launch
    with removing_empty(folder):
        try:
            if here.local_rank == 0:
                missing = [str(d) for d in datasets if not (d / MANIFEST_FILE).is_file()]
                _write_note(folder, here.node, [socket.gethostname(), *missing])
            notes = _read_notes(folder, num_nodes, timeout_s)
            try:
                _reject_silent(notes, here.node, num_nodes, run_dir, timeout_s)
                _reject_missing(notes)
            except InputError:
                sleep(10 * POLL_S)  # others still read the notes
                raise
            yield
        finally:
            if here.local_rank == 0:
                shutil.rmtree(folder, ignore_errors=True)
                with suppress(OSError):  # not empty
                    folder.parent.rmdir()


def _write_note(folder: Path, node: int, lines: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if node == 0:  # of launches that were killed
        for other in folder.parent.iterdir():
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
    temporary = folder / f"{node}.tmp"
    temporary.write_text("\n".join(lines))
    temporary.replace(folder / str(node))


def _read_notes(folder: Path, num_nodes: int, timeout_s: float) -> dict[int, list[str]]:
    """Read the notes by node until all are there or the time is over."""
    give_up_at, was_there = monotonic() + timeout_s, False
    while True:
        notes = {}
        for node in range(num_nodes):
            with suppress(FileNotFoundError):
                notes[node] = (folder / str(node)).read_text().splitlines()
        if len(notes) == num_nodes or monotonic() > give_up_at:
            return notes
        if was_there and not folder.exists():
            raise InputError("another node has ended this start; see its message")
        was_there = folder.exists()
        sleep(POLL_S)


def _reject_silent(
    notes: Mapping[int, object], here: int, num_nodes: int, run_dir: Path, timeout_s: float
) -> None:
    silent = sorted(set(range(num_nodes)) - set(notes))
    if silent:
        raise InputError(
            f"run_dir must be a folder that all nodes share: after {timeout_s:g} s node {here} "
            f"({socket.gethostname()}) sees nothing in {run_dir} of nodes {silent}; give a "
            "--run_dir on the shared file system"
        )


def _reject_missing(notes: Mapping[int, Sequence[str]]) -> None:
    for dataset in {name for _, *missing in notes.values() for name in missing}:
        nodes = [
            f"node {i} ({host})"
            for i, (host, *missing) in sorted(notes.items())
            if dataset in missing
        ]
        more = ", …" if len(nodes) > MAX_NAMED_NODES else ""
        raise InputError(
            f"the data set {dataset} is wanted on all {len(notes)} nodes, it is not on "
            f"{', '.join(nodes[:MAX_NAMED_NODES])}{more}; generate it, or put it on a file system "
            "that these nodes mount"
        )
