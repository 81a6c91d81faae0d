import errno
import fcntl
import os
from pathlib import Path

import pytest

from lightning_sciml.folder_lock import FolderLock


def test_second_holder_is_kept_out_until_the_first_releases(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_file_system_without_locks_grants_every_request(tmp_path, monkeypatch, number) -> None:
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    assert FolderLock(tmp_path).acquire()
    assert FolderLock(tmp_path).acquire()


def test_lock_ends_with_its_process(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0 if FolderLock(tmp_path).acquire() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert FolderLock(tmp_path).acquire()


def test_shared_lock_is_granted_to_other_parts_of_the_process_alone(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    assert first.acquire()
    first.share()
    assert second.acquire()
    child = os.fork()
    if child == 0:
        os._exit(1 if FolderLock(tmp_path).acquire() else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    second.release()  # it held nothing of its own
    assert second.acquire()
    first.release()
    assert FolderLock(tmp_path).acquire()
    assert not second.acquire()


def test_a_child_that_outlives_the_holder_does_not_hold_the_lock(tmp_path: Path) -> None:
    """Hold the lock as workers of a killed run do, which notice its end seconds later."""
    locked, may_end = os.pipe(), os.pipe()
    holder = os.fork()
    if holder == 0:
        lock = FolderLock(tmp_path)
        lock.acquire()
        if os.fork() == 0:
            os.close(may_end[1])
            os.read(may_end[0], 1)
            os._exit(0)
        os.write(locked[1], b"x")
        os._exit(0)
    os.read(locked[0], 1)
    os.waitpid(holder, 0)
    assert FolderLock(tmp_path).acquire()
    os.close(may_end[1])


def test_a_lock_file_that_its_holder_removes_keeps_nobody_else_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second opens the file before the first removes it, and locks it afterwards."""
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    assert first.acquire()
    flock = fcntl.flock

    def late(descriptor: int, operation: int) -> None:
        first.release(remove=True)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    assert second.acquire()
    assert not FolderLock(tmp_path).acquire()
    second.release(remove=True)
    assert not any(tmp_path.iterdir())
