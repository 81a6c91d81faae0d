"""One file of a data set, open for reads at known places, and the parts of a sample in files."""

import os
import stat
import weakref
from pathlib import Path
from typing import NamedTuple

from zlib_ng.zlib_ng import crc32

from lightning_sciml.errors import InputError

REMEDY = (
    "run the same `sciml generate` again, it replaces damaged shards; import an imported set again"
)
_CHUNK_BYTES = 8 << 20


def shard_error(path: Path | str, problem: str) -> InputError:
    """Return the error of a shard that is not as wanted: its name, the problem, the remedy."""
    return InputError(f"shard {path}{problem}; {REMEDY}")


class OpenFile:
    """A regular file open for reads at any place, closed when nothing refers to it any more.

    Args:
        path: the file.

    Raises:
        InputError: missing, a pipe, device or folder, or not readable.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:  # a pipe without a writer would block
            self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            raise shard_error(path, " is missing") from None
        except OSError as error:
            raise shard_error(path, f" cannot be opened: {error.strerror}") from None
        weakref.finalize(self, os.close, self.descriptor)
        status = os.fstat(self.descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise shard_error(path, " must be a file, it is none; delete it first")
        self.size = status.st_size

    def read_into(self, out: memoryview, offset: int) -> None:
        """Fill ``out`` with the bytes from ``offset`` on.

        Raises:
            InputError: the file ends before, or cannot be read.
        """
        end = offset + len(out)
        while out:  # Linux reads no more than 2 GiB at a time
            try:
                num_read = os.preadv(self.descriptor, (out,), offset)
            except OSError as error:
                raise InputError(f"shard {self.path} cannot be read: {error.strerror}") from error
            if not num_read:
                raise self.truncated(offset, end)
            out, offset = out[num_read:], offset + num_read

    def read(self, offset: int, size: int) -> bytearray:
        """Return ``size`` bytes from ``offset`` on.

        Raises:
            InputError: the file ends before, or cannot be read.
        """
        if offset + size > self.size:
            raise self.truncated(self.size, offset + size)
        content = bytearray(size)
        self.read_into(memoryview(content), offset)
        return content

    def checksum(self, offset: int, size: int, before: int = 0) -> int:
        """Return the CRC32 of ``size`` bytes from ``offset`` on, continued from ``before``."""
        buffer = memoryview(bytearray(min(size, _CHUNK_BYTES)))
        for begin in range(0, size, _CHUNK_BYTES):
            chunk = buffer[: min(size - begin, _CHUNK_BYTES)]
            self.read_into(chunk, offset + begin)
            before = crc32(chunk, before)
        return before

    def truncated(self, size: int, wanted: int) -> InputError:
        """Return the error of a file that has fewer bytes than wanted."""
        return shard_error(self.path, f" is truncated: {size} bytes, wanted {wanted}")


def open_inside(path: Path) -> OpenFile:
    """Open DATASET/SPLIT/NAME. A symbolic link may lead to another place in the data set only.

    Raises:
        InputError: a link that leads out of the data set; see also ``OpenFile``.
    """
    file = OpenFile(path)
    place = path.resolve()
    if not place.is_relative_to(path.parents[1].resolve()):
        raise InputError(
            f"shard {path} is a link to {place}, outside its data set; put the file itself there"
        )
    return file


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

    def read(self, file: OpenFile, position: int, out: memoryview, first: int = 0) -> None:
        """Fill what ``out`` takes of this part.

        Args:
            file: open at the path.
            position: of the sample in its shard.
            out: memory for bytes of the sample that lie together.
            first: place of the first of them in the sample.

        Raises:
            InputError: the file ends before the sample does, or cannot be read.
        """
        offset, end = self.offset + position * self.stride, self.start + self.size
        if self.start <= first and first + len(out) <= end:  # all of it, 0.3 µs sooner
            file.read_into(out, offset + first - self.start)
            return
        begin, end = max(self.start - first, 0), min(end - first, len(out))
        if begin < end:
            file.read_into(out[begin:end], offset + first + begin - self.start)
