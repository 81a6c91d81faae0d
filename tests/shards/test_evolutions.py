"""Sets of trajectories: what is read is what was written, whole or in windows."""

import pickle

import h5py
import numpy as np
import pytest
from evolution_sets import evolution_plan, random_samples, rewrite_shard, write_evolution

from lightning_sciml.errors import InputError
from lightning_sciml.shards import sample_files
from lightning_sciml.shards.many_reads import read_many
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.verification import verify_dataset

ALL = np.arange(11)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evolution") / "set"
    write_evolution(folder)
    return folder


@pytest.fixture(scope="module")
def written():
    return random_samples(evolution_plan(), "train")


@pytest.fixture
def dataset(folder):
    return ShardedDataset(folder, "train", verify="full")


def test_the_reader_says_what_the_plan_says(dataset):
    plan = evolution_plan()
    assert (dataset.is_evolution, dataset.num_times) == (True, 5)
    assert (dataset.grid, dataset.times) == (plan.grid, plan.times)
    assert (dataset.input_fields, dataset.target_fields) == (("forcing",), ("u", "v"))
    assert dataset.coefficient_names == ("nu",)


@pytest.mark.parametrize(("num_states", "stride"), [(1, 1), (2, 1), (5, 1), (2, 2), (3, 2), (2, 4)])
def test_a_window_has_the_states_of_its_times(dataset, written, num_states, stride):
    starts_there = 5 - (num_states - 1) * stride
    order = np.random.default_rng(1).permutation(np.repeat(ALL, starts_there))
    starts = np.arange(len(order)) % starts_there
    found = dataset.windows(order, starts, num_states, stride)
    for window, index, start in zip(found, order, starts, strict=True):
        stop = start + (num_states - 1) * stride + 1
        np.testing.assert_array_equal(window, written["trajectories"][index, start:stop:stride])


def test_static_fields_and_windows_fill_rows_of_one_buffer(dataset, written):
    """A batch is one piece of memory: what belongs to a sample is contiguous, samples are apart."""
    buffer = np.full((11, 1 + 2 * 2, 8, 12), np.nan, np.float32)
    dataset.inputs(ALL, out=buffer[:, :1])
    dataset.windows(ALL, ALL % 4, 2, out=buffer[:, 1:].reshape(11, 2, 2, 8, 12))
    np.testing.assert_array_equal(buffer[:, :1], written["inputs"])
    for index in ALL:
        states = written["trajectories"][index, index % 4 : index % 4 + 2]
        np.testing.assert_array_equal(buffer[index, 1:], states.reshape(4, 8, 12))


def test_a_window_of_stride_one_is_one_read_without_a_copy(dataset, monkeypatch):
    out = np.empty((3, 2, 2, 8, 12), np.float32)
    dataset.windows(ALL[:3], np.zeros(3, int), 2, out=out)  # opens the shard
    calls = []

    def counted(files, rows, offsets):
        calls.extend(row.ctypes.data for row in rows)
        return read_many(files, rows, offsets)

    monkeypatch.setattr(sample_files, "read_many", counted)
    dataset.windows(ALL[:3], np.array([0, 3, 1]), 2, out=out)
    assert calls == [row.ctypes.data for row in out]


@pytest.mark.parametrize(
    ("starts", "num_states", "stride"), [([4], 2, 1), ([-1], 2, 1), ([1], 3, 2), ([0], 6, 1)]
)
def test_a_window_beyond_the_trajectory_is_rejected(dataset, starts, num_states, stride):
    with pytest.raises(IndexError, match=r"must lie in the times 0 … 4"):
        dataset.windows(np.array([0]), np.array(starts), num_states, stride)


def test_what_the_other_kind_of_set_has_is_one_line(dataset, datasets):
    with pytest.raises(InputError, match="has trajectories: read windows and inputs"):
        dataset.fields(ALL)
    steady = ShardedDataset(datasets["poisson_1_5"], "val")
    with pytest.raises(InputError, match="has steady samples: read fields and inputs"):
        steady.windows(ALL, 0 * ALL, 1)


def test_a_sample_is_a_dictionary_by_names(dataset, written):
    one = dataset[9]
    assert [*one] == ["forcing", "u", "v", "nu"]
    np.testing.assert_array_equal(one["forcing"], written["inputs"][9, 0])
    np.testing.assert_array_equal(one["v"], written["trajectories"][9, :, 1])
    assert one["nu"] == written["coefficients"][9, 0]
    some = dataset[[3, 10]]
    np.testing.assert_array_equal(some["u"], written["trajectories"][[3, 10], :, 0])
    for index, sample in enumerate(dataset):
        np.testing.assert_array_equal(sample["u"], written["trajectories"][index, :, 0])


def test_states_alone_are_an_evolution(tmp_path):
    plan = evolution_plan(input_fields=())
    write_evolution(tmp_path / "set", plan)
    data = ShardedDataset(tmp_path / "set", "val", verify="full")
    assert data.inputs(np.arange(3)).shape == (3, 0, 8, 12)
    assert [*data[0]] == ["u", "v", "nu"]
    with h5py.File(tmp_path / "set/val/00000.h5") as file:
        assert "inputs" not in file


def test_large_arrays_lie_at_pages_and_other_programs_read_them(tmp_path):
    plan = evolution_plan(num_samples={"train": 11}, shard_size=11)
    write_evolution(tmp_path / "set", plan)
    drawn = random_samples(plan, "train")
    with h5py.File(tmp_path / "set/train/00000.h5") as file:
        for name in ("inputs", "trajectories"):
            np.testing.assert_array_equal(file[name], drawn[name])
            assert file[name].id.get_offset() % 4096 == 0


def test_xarray_has_times_and_points(dataset, written):
    pytest.importorskip("xarray")
    found = dataset.to_xarray()
    assert found["u"].dims == ("sample", "time", "y", "x")
    assert found["forcing"].dims == ("sample", "y", "x")
    np.testing.assert_array_equal(found["time"], evolution_plan().times)
    np.testing.assert_allclose(found["y"], (np.arange(8) + 0.5) / 8)
    np.testing.assert_allclose(found["x"], np.arange(12) / 8)
    picked = found["v"].sel(time=0.25).isel(sample=2)
    np.testing.assert_array_equal(picked, written["trajectories"][2, 2, 1])


def test_the_reader_crosses_processes(dataset, written):
    copy = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy[:]["u"], written["trajectories"][:, :, 0])


def test_equal_content_gives_equal_files(tmp_path, folder):
    write_evolution(tmp_path / "set")
    for path in folder.rglob("*.h5"):
        assert (tmp_path / "set" / path.relative_to(folder)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("shard_size", [1, 3, 100])
def test_statistics_are_those_of_numpy_over_all_data_at_any_shard_size(tmp_path, shard_size):
    plan = evolution_plan(shard_size=shard_size)
    statistics = write_evolution(tmp_path / "set", plan).statistics
    assert statistics == write_evolution(tmp_path / "other", evolution_plan()).statistics
    drawn = random_samples(plan, "train")
    fields = {"forcing": drawn["inputs"][:, 0].astype(float)}
    fields |= {n: drawn["trajectories"][:, :, f].astype(float) for f, n in enumerate(("u", "v"))}
    for name, values in fields.items():
        assert statistics[name]["mean"] == pytest.approx(values.mean(), rel=1e-12, abs=1e-15)
        assert statistics[name]["std"] == pytest.approx(values.std(), rel=1e-12)
        by_sample = values.reshape(11, -1)
        norms = np.sqrt((by_sample**2).mean(axis=1))
        assert statistics[f"median_{name}_norm"] == pytest.approx(np.median(norms), rel=1e-12)
        if name != "forcing":
            largest = np.median(np.abs(by_sample).max(axis=1))
            assert statistics[f"median_{name}_max"] == pytest.approx(largest, rel=1e-12)


@pytest.mark.parametrize("array", ["inputs", "trajectories"])
@pytest.mark.parametrize("value", [np.nan, 1.0])
def test_values_that_are_not_those_of_the_norms_are_found(tmp_path, array, value):
    plan = evolution_plan()
    drawn = random_samples(plan, "train")
    drawn[array][6].flat[0] += value
    write_evolution(tmp_path / "set", plan)
    assert verify_dataset(tmp_path / "set") == []
    rewrite_shard(tmp_path / "set", "train/00001.h5", **{array: drawn[array][4:8]})
    (fault,) = verify_dataset(tmp_path / "set")
    assert "train/00001.h5: sample 6 has " in fault
    assert " in its norms, its fields have " in fault
