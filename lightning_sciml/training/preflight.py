"""Check that every node sees the run's folder and the data, before processes wait together.

Nodes tell each other by files in the run's folder, since anything else that fails here would fail
as a hang.
"""

import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep

from lightning_sciml.errors import InputError
from lightning_sciml.launcher import Place
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.schema import MANIFEST_FILE

MAX_NAMED_NODES = 4


def check_nodes(
    here: Place, *, num_nodes: int, run_dir: Path, datasets: Sequence[Path], timeout_s: float
) -> None:
    """Wait for a note of every node, and act on what they say; all processes get the same answer.

    Raises:
        InputError: `run_dir` is not the same folder on all nodes, or a data set is not on all.
    """
    folder = RunFolder(run_dir).nodes / here.launch
    folder.mkdir(parents=True, exist_ok=True)
    if here.node == here.local_rank == 0:
        _forget_other_launches(folder)
    if here.local_rank == 0:
        missing = [str(d) for d in datasets if not (d / MANIFEST_FILE).is_file()]
        _write_note(folder / str(here.node), [socket.gethostname(), *missing])
    notes = _read_notes(folder, num_nodes, timeout_s)
    if len(notes) < num_nodes:
        silent = sorted(set(range(num_nodes)) - set(notes))
        raise InputError(
            f"run_dir must be a folder that all nodes share: after {timeout_s:.0f} s node "
            f"{here.node} ({socket.gethostname()}) sees nothing in {run_dir} of nodes {silent}; "
            "give a --run_dir on the shared file system"
        )
    _reject_missing(notes)


def _forget_other_launches(folder: Path) -> None:
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


def _write_note(path: Path, lines: Sequence[str]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text("\n".join(lines))
    temporary.replace(path)


def _read_notes(folder: Path, num_nodes: int, timeout_s: float) -> dict[int, list[str]]:
    """Read the notes by node until all are there or the time is over."""
    give_up_at = monotonic() + timeout_s
    while True:
        paths = [folder / str(node) for node in range(num_nodes)]
        notes = {i: p.read_text().splitlines() for i, p in enumerate(paths) if p.exists()}
        if len(notes) == num_nodes or monotonic() > give_up_at:
            return notes
        sleep(0.1)


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
