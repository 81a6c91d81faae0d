"""Where the fields of a sample lie: in one file, or some rows of it in each of several."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lightning_sciml.shards.open_file import OpenFile

_MAX_READ = 1 << 30  # Linux reads no more than 2 GiB at a time


class Payload(NamedTuple):
    """A piece of the fields on disk: where it lies, and its shape (n, F, rows, N)."""

    path: Path
    offset: int
    shape: tuple[int, ...]


class SamplePart(NamedTuple):
    """Bytes that lie together in every sample, in its file and in memory.

    Attributes:
        path: the file.
        offset: of those of the first sample in the file.
        stride: from sample to sample in the file.
        start: of those in the memory of a sample.
        size: how many.
    """

    path: str
    offset: int
    stride: int
    start: int
    size: int

    def read(self, file: OpenFile, position: int, out: memoryview) -> None:
        """Fill ``out`` with these bytes of the sample at a position.

        Raises:
            InputError: the file ends before the sample does, or cannot be read.
        """
        file.read_into(out, self.offset + position * self.stride)


def sample_parts(pieces: Sequence[Payload]) -> tuple[SamplePart, ...]:
    """List what to read for a sample: all fields at once, or a part for each slab and field."""
    parts, first_row = [], 0
    for path, offset, (_, F, rows, N) in pieces:
        num_parts = F if len(pieces) > 1 else 1
        size = 4 * F * rows * N // num_parts
        for part in range(num_parts):
            start = 4 * N * (part * N + first_row)
            for begin in range(0, size, _MAX_READ):
                end = min(begin + _MAX_READ, size)
                at = offset + part * size + begin
                parts.append(
                    SamplePart(str(path), at, num_parts * size, start + begin, end - begin)
                )
        first_row += rows
    return tuple(parts)
