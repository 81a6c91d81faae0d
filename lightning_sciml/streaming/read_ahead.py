"""Calls that are made ahead of time, by threads and by the one who waits for their results."""

from collections.abc import Callable, Generator, Iterator
from itertools import cycle
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class CallsAhead(Generic[T]):
    """Makes calls in threads and hands out their results in order.

    Where a result is not there yet, the one who asks for it makes the next call meanwhile: to sleep
    and be woken takes as long as to read a small batch.

    Args:
        calls: what to call; iterated over by one thread at a time.
        num_ahead: how many may begin before they are asked for.
    """

    def __init__(self, calls: Iterator[Callable[[], T]], num_ahead: int) -> None:
        self._calls = calls
        self._results = [SimpleQueue[T | Exception]() for _ in range(num_ahead + 1)]
        self._turns = cycle(self._results)
        self._lock = Lock()
        self._permits = SimpleQueue[bool]()  # to make a call; False ends a thread

    def results(self, num_calls: int, *, num_threads: int) -> Generator[T, None, None]:
        """Yield the results of so many calls, once.

        Raises:
            Exception: what a call, or finding it, has raised.
        """
        for _ in range(min(num_calls, len(self._results))):
            self._permits.put(True)
        for _ in range(num_threads):  # daemons: the interpreter ends without waiting for them
            Thread(target=self._work, name="prefetch", daemon=True).start()
        try:
            for number, result in zip(range(num_calls), cycle(self._results), strict=False):
                value = self._wait_for(result)
                if number + len(self._results) < num_calls:
                    self._permits.put(True)
                yield value
        finally:
            while self._may_begin():  # what has not begun never does
                pass
            for _ in range(num_threads):
                self._permits.put(False)

    def _wait_for(self, result: SimpleQueue[T | Exception]) -> T:
        while result.empty() and self._may_begin():
            self._make_next()
        value = result.get()
        if isinstance(value, Exception):
            raise value
        return value

    def _work(self) -> None:
        while self._permits.get():
            self._make_next()

    def _may_begin(self) -> bool:
        try:
            return self._permits.get_nowait()
        except Empty:
            return False

    def _make_next(self) -> None:
        try:
            with self._lock:
                result = next(self._turns)
                call = next(self._calls)
            value: T | Exception = call()
        except Exception as error:
            value = error
        result.put(value)
