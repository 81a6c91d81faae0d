"""A lock on a folder: one process works in it, and the lock ends with that process."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import ClassVar
from weakref import WeakSet

LOCK_FILE = ".lock"


class FolderLock:
    """An exclusive ``flock`` on FOLDER/.lock, held until `release` or the end of the process.

    A file system without locks grants every request: `sciml doctor` tells where that is so.
    NFS locks only what is open for writing, which a folder itself cannot be; hence the file.
    """

    _shared: ClassVar[set[tuple[int, Path]]] = set()
    """Process and lock file: a forked process has this table, too, but not the locks."""
    _held: ClassVar["WeakSet[FolderLock]"] = WeakSet()

    def __init__(self, folder: Path) -> None:
        self.path = folder.resolve() / LOCK_FILE
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock unless another process holds it; the folder must exist.

        Returns:
            Whether this process may work in the folder.

        Raises:
            OSError: the lock file cannot be made, or something else than a file has its name.
        """
        if (os.getpid(), self.path) in self._shared:
            return True
        while True:
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self.path, flags | os.O_NONBLOCK, 0o644)  # a pipe would block
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            except OSError:
                break  # a file system without locks
            if self._is_current(descriptor):
                break
            os.close(descriptor)
        self._descriptor = descriptor
        self._held.add(self)
        return True

    def share(self) -> None:
        """Grant the lock, which is held, to other parts of this process: a study to its fit."""
        self._shared.add((os.getpid(), self.path))

    def release(self, *, remove: bool = False) -> None:
        """Let others work in the folder.

        Args:
            remove: also remove the lock file, if this object holds the lock.
        """
        if self._descriptor is not None:
            if remove:
                self.path.unlink(missing_ok=True)
            self._shared.discard((os.getpid(), self.path))
            self._held.discard(self)
            os.close(self._descriptor)
            self._descriptor = None

    def _is_current(self, descriptor: int) -> bool:
        """Return whether the locked file still has its name: its holder may have removed it."""
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        return False

    @classmethod
    def _forget_inherited(cls) -> None:
        """Close the lock files in a forked process, which may outlive the holder: a data worker."""
        for lock in list(cls._held):
            if lock._descriptor is not None:
                os.close(lock._descriptor)
                lock._descriptor = None
        cls._held.clear()


os.register_at_fork(after_in_child=FolderLock._forget_inherited)
