"""A folder that appears when it is whole: written under another name beside it, then renamed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning_sciml.errors import InputError
from lightning_sciml.folder_lock import FolderLock


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write to; if the block ends well, it becomes ``folder``, else it is removed.

    The leftover of a killed process is removed first.

    Raises:
        InputError: something has the name already, another process is writing to it, or nothing
            can be written there.
    """
    folder = folder.absolute()
    written = folder.with_name(f".{folder.name}.unfinished")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder} exists and is not empty; give another folder or remove it")
        written.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(written)
        if not lock.acquire():
            raise InputError(
                f"another process is writing to {folder}; wait for it, or give another folder"
            )
        try:
            _empty(written, lock.path)
            yield written
            lock.release(remove=True)
            written.rename(folder)
        except BaseException:
            shutil.rmtree(written, ignore_errors=True)
            raise
        finally:
            lock.release()
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written: {error.strerror}; choose another folder"
        ) from error


def _empty(folder: Path, kept: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != kept:
            path.unlink()
