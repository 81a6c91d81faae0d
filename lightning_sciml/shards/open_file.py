"""One file of a data set, open for reads at known places."""

import os
import stat
import weakref
from pathlib import Path

from zlib_ng.zlib_ng import crc32

from lightning_sciml.errors import InputError

REMEDY = (
    "run the same `sciml generate` again, it replaces damaged shards; import an imported set again"
)
_CHUNK_BYTES = 8 << 20


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
            raise InputError(f"shard {path} is missing; {REMEDY}") from None
        except OSError as error:
            raise InputError(f"shard {path} cannot be opened: {error.strerror}; {REMEDY}") from None
        weakref.finalize(self, os.close, self.descriptor)
        status = os.fstat(self.descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"shard {path} must be a file, it is none; delete it, then {REMEDY}")
        self.size = status.st_size

    def read_into(self, out: memoryview, offset: int) -> None:
        """Fill ``out`` with the bytes from ``offset`` on.

        Raises:
            InputError: the file ends before, or cannot be read.
        """
        try:
            num_read = os.preadv(self.descriptor, (out,), offset)
        except OSError as error:
            raise InputError(f"shard {self.path} cannot be read: {error.strerror}") from error
        if num_read != len(out):
            raise InputError(
                f"shard {self.path} is truncated: {num_read} bytes at {offset}, wanted "
                f"{len(out)}; {REMEDY}"
            )

    def read(self, offset: int, size: int) -> bytearray:
        """Return ``size`` bytes from ``offset`` on.

        Raises:
            InputError: the file ends before, or cannot be read.
        """
        if offset + size > self.size:
            raise InputError(
                f"shard {self.path} is truncated: {self.size} bytes, wanted {offset + size}; "
                f"{REMEDY}"
            )
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
