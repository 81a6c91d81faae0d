"""Many reads in one system call, so that other threads run meanwhile.

After each read of its own a thread waits for the interpreter, which takes longer than a small read.
Linux takes a list of reads (io_submit(2)) and does those of the page cache one after the other,
before it returns. Where it does not, by a rule of the system or on another one, each is a call.
"""

import ctypes
import os
import platform
import sys
from collections import deque

import numpy as np
from jaxtyping import Int64

_NUMBERS = {"x86_64": (206, 209, 208), "aarch64": (0, 2, 4)}  # io_setup, io_submit, io_getevents
_AT_ONCE = 256
_REQUEST = np.dtype(  # struct iocb of linux/aio_abi.h, little endian
    [
        *(("data", "<u8"), ("key", "<u4"), ("flags", "<i4"), ("opcode", "<u2"), ("prio", "<i2")),
        *(("file", "<u4"), ("memory", "<u8"), ("size", "<u8"), ("offset", "<i8"), ("_", "<u8", 2)),
    ]
)
_EVENT = np.dtype([("data", "<u8"), ("request", "<u8"), ("result", "<i8"), ("_", "<i8")])


class _Queue:
    """A queue of reads in the kernel; for one thread at a time, of the process that made it."""

    def __init__(self) -> None:
        self._setup, self._submit, self._events = _NUMBERS[platform.machine()]
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._call.restype = ctypes.c_long
        self._id = ctypes.c_ulong(0)
        self.requests, self.events = np.zeros(_AT_ONCE, _REQUEST), np.zeros(_AT_ONCE, _EVENT)
        self.requests["data"] = np.arange(_AT_ONCE)
        pointers = self.requests.ctypes.data + _REQUEST.itemsize * np.arange(_AT_ONCE)
        self._pointers, self._at_events = pointers.astype(np.uint64), self.events.ctypes.data
        self._at_pointers = self._pointers.ctypes.data
        self._checked(self._call(self._setup, _AT_ONCE, ctypes.byref(self._id)))

    def read(self, num_reads: int) -> Int64[np.ndarray, " n"]:
        """Do the first of ``requests``; return the bytes read by each, or -errno."""
        begin, n = 0, ctypes.c_long(num_reads)
        while begin < num_reads:
            of_pointers = ctypes.c_void_p(self._at_pointers + 8 * begin)
            num_taken = ctypes.c_long(num_reads - begin)
            begin += self._checked(self._call(self._submit, self._id, num_taken, of_pointers))
        events = ctypes.c_void_p(self._at_events)
        while (got := self._call(self._events, self._id, n, n, events, None)) != num_reads:
            if got >= 0 or ctypes.get_errno() != 4:  # EINTR: ask again
                raise OSError(ctypes.get_errno(), "io_getevents")
        done = self.events[:num_reads]
        results = np.empty(num_reads, np.int64)
        results[done["data"].astype(np.int64)] = done["result"]
        return results

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result


_idle: deque[_Queue] = deque()
"""Queues to be used again: the kernel takes 10 ms to remove one."""

os.register_at_fork(after_in_child=_idle.clear)


def _queue() -> _Queue | None:
    """Take an idle queue, or make one; None where the system has none."""
    try:
        return _idle.popleft()
    except IndexError:
        pass
    if sys.platform != "linux" or platform.machine() not in _NUMBERS:
        return None
    try:
        return _Queue()
    except OSError:  # forbidden, or too many
        return None


def read_many(
    files: Int64[np.ndarray, " n"],
    out: np.ndarray,
    offsets: Int64[np.ndarray, " n"],
) -> Int64[np.ndarray, " n"]:
    """Read into each row of ``out`` from its file, from its offset on.

    Args:
        files: descriptors.
        out: (n, …); what belongs to one row is contiguous.
        offsets: in bytes.

    Returns:
        The bytes that each read has got; negative where it failed. What is short is for the caller
        to read again.
    """
    queue = _queue()
    if queue is not None:
        try:
            results = _read_by(queue, files, out, offsets)
        except OSError:  # the list is not taken; the queue is not used again
            pass
        else:
            _idle.append(queue)
            return results
    places = zip(files.tolist(), out, offsets.tolist(), strict=True)
    return np.array([_read(*place) for place in places], np.int64)


def _read_by(
    queue: _Queue, files: Int64[np.ndarray, " n"], out: np.ndarray, offsets: Int64[np.ndarray, " n"]
) -> Int64[np.ndarray, " n"]:
    results = np.empty(len(out), np.int64)
    memory = out.ctypes.data + out.strides[0] * np.arange(len(out))
    for begin in range(0, len(out), _AT_ONCE):
        rows = slice(begin, begin + _AT_ONCE)
        requests = queue.requests[: len(out[rows])]
        requests["file"], requests["offset"] = files[rows], offsets[rows]
        requests["memory"], requests["size"] = memory[rows], out[0].nbytes
        results[rows] = queue.read(len(requests))
    return results


def _read(file: int, row: np.ndarray, offset: int) -> int:
    try:
        return os.preadv(file, (row.data,), offset)
    except OSError:
        return -1
