"""What tests of damage share: flips, edits of JSON, a limit in time, generation of a folder."""

import contextlib
import copy
import json
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import h5py
import pytest

from data_gen import solve
from data_gen.decomposition import ShardTask, shard_tasks
from data_gen.generation import SampleGenerator
from data_gen.output_folder import OutputFolder
from lightning_sciml.errors import InputError

ROOT = Path(__file__).parents[2]
SIZES = {
    "num_points": 32,
    "num_train_samples": 11,
    "num_val_samples": 3,
    "num_test_samples": 3,
    "shard_size": 8,
}
LIMIT_S = 20.0  # for what reads a damaged set
ABSENT = object()
VALUES = [
    *(ABSENT, None, True, 0, -1, 3, 2**63, 10**30, 1.5, -1e300, "", "x", "../x", "\x1b[2J\n"),
    *([], [None], [[]], {}, {"x": 1}, {"x": None}, ["x", "x"]),
]


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise where the block takes longer: a test of endless loops fails instead of hanging."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"still at work after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def places(content: Any, place: tuple = ()) -> list[tuple]:
    """All keys at all depths; of long lists the first two and the last item."""
    keys: list[Any] = list(content) if isinstance(content, dict) else []
    if isinstance(content, list):
        keys = sorted({0, 1, len(content) - 1} & set(range(len(content))))
    below = [p for key in keys for p in places(content[key], (*place, key))]
    return [*((*place, key) for key in keys), *below]


def edited(content: Any, place: tuple, value: object) -> Any:
    """A copy with another value at a place."""
    content = copy.deepcopy(content)
    parent = content
    for key in place[:-1]:
        parent = parent[key]
    if value is ABSENT:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    return content


@contextmanager
def without_hdf5() -> Iterator[None]:
    """HDF5 fails or loops on damaged metadata, so it must not see any."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(h5py, "File", None)
        yield


def flips(path: Path, number: int, seed: int) -> Iterator[tuple[int, int]]:
    """Places of bits: two thirds in header and metadata, which are the smaller part of a shard."""
    generator = random.Random(seed)
    size = path.stat().st_size
    for i in range(number):
        yield generator.randrange(size if i % 3 == 0 else min(size, 20_480)), generator.randrange(8)


def header_of(whole: bytes) -> tuple[dict[str, Any], int]:
    """The header of a shard, and the size of its block."""
    size = int(whole[:64].split()[3])
    return json.loads(whole[64:size]), size


def with_header(whole: bytes, content: dict[str, Any]) -> bytes:
    """A shard with another header, whose checksum agrees."""
    _, size = header_of(whole)
    body = json.dumps(content).encode().ljust(size - 64)
    line = f"lightning_sciml shard 2 {size} {crc32(body):08x}".ljust(63) + "\n"
    return line.encode() + body + whole[size:]


def try_header_edits(
    path: Path, choose: Callable[[tuple], list[Any]], read: Callable[[tuple], object]
) -> int:
    """Edit the header of a shard and make its checksum agree; what reads it may reject it.

    Args:
        path: the shard.
        choose: values that are put at a place.
        read: what reads the data set, without HDF5; it is told the place.

    Returns:
        The number of edits.
    """
    number, whole = 0, path.read_bytes()
    content, _ = header_of(whole)
    for place in places(content):
        for value in choose(place):
            path.write_bytes(with_header(whole, edited(content, place, value)))
            with time_limit(LIMIT_S), without_hdf5(), contextlib.suppress(InputError):
                read(place)
            number += 1
    return number


class Generation:
    """Generation of a folder in this process: what a resumed one keeps and makes."""

    def __init__(self, folder: Path, name: str, sizes: dict[str, int]) -> None:
        options = [f"--{key}={value}" for key, value in sizes.items()]
        config = ROOT / f"launch/configs/data/{name}.yaml"
        _, self.config = solve.parse([f"--config={config}", f"--output={folder}", *options])
        self.folder = OutputFolder(folder, self.config.plan())
        self.generator = SampleGenerator(self.config)

    def begin(self) -> None:
        """Begin in the folder, and leave it to others again."""
        folder = OutputFolder(self.folder.directory, self.folder.plan)
        try:
            folder.begin()
        finally:
            folder._folder_lock.release()

    def task(self, path: Path) -> ShardTask:
        """The task whose shard lies at a path."""
        (task,) = (t for t in shard_tasks(self.folder.plan) if self.folder._path(t) == path)
        return task

    def resume(self, path: Path) -> bool:
        """Make a shard anew unless it is kept; return whether it was made."""
        task = self.task(path)
        if self.folder.existing(task) is not None:
            return False
        self.folder.add(task, self.generator.shard(task))
        return True
