import errno
import os
import re
import resource
import time
from dataclasses import asdict, replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from lightning_sciml.pde.grid import Grid
from lightning_sciml.shards.checksums import payload_checksum
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.durable import remove_temporaries, replacing
from lightning_sciml.shards.manifest import ShardRecord
from lightning_sciml.shards.schema import slab_file
from lightning_sciml.shards.shard_layout import open_shard
from lightning_sciml.shards.writer import write_shard, write_slab

PLAN = DatasetPlan(
    name="set",
    equation="none",
    equation_parameters={},
    coefficient_names=("a", "b"),
    config={},
    grid=Grid(shape=(8, 8)),
    input_fields=("source",),
    output_fields=("solution",),
    seed=7,
    shard_size=9,
    num_samples={"train": 9},
)


def datasets(num_samples=3):
    rng = np.random.default_rng(0)
    return {
        "fields": rng.standard_normal((num_samples, 2, 8, 8)).astype(np.float32),
        "coefficients": rng.standard_normal((num_samples, 2)),
        "norms": rng.standard_normal((num_samples, 5)),
        "sample_index": np.arange(num_samples),
    }


def write(path, arrays, plan=PLAN):
    """Write a shard; return its record."""
    record = record_of(arrays)
    write_shard(path, arrays, record=record, plan=plan)
    return record


def record_of(arrays):
    return ShardRecord(
        file="train/00000.h5",
        split="train",
        first_index=0,
        num_samples=len(arrays["fields"]),
        checksum=payload_checksum(arrays),
        max_residual=None,
        num_rejected=0,
    )


def test_what_is_read_is_what_was_written(tmp_path):
    written = datasets(num_samples=9)
    record = write(tmp_path / "0.h5", written)
    shard = open_shard(tmp_path / "0.h5", PLAN, asdict(record))
    shard.check_payload()
    fields = np.stack([shard.read("fields", row) for row in range(9)])
    for name, array in written.items():
        np.testing.assert_array_equal({"fields": fields, **shard.arrays}[name], array)
    with h5py.File(tmp_path / "0.h5") as file:
        assert file.attrs["num_samples"] == 9
        assert list(file["coefficients"].attrs["names"]) == [b"a", b"b"]
        np.testing.assert_array_equal(file["fields"], written["fields"])
        assert file["fields"].id.get_offset() % 4096 == 0


@pytest.fixture
def few_open_files():
    """Room for ten files more than are open."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = {int(path.name) for path in Path("/proc/self/fd").iterdir()}
    tenth = [number for number in range(limits[0]) if number not in taken][10]
    resource.setrlimit(resource.RLIMIT_NOFILE, (tenth, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_more_slabs_than_files_may_be_open_are_one_shard(tmp_path, few_open_files):
    arrays = datasets() | {"fields": np.arange(3 * 2 * 40 * 40, dtype="f4").reshape(3, 2, 40, 40)}
    plan, path = replace(PLAN, grid=Grid(shape=(40, 40))), tmp_path / "00000.h5"
    slabs = [
        write_slab(tmp_path / slab_file(path.name, i), "fields", arrays["fields"][:, :, i : i + 1])
        for i in range(40)
    ]
    record = record_of(arrays)
    small = {name: values for name, values in arrays.items() if name != "fields"}
    write_shard(path, small, record=record, plan=plan, slabs=slabs)
    shard = open_shard(path, plan, asdict(record))
    shard.check_payload()
    assert len({part.path for part in shard.parts["fields"]}) == 40


def test_slabs_joined_at_another_time_give_an_equal_file(tmp_path):
    """HDF5 stores the seconds at which a dataset is made, unless it is told not to."""
    arrays, contents = datasets(), []
    small = {name: values for name, values in arrays.items() if name != "fields"}
    for _ in range(2):
        slabs = [
            write_slab(tmp_path / slab_file("0.h5", i), "fields", arrays["fields"][:, :, rows])
            for i, rows in enumerate((slice(0, 3), slice(3, 8)))
        ]
        write_shard(tmp_path / "0.h5", small, record=record_of(arrays), plan=PLAN, slabs=slabs)
        contents.append((tmp_path / "0.h5").read_bytes())
        time.sleep(1.1)
    assert contents[0] == contents[1]
    with h5py.File(tmp_path / "0.h5") as file:
        np.testing.assert_array_equal(file["fields"], arrays["fields"])


def test_equal_content_gives_equal_files(tmp_path):
    for name in ("a.h5", "b.h5"):
        write(tmp_path / name, datasets())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_plan_of_any_length_fits_the_header(tmp_path):
    plan = replace(PLAN, config={"files": [f"{number:08d}.h5" for number in range(10_000)]})
    record = write(tmp_path / "0.h5", datasets(), plan)
    open_shard(tmp_path / "0.h5", plan, asdict(record)).check_payload()


def test_hdf5_attributes_are_of_fixed_length(tmp_path):
    write(tmp_path / "0.h5", datasets())
    with h5py.File(tmp_path / "0.h5") as file:
        holders = [file, *file.values()]
        types = [holder.attrs.get_id(name).dtype for holder in holders for name in holder.attrs]
    assert len(types) >= 7
    assert not any(h5py.check_string_dtype(t) and not t.itemsize for t in types)
    assert all(t.kind in "Sif" for t in types)


def test_checksum_is_of_every_dataset():
    whole = payload_checksum(datasets())
    assert re.fullmatch("[0-9a-f]{8}", whole)
    for name in datasets():
        changed = datasets()
        changed[name] = changed[name] + 1
        assert payload_checksum(changed) != whole


def test_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "0.h5", datasets())
    assert list(tmp_path.iterdir()) == []


def test_failed_replacement_keeps_what_was_there(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def half_done():
        with replacing(path) as temporary:
            temporary.write_text("half of the new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_done()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_temporary_files_of_dead_writers_are_removed(tmp_path):
    (tmp_path / "train").mkdir()
    with replacing(tmp_path / "train" / "00000.h5") as temporary:
        leftover = tmp_path / "train" / temporary.name.replace(str(os.getpid()), "1")
        leftover.touch()
        temporary.write_text("whole")
    remove_temporaries(tmp_path)
    assert [path.name for path in (tmp_path / "train").iterdir()] == ["00000.h5"]
