"""The reader, on data sets that the real generator made (fixture ``datasets`` of the root)."""

import json
import multiprocessing
import os
import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from lightning_sciml.errors import InputError
from lightning_sciml.shards import sample_files
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset


@pytest.fixture
def dataset(datasets, tmp_path):
    """A copy that a test may damage: 40 training samples in shards of 16."""
    return shutil.copytree(datasets["poisson_1_5"], tmp_path / "poisson")


def test_samples_are_those_of_the_files_in_any_order(dataset):
    expected = np.concatenate(
        [h5py.File(dataset / f"train/0000{i}.h5")["fields"][:] for i in range(3)]
    )
    reader = ShardedDataset(dataset, "train")
    indices = np.random.default_rng(0).permutation(40)
    np.testing.assert_array_equal(reader.fields(indices), expected[indices])
    np.testing.assert_array_equal(reader.sample_index(indices), indices)
    out = np.empty((2, 2, 32, 32), np.float32)
    assert reader.fields(np.array([39, 0]), out) is out
    np.testing.assert_array_equal(out, expected[[39, 0]])


def num_open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_few_files_are_open_at_a_time(dataset, monkeypatch):
    monkeypatch.setattr(sample_files, "MAX_OPEN_FILES", 2)
    reader = ShardedDataset(dataset, "train")
    expected = reader.fields(np.arange(40))
    indices = np.random.default_rng(0).permutation(40)
    num_open = num_open_files()
    np.testing.assert_array_equal(reader.fields(indices), expected[indices])
    assert num_open_files() == num_open


def test_a_shard_cut_short_while_it_is_read_is_named(dataset):
    reader = ShardedDataset(dataset, "train")
    reader.fields(np.arange(40))
    os.truncate(dataset / "train/00001.h5", 100_000)
    with pytest.raises(InputError, match=r"shard .*train/00001.h5 is truncated"):
        reader.fields(np.arange(40))


def test_coefficients_and_norms_come_with_their_names(dataset):
    reader = ShardedDataset(dataset, "val")
    assert len(reader) == reader.num_samples == 13
    assert reader.coefficient_names == ("k11", "k22", "k12")
    everything = np.arange(13)
    assert reader.coefficients(everything).shape == (13, 3)
    norms = dict(zip(reader.norm_names, reader.norms(everything).T, strict=True))
    solution = reader.fields(everything)[:, 1].astype(float)
    np.testing.assert_allclose(norms["solution_max"], np.abs(solution).max((1, 2)), rtol=1e-6)


def test_inputs_are_the_first_fields(dataset):
    reader, order = ShardedDataset(dataset, "train"), np.array([30, 2, 17])
    np.testing.assert_array_equal(reader.inputs(order), reader.fields(order)[:, :1])


def test_index_outside_the_split_is_rejected(dataset):
    with pytest.raises(IndexError, match=r"0 … 12"):
        ShardedDataset(dataset, "val").fields(np.array([13]))


def _sum_in_another_process(reader, queue):
    queue.put(float(reader.fields(np.arange(40)).sum()))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_reader_crosses_processes_after_it_has_been_used(dataset, method):
    reader = ShardedDataset(dataset, "train")
    expected = float(reader.fields(np.arange(40)).sum())
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=_sum_in_another_process, args=(reader, queue))
    process.start()
    assert queue.get(timeout=60) == expected
    process.join()
    assert float(pickle.loads(pickle.dumps(reader)).fields(np.arange(40)).sum()) == expected


def test_statistics_are_those_of_the_train_split(dataset):
    reader = ShardedDataset(dataset, "train")
    everything = np.arange(40)
    fields, coefficients = reader.fields(everything).astype(float), reader.coefficients(everything)
    statistics = reader.manifest.statistics
    medians = np.median(np.abs(coefficients), axis=0)
    assert list(statistics["median_coefficients"].values()) == pytest.approx(medians)
    norms = np.sqrt((fields[:, 0] ** 2).mean((1, 2)))
    assert statistics["median_source_norm"] == pytest.approx(np.median(norms))
    assert statistics["solution"]["std"] == pytest.approx(fields[:, 1].std())
    for name in ("k11", "k22", "k12"):
        assert sum(reader.manifest.histograms[name]["counts"]) == 40 + 13 + 11


def damage(dataset, number=1):
    path = dataset / f"train/0000{number}.h5"
    with h5py.File(path) as file:
        return path, file["fields"].id.get_offset()


def test_missing_shard_is_named(dataset):
    (dataset / "train/00001.h5").unlink()
    with pytest.raises(InputError, match=r"shard .*train/00001.h5 is missing; run"):
        ShardedDataset(dataset, "train")


@pytest.mark.parametrize("size", [10, 100_000])
def test_truncated_shard_is_named(dataset, size):
    os.truncate(dataset / "train/00001.h5", size)
    with pytest.raises(InputError, match=r"shard .*train/00001.h5.* truncated"):
        ShardedDataset(dataset, "train")


def test_flipped_bit_is_found_by_the_full_check_and_named(dataset):
    path, offset = damage(dataset)
    with path.open("r+b") as file:
        file.seek(offset + 1000)
        byte = file.read(1)[0]
        file.seek(offset + 1000)
        file.write(bytes([byte ^ 1]))
    ShardedDataset(dataset, "train", verify="header")
    with pytest.raises(InputError, match=r"00001.h5: checksum of the payload is"):
        ShardedDataset(dataset, "train", verify="full")
    ShardedDataset(dataset, "val", verify="full")


def test_shard_of_another_generation_is_named(dataset):
    shutil.copy(dataset / "train/00000.h5", dataset / "train/00001.h5")
    with pytest.raises(InputError, match=r"00001.h5: file is train/00000.h5, wanted train/00001"):
        ShardedDataset(dataset, "train")


def test_shard_of_another_shape_is_named(dataset):
    shutil.copy(dataset / "train/00002.h5", dataset / "train/00001.h5")  # the last has 8 samples
    with pytest.raises(InputError, match=r"00001.h5: file is train/00002.h5, wanted train/00001"):
        ShardedDataset(dataset, "train")


def test_foreign_hdf5_file_is_named(dataset):
    with h5py.File(dataset / "train/00001.h5", "w") as file:
        file["u"] = np.zeros(3)
    with pytest.raises(InputError, match=r"00001.h5 has no header: not a shard"):
        ShardedDataset(dataset, "train")


def test_split_without_samples_is_rejected(dataset):
    with pytest.raises(InputError, match="no samples in split 'validation'; it has train, val, te"):
        ShardedDataset(dataset, "validation")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nowhere", "sciml generate"),
        ("poisson_1_5", "sciml generate data/poisson_1_5 --output {folder}"),
    ],
)
def test_missing_data_set_is_rejected_with_the_line_that_makes_it(tmp_path, name, line):
    folder = tmp_path / name
    with pytest.raises(InputError) as caught:
        Manifest.load(folder)
    told = f"data set {folder} does not exist; make it with {line.format(folder=folder)}"
    assert str(caught.value) == told


def test_foreign_folder_is_rejected(tmp_path):
    with pytest.raises(InputError, match=r"is no data set: it has no manifest.json"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "not json", '{"schema_version": 1}', '{"schema_version": "x"}']
)
def test_foreign_manifest_is_rejected(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest.json is damaged or was edited"):
        Manifest.load(tmp_path)


def test_newer_format_is_rejected(dataset):
    content = json.loads((dataset / "manifest.json").read_text())
    (dataset / "manifest.json").write_text(json.dumps({**content, "schema_version": 3}))
    with pytest.raises(InputError, match=r"format version 3, this library reads up to 2; update"):
        ShardedDataset(dataset, "train")


@pytest.mark.parametrize("change", [{"checksum": None}, {"checksum": 5}, {"num_samples": "x"}])
def test_a_manifest_with_other_shards_is_rejected(dataset, change):
    content = json.loads((dataset / "manifest.json").read_text())
    content["shards"][0].update(change)
    (dataset / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"was edited: .*shards\[0\].{next(iter(change))}"):
        Manifest.load(dataset)


def test_unfinished_generation_is_rejected(dataset):
    DatasetPlan.load(dataset).save(dataset)
    with pytest.raises(InputError, match="is unfinished; run the same"):
        ShardedDataset(dataset, "train")
