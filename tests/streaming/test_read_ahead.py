"""Calls ahead give their results in order, no more of them than asked for, errors at their turn."""

from functools import partial
from itertools import count, islice
from threading import Event, get_ident

import pytest

from lightning_sciml.streaming.read_ahead import CallsAhead

WAIT_S = 20


@pytest.mark.parametrize("num_threads", [1, 2, 3])
@pytest.mark.parametrize("num_ahead", [1, 2, 5])
@pytest.mark.parametrize("num_calls", [0, 1, 4, 200])
def test_results_come_in_order_each_once(num_calls, num_ahead, num_threads):
    calls = (partial(pow, n, 2) for n in range(num_calls))
    results = CallsAhead(calls, num_ahead).results(num_calls, num_threads=num_threads)
    assert list(results) == [n**2 for n in range(num_calls)]


def test_no_more_calls_begin_than_may_be_ahead():
    begun: list[int] = []
    is_full = Event()

    def call(n: int) -> int:
        begun.append(n)
        if n == 3:
            is_full.set()
        return n

    results = CallsAhead((partial(call, n) for n in count()), 2).results(100, num_threads=1)
    assert next(results) == 0
    assert is_full.wait(WAIT_S)
    results.close()
    assert sorted(begun) == [
        0,
        1,
        2,
        3,
    ]  # the one that was taken, two ahead, and the next to be taken


def test_the_one_who_waits_makes_the_next_calls():
    made_by: dict[int, int] = {}
    may_end = Event()

    def call(n: int) -> int:
        made_by[n] = get_ident()
        if n == 0:  # whoever makes it has to wait for the other one's two
            assert may_end.wait(WAIT_S)
        if n == 2:
            may_end.set()
        return n

    results = CallsAhead((partial(call, n) for n in count()), 2).results(3, num_threads=1)
    assert list(results) == [0, 1, 2]
    assert made_by[1] == made_by[2] != made_by[0]
    assert get_ident() in made_by.values()


def test_an_error_is_raised_at_its_turn():
    def fail() -> int:
        raise OSError("unreadable")

    calls = iter([partial(int, 0), partial(int, 1), fail, partial(int, 3)])
    results = CallsAhead(calls, 3).results(4, num_threads=2)
    assert list(islice(results, 2)) == [0, 1]
    with pytest.raises(OSError, match="unreadable"):
        next(results)


def test_an_error_in_finding_a_call_is_raised_at_its_turn():
    def calls():
        yield partial(int, 0)
        raise OSError("unreadable")

    results = CallsAhead(calls(), 2).results(5, num_threads=2)
    assert next(results) == 0
    with pytest.raises(OSError, match="unreadable"):
        next(results)
