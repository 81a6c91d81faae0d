"""Main memory: what can be had, and what a process keeps."""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> None:
    """Let glibc reuse freed arrays instead of giving them back to the kernel.

    By default every temporary of some megabytes is unmapped when freed, and each of its pages
    must be faulted in again: measured 4 times the run time. Does nothing under another C library.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 1 << 30)
    mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)


def available_memory(root: Path = Path("/")) -> int:
    """Bytes of main memory that can be had without swapping; all there is where Linux is not.

    Where a job or a container has a limit (of SLURM's ``--mem``, of Docker's ``--memory``), it is
    what is left below that, if that is less.

    Args:
        root: folder that holds the kernel's files, /proc and /sys.
    """
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    fields = dict(line.split(":") for line in lines)
    of_machine = int(fields["MemAvailable"].split()[0]) * 1024
    return max(0, min([of_machine, *_left_below_limits(root)]))


class _Account(NamedTuple):
    """What a version of control groups calls the memory of a group.

    Attributes:
        folder: of the groups, below /sys/fs/cgroup.
        limit: file of the limit.
        used: file of what the group and those below it use.
        cached: lines of ``memory.stat``: pages of files, which are freed when memory is short.
    """

    folder: str
    limit: str
    used: str
    cached: tuple[str, str]


_ACCOUNTS = {
    "": _Account("", "memory.max", "memory.current", ("inactive_file", "active_file")),
    "memory": _Account(
        "memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        ("total_inactive_file", "total_active_file"),
    ),
}
"""Version 2 and version 1, by the controller that /proc/self/cgroup names."""


def _left_below_limits(root: Path) -> Iterator[int]:
    """Compute what the control groups of this process, and all above them, may still take."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, own = line.split(":", 2)
        for account in (_ACCOUNTS[c] for c in controllers.split(",") if c in _ACCOUNTS):
            top = root / "sys/fs/cgroup" / account.folder
            group = top / own.lstrip("/")
            # In a container the group's path may be that outside of it: only the top is there.
            for folder in (group, *group.parents):
                if folder.is_relative_to(top):
                    yield from _left(folder, account)


def _left(group: Path, account: _Account) -> Iterator[int]:
    """Compute what one control group may still take; nothing where it has no limit."""
    try:
        limit, used = (int((group / name).read_text()) for name in (account.limit, account.used))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such group; "max"
        return
    yield limit - used + sum(int(stat.get(name, 0)) for name in account.cached)
