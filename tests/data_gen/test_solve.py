"""The program: ranks, kills and damage do not change a byte; bad input gives one line."""

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
import yaml
from generated_sets import run, shard_bytes
from programs import ROOT

from data_gen import solve
from data_gen.configuration import DatasetConfig
from data_gen.decomposition import dealt, shard_tasks
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset

CONFIGS = sorted((ROOT / "launch/configs/data").glob("*.yaml"))
PUBLISHED = [
    path for path in CONFIGS if set(yaml.safe_load(path.read_text())) == {"name", "coefficients"}
]


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("name", "num_ranks"),
    [
        ("poisson_1_5", 2),
        ("poisson_1_5", 5),
        ("helmholtz_1_10", 3),
        ("advection_diffusion_0p2_1", 3),
        ("burgers_small", 2),
    ],
)
def test_any_number_of_ranks_writes_the_same_files(undisturbed, tmp_path, name, num_ranks):
    finished = run(tmp_path / name, name, num_ranks)
    assert finished.returncode == 0, finished.stderr
    assert shard_bytes(tmp_path / name) == shard_bytes(undisturbed / name)
    one, many = Manifest.load(undisturbed / name), Manifest.load(tmp_path / name)
    num_states = sum(one.num_samples.values()) * one.num_times
    assert f"{num_states}/{num_states}" in finished.stderr
    assert one.shards == many.shards
    assert one.statistics == many.statistics


def test_samples_do_not_depend_on_the_shard_size(undisturbed, tmp_path):
    assert run(tmp_path / "set", shard_size=23).returncode == 0
    indices = np.arange(70)
    expected = ShardedDataset(undisturbed / "poisson_1_5", "train")
    found = ShardedDataset(tmp_path / "set", "train", verify="full")
    assert found.fields(indices).tobytes() == expected.fields(indices).tobytes()
    assert found.norms(indices).tobytes() == expected.norms(indices).tobytes()


def test_longer_split_begins_with_the_shorter_one(undisturbed, tmp_path):
    assert run(tmp_path / "set", num_train_samples=100).returncode == 0
    indices = np.arange(70)
    short = ShardedDataset(undisturbed / "poisson_1_5", "train").fields(indices)
    assert ShardedDataset(tmp_path / "set", "train").fields(indices).tobytes() == short.tobytes()


def test_complete_set_is_left_alone(undisturbed):
    before = shard_bytes(undisturbed / "poisson_1_5")
    finished = run(undisturbed / "poisson_1_5")
    assert finished.returncode == 0
    assert "7 shards are there already and good" in finished.stderr
    assert shard_bytes(undisturbed / "poisson_1_5") == before


@pytest.mark.mpi
def test_more_ranks_than_shards_works_and_idle_ranks_are_said(tmp_path):
    finished = run(tmp_path / "set", num_ranks=3, num_train_samples=16, num_val_samples=0)
    assert finished.returncode == 0, finished.stderr
    assert "2 of 3 ranks are idle: there are 1 shards to make" in finished.stderr


def test_help_is_fast_and_loads_neither_torch_nor_mpi(tmp_path):
    """The time itself is for the benchmark; what would cost it must not be imported."""
    finished = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / "data_gen/solve.py", "--help"],
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0
    assert "--coefficients" in finished.stdout
    imported = {line.split("|")[-1].strip() for line in finished.stderr.splitlines()}
    assert not imported & {"torch", "matplotlib", "lightning", "mpi4py.MPI"}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_config_has_the_name_of_its_file(config, tmp_path):
    _, parsed = solve.parse([f"--config={config}", f"--output={tmp_path}"])
    assert parsed.name == config.stem
    assert parsed.plan().name == config.stem


@pytest.mark.parametrize("config", PUBLISHED, ids=lambda path: path.stem)
def test_published_sets_have_the_published_sizes(config, tmp_path):
    _, parsed = solve.parse([f"--config={config}", f"--output={tmp_path}"])
    assert isinstance(parsed, DatasetConfig)
    assert parsed.num_samples == {"train": 32768, "val": 4096, "test": 4096}
    assert (parsed.num_points, parsed.plan().shard_size) == (128, 1024)


def test_all_published_sets_have_a_config():
    assert len(PUBLISHED) == 13


def test_every_shard_is_dealt_once():
    _, config = solve.parse([f"--config={PUBLISHED[0]}", "--output=x", "--num_val_samples=5"])
    tasks = shard_tasks(config.plan())
    assert sum(task.num_samples for task in tasks) == 32768 + 5 + 4096
    for num_ranks in (1, 3, 100):
        dealt_tasks = [t for rank in range(num_ranks) for t in dealt(tasks, rank, num_ranks)]
        assert sorted(dealt_tasks, key=tasks.index) == tasks


def test_manifest_tells_everything_that_defines_the_samples(undisturbed):
    manifest = Manifest.load(undisturbed / "helmholtz_1_10")
    assert manifest.equation == "helmholtz"
    assert manifest.equation_parameters == {"diffusivity": 0.01}
    assert manifest.config["coefficients"]["init_args"]["omega"] == [1, 10]
    assert manifest.config["source"]["num_gaussians"] == 12
    assert manifest.num_samples == {"train": 70, "val": 20, "test": 0}
    assert sum(record.num_rejected for record in manifest.shards) > 0
    assert manifest.histograms["omega"]["edges"][0] == 0.5
    assert {"numpy", "h5py", "git", "python"} <= manifest.versions.keys()
    with h5py.File(undisturbed / "helmholtz_1_10/train/00001.h5") as file:
        assert file.attrs["first_index"] == 16
    header = (undisturbed / "helmholtz_1_10/train/00001.h5").read_bytes().splitlines()[1]
    assert json.loads(header)["plan"]["seed"] == 0
