"""A file appears whole or not at all: temporary name, fsync, rename, fsync of the folder."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

TEMPORARY_SUFFIX = ".tmp"


@contextmanager
def replacing(path: Path, *, drop_cache: bool = False) -> Iterator[Path]:
    """Give a temporary path beside ``path``; when the block ends well, it durably becomes ``path``.

    When the block raises, the temporary file is removed and ``path`` is as it was.

    Args:
        path: the file to replace or make.
        drop_cache: let the kernel forget the content once it is on disk. Gigabytes that nobody
            reads soon push other things out of memory; measured, writing went twice as fast.
    """
    temporary = temporary_beside(path)
    try:
        yield temporary
        _fsync(temporary, drop_cache=drop_cache)
        temporary.replace(path)
        _fsync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_beside(path: Path) -> Path:
    """Return a name beside ``path`` that no other process takes, on this machine or another."""
    return path.with_name(f".{path.name}.{os.getpid()}-{token_hex(4)}{TEMPORARY_SUFFIX}")


def write_whole(path: Path, text: str) -> None:
    """Write a small file whole: a kill leaves the old one or the new one."""
    with replacing(path) as temporary:
        temporary.write_text(text)


def free_bytes(path: Path) -> int:
    """Return how many bytes are free on the disk where a file or folder is to be."""
    folders = (path, *path.absolute().parents)
    return shutil.disk_usage(next(folder for folder in folders if folder.is_dir())).free


def remove_temporaries(directory: Path) -> None:
    """Remove what killed writers left under ``directory``."""
    for leftover in directory.rglob(f".*{TEMPORARY_SUFFIX}"):
        leftover.unlink(missing_ok=True)


def _fsync(path: Path, *, drop_cache: bool = False) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        if drop_cache and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
