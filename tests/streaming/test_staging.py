"""A data set is copied once, whole, and read from its copy."""

import shutil

import numpy as np
import pytest

from lightning_sciml.errors import InputError
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.streaming.staging import stage_dataset, staged


@pytest.fixture
def dataset(tmp_path, datasets):
    return shutil.copytree(datasets["poisson_1_5"], tmp_path / "origin" / "poisson")


def test_the_copy_is_read_where_there_is_one(tmp_path, dataset):
    module = PDEDataModule([str(dataset)])
    module.stage_dir = tmp_path / "local"
    module.prepare_data()
    shutil.rmtree(dataset / "train")
    module.setup("test")
    batch = module.mixtures["test"].load(np.arange(3), epoch=0, global_size=3)
    assert batch.inputs.isfinite().all()
    (member,) = module.mixtures["test"].members
    assert member.dataset.directory == staged(dataset, module.stage_dir)


def test_what_is_there_is_not_copied_again_and_what_has_changed_is(tmp_path, dataset):
    stage_dataset(dataset, tmp_path / "local")
    copies = sorted(staged(dataset, tmp_path / "local").rglob("*.h5"))
    before = [p.stat().st_ino for p in copies]
    copies[1].write_bytes(b"cut short")
    stage_dataset(dataset, tmp_path / "local")
    after = [p.stat().st_ino for p in copies]
    assert [a == b for a, b in zip(after, before, strict=True)] == [
        i != 1 for i in range(len(copies))
    ]
    for copy in copies:
        origin = dataset / copy.relative_to(staged(dataset, tmp_path / "local"))
        assert copy.read_bytes() == origin.read_bytes()


def test_data_sets_of_one_name_do_not_meet(tmp_path):
    assert staged(tmp_path / "a/x", tmp_path) != staged(tmp_path / "b/x", tmp_path)


def test_what_is_no_data_set_is_rejected(tmp_path):
    with pytest.raises(InputError, match="is no data set"):
        stage_dataset(tmp_path, tmp_path / "local")
