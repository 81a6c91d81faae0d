"""Reads of many places in one call give what single reads give, wherever they are made."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lightning_sciml.shards import many_reads
from lightning_sciml.shards.many_reads import read_many

NUM_READS, SIZE = 700, 96  # more than one list of requests


@pytest.fixture(params=["one call", "a call each"])
def way(request, monkeypatch):
    if request.param == "a call each":
        monkeypatch.setattr(many_reads, "_queue", lambda: None)
    elif many_reads._queue() is None:
        pytest.skip("this system takes no list of reads")


@pytest.fixture
def content(tmp_path):
    path = tmp_path / "content"
    path.write_bytes(np.random.default_rng(0).bytes(40_000))
    return path


def _read(descriptor, offsets):
    memory = np.zeros((len(offsets), 2, SIZE), np.uint8)
    out = memory[:, 1]  # what belongs to a row is contiguous, rows are apart
    sizes = read_many(np.full(len(offsets), descriptor), out, np.array(offsets, np.int64))
    assert not memory[:, 0].any()
    return sizes, out


def test_each_row_holds_the_bytes_at_its_offset(way, content):
    whole = np.frombuffer(content.read_bytes(), np.uint8)
    offsets = np.random.default_rng(1).integers(len(whole) - SIZE, size=NUM_READS)
    with content.open("rb") as file:
        sizes, out = _read(file.fileno(), offsets)
    np.testing.assert_array_equal(sizes, SIZE)
    np.testing.assert_array_equal(out, whole[offsets[:, None] + np.arange(SIZE)])


def test_an_end_of_file_is_told_by_the_size_and_an_error_by_a_negative_one(way, content):
    with content.open("rb") as file:
        sizes, _ = _read(file.fileno(), [0, 40_000 - 10, 50_000])
        assert sizes.tolist() == [SIZE, 10, 0]
    descriptor = os.open(content, os.O_WRONLY)
    sizes, _ = _read(descriptor, [0, 8])
    os.close(descriptor)
    assert (sizes < 0).all()


def test_threads_and_a_forked_child_read_at_once(way, content):
    whole = np.frombuffer(content.read_bytes(), np.uint8)

    def is_right(seed):
        offsets = np.random.default_rng(seed).integers(len(whole) - SIZE, size=50)
        _, out = _read(file.fileno(), offsets)
        return bool((out == whole[offsets[:, None] + np.arange(SIZE)]).all())

    with content.open("rb") as file:
        with ThreadPoolExecutor(4) as threads:
            assert all(threads.map(is_right, range(40)))
        child = os.fork()
        if not child:
            os._exit(0 if is_right(0) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
