"""Sets written before fields, grid and times had names: the reader sees what was written."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from damaged_copies import Generation
from earlier_plans import before_named_fields

from lightning_sciml import read_dataset
from lightning_sciml.pde.grid import Grid
from lightning_sciml.shards.description import describe
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.verification import verify_dataset

IMPORTED = Path(__file__).parents[1] / "reference/before_named_fields"
SIZES = {
    "num_points": 32,
    "num_train_samples": 2,
    "num_val_samples": 1,
    "num_test_samples": 0,
    "shard_size": 2,
}


def test_an_imported_set_of_version_0_2_0_is_read():
    """Two samples a ↦ c with the coefficient k, of default_rng(0), written by that version."""
    fields = np.random.default_rng(0).normal(size=(2, 2, 8, 8)).astype(np.float32)
    data = read_dataset(IMPORTED, "train")
    np.testing.assert_array_equal(data[:]["a"], fields[0])
    np.testing.assert_array_equal(data[:]["c"], fields[1])
    np.testing.assert_array_equal(data[:]["k"], [0.5, 2])
    assert (data.input_fields, data.target_fields, data.times) == (("a",), ("c",), ())
    assert data.grid == Grid(shape=(8, 8))
    assert data.norm_names == ("a_norm", "c_norm", "a_mean", "c_mean", "c_max")
    statistics = data.manifest.statistics
    assert statistics["c"]["std"] == pytest.approx(fields[1].astype(float).std())
    assert statistics["median_c_max"] == pytest.approx(np.median(abs(fields[1]).max((1, 2))))
    assert data.manifest.config == {"layout": "arrays", "files": {}}
    assert verify_dataset(IMPORTED) == []
    assert "a → c" in describe(IMPORTED)


def test_a_generated_set_is_finished_with_the_shards_of_before(generate, tmp_path):
    folder = tmp_path / "poisson_1_5"
    generate("poisson_1_5", folder, **SIZES)
    manifest = Manifest.load(folder)
    content = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(before_named_fields(content)))
    assert asdict(Manifest.load(folder)) == asdict(manifest)
    assert "source → solution" in describe(folder)
    Generation(folder, "poisson_1_5", SIZES).begin()


def test_a_copy_of_which_one_word_was_changed_is_rejected(tmp_path):
    folder = shutil.copytree(IMPORTED, tmp_path / "set")
    content = json.loads((folder / "manifest.json").read_text())
    content["config"]["solution"] = "d"
    (folder / "manifest.json").write_text(json.dumps(content))
    assert "output_fields is ['c'], wanted ['d']" in verify_dataset(folder)[0]
