"""Trajectories of which a reactant dies out are drawn anew, by the same numbers on all ways."""

import os
import subprocess
import sys

import numpy as np
import pytest
import yaml
from programs import MPIRUN, ROOT

from data_gen import evolution_generation, solve
from data_gen.decomposition import ShardTask
from data_gen.evolution_generation import EvolutionGenerator
from lightning_sciml.errors import InputError
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset

MIN_V = 0.21  # about half of the trajectories below fall under it
SETUP = {
    "coefficients": {
        "class_path": "GrayScottCoefficients",
        "init_args": {"feed": [0.0295, 0.0305], "kill": [0.0615, 0.0625], "min_v": MIN_V},
    },
    "initial_state": {
        "class_path": "Blobs",
        "init_args": {
            "background": [1.0, 0.0],
            "heights": [[-0.5, -0.25], [0.25, 0.5]],
            "num_blobs": [2, 8],
            "width": [0.1, 0.12],
            "num_modes": 7,
        },
    },
    "times": {"interval": 10.0, "num": 3},
    "steps": 10,
    "max_time_error": 0.1,
    "max_spectral_tail": 1.0,
    "num_points": 16,
    "num_train_samples": 10,
    "num_val_samples": 0,
    "num_test_samples": 0,
    "shard_size": 5,
}


@pytest.fixture
def setup(tmp_path):
    """Writes the configuration with another least amplitude of v; returns its path."""

    def write(min_v=MIN_V):
        coefficients = SETUP["coefficients"]
        init_args = {**coefficients["init_args"], "min_v": min_v}
        path = tmp_path / f"{min_v}.yaml"
        path.write_text(
            yaml.safe_dump({**SETUP, "coefficients": {**coefficients, "init_args": init_args}})
        )
        return path

    return write


def shard(path, first_index=0, num_samples=10, **options):
    """Make these trajectories."""
    words = [f"--{name}={value}" for name, value in options.items()]
    _, config = solve.parse([f"--config={path}", "--name=gray_scott", "--output=set", *words])
    return EvolutionGenerator(config).shard(ShardTask(0, "train", first_index, num_samples))


def test_what_dies_out_is_drawn_anew_and_all_else_is_as_it_was(setup):
    made, whole = shard(setup()), shard(setup(0.0))
    rms_v = [
        np.sqrt(np.square(s.datasets["trajectories"][:, :, 1]).mean((-2, -1)))
        for s in (made, whole)
    ]
    is_kept = rms_v[1].min(axis=1) >= MIN_V
    assert 2 <= is_kept.sum() <= 8
    assert rms_v[0].min() >= MIN_V
    assert made.num_rejected >= (~is_kept).sum()
    assert whole.num_rejected == 0
    for name, values in made.datasets.items():
        np.testing.assert_array_equal(values[is_kept], whole.datasets[name][is_kept])
    drawn = [s.datasets["coefficients"][~is_kept] for s in (made, whole)]
    assert not np.any(drawn[0][:, 0] == drawn[1][:, 0])


def test_redrawn_trajectories_have_the_same_bits_in_other_blocks_and_shards(setup, monkeypatch):
    whole = shard(setup()).datasets
    for block_size in (1, 3):
        monkeypatch.setattr(evolution_generation, "block_size", lambda *_, size=block_size: size)
        part = shard(setup(), 2, 7).datasets
        for name, values in part.items():
            assert values.tobytes() == whole[name][2:9].tobytes(), name


def test_a_distribution_of_which_all_die_ends_in_one_line(setup):
    line = (
        r"^train sample 0 was rejected in 4 draws of it: √\(mean v²\) falls below min_v=0.9; choose"
    )
    with pytest.raises(InputError, match=line):
        shard(setup(0.9))


@pytest.mark.mpi
def test_slabs_draw_anew_what_whole_samples_do_and_say_how_many(setup, tmp_path):
    """Both ranks see the norms of the whole grid, so they agree."""
    words = [
        str(ROOT / "data_gen/solve.py"),
        f"--config={setup()}",
        "--name=gray_scott",
        f"--output={tmp_path / 'set'}",
        "--decomposition=slab",
        "--shard_size=1",
        "--num_points=50",
    ]
    finished = subprocess.run(
        [MPIRUN, "-n", "2", sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert finished.returncode == 0, finished.stderr
    made, manifest = shard(setup(), num_points=50), Manifest.load(tmp_path / "set")
    assert sum(record.num_rejected for record in manifest.shards) == made.num_rejected
    assert f"{made.num_rejected} draws rejected" in finished.stderr
    stored = ShardedDataset(tmp_path / "set", "train")[:]
    for field, name in enumerate(("u", "v")):
        np.testing.assert_array_equal(stored[name], made.datasets["trajectories"][:, :, field])
