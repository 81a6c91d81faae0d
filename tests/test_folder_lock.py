import os
from pathlib import Path

from lightning_sciml.folder_lock import FolderLock


def test_second_holder_is_kept_out_until_the_first_releases(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()


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
