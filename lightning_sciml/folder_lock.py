"""A lock on a folder: one process works in it, and the lock ends with that process."""

import fcntl
import os
from pathlib import Path
from typing import ClassVar

LOCK_FILE = ".lock"


class FolderLock:
    """An exclusive ``flock`` on FOLDER/.lock, held until `release` or the end of the process.

    A file system without locks grants every request: `sciml doctor` tells where that is so.
    NFS locks only what is open for writing, which a folder itself cannot be; hence the file.
    """

    _shared: ClassVar[set[tuple[int, Path]]] = set()
    """Process and lock file: a forked process has this table, too, but not the locks."""

    def __init__(self, folder: Path) -> None:
        self.path = folder.resolve() / LOCK_FILE
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock unless another process holds it; the folder must exist.

        Returns:
            Whether this process may work in the folder.

        Raises:
            OSError: the lock file cannot be made.
        """
        if (os.getpid(), self.path) in self._shared:
            return True
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:
            pass  # a file system without locks
        self._descriptor = descriptor
        return True

    def share(self) -> None:
        """Grant the lock, which is held, to other parts of this process: a study to its fit."""
        self._shared.add((os.getpid(), self.path))

    def release(self) -> None:
        """Let others work in the folder."""
        if self._descriptor is not None:
            self._shared.discard((os.getpid(), self.path))
            os.close(self._descriptor)
            self._descriptor = None
