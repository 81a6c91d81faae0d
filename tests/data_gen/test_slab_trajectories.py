"""Trajectories of slabs are those of one rank in every byte, and are kept, read and checked so."""

import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from mpi4py import MPI
from programs import MPIRUN, ROOT
from small_trajectories import config

from data_gen.decomposition import ShardTask, shard_tasks
from data_gen.evolution_generation import EvolutionGenerator
from data_gen.memory import check_memory
from lightning_sciml.errors import InputError
from lightning_sciml.shards.checksums import payload_checksum
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.shard_layout import open_shard
from lightning_sciml.shards.verification import verify_dataset

SIZES = {"num_points": 50, "num_train_samples": 2, "num_val_samples": 1, "shard_size": 1}


def generate(output, num_ranks, **options):
    flags = {"output": output, "steps": 4, "decomposition": "slab", **SIZES, **options}
    program = [ROOT / "data_gen/solve.py", f"--config={ROOT / 'tests/support/burgers_small.yaml'}"]
    words = [*program, *(f"--{name}={value}" for name, value in flags.items())]
    return subprocess.run(
        [MPIRUN, "-n", str(num_ranks), sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def of_one_rank(**options):
    """Make the shards by the generator of whole samples; arrays by file."""
    made = config(**(SIZES | options))
    generator = EvolutionGenerator(made)
    tasks = shard_tasks(made.plan())
    return {task.place["file"]: generator.shard(task).datasets for task in tasks}


@pytest.fixture(scope="module")
def slabs(tmp_path_factory):
    """A data set of two ranks; those of more are slow tests."""
    output = tmp_path_factory.mktemp("slab_trajectories") / "set"
    finished = generate(output, 2)
    assert finished.returncode == 0, finished.stderr
    assert "3 samples of 50×50 in 3 shards" in finished.stderr
    assert "12/12" in finished.stderr  # states
    return output


@pytest.fixture(scope="module")
def expected():
    return of_one_rank()


@pytest.mark.mpi
def test_slabs_have_every_byte_of_whole_samples(slabs, expected):
    """Norms, tails and time errors, too, which are sums over all ranks."""
    manifest = Manifest.load(slabs)
    found = {record.file: record.checksum for record in manifest.shards}
    assert found == {file: payload_checksum(arrays) for file, arrays in expected.items()}
    assert sum(manifest.histograms["time_error"]["counts"]) == 2  # the first sample of each split
    for file, arrays in expected.items():
        with h5py.File(slabs / file) as shard:
            np.testing.assert_array_equal(shard["trajectories"], arrays["trajectories"])


@pytest.mark.mpi
@pytest.mark.parametrize(("num_states", "stride", "starts"), [(2, 1, (1, 2)), (2, 3, (0, 0))])
def test_windows_are_read_from_slabs(slabs, expected, num_states, stride, starts):
    dataset = ShardedDataset(slabs, "train", verify="full")
    found = dataset.windows(np.array([1, 0]), np.array(starts), num_states, stride)
    for window, file, start in zip(
        found, ("train/00001.h5", "train/00000.h5"), starts, strict=True
    ):
        (states,) = expected[file]["trajectories"]
        np.testing.assert_array_equal(window, states[start::stride][:num_states])


@pytest.mark.mpi
def test_edited_and_missing_slabs_are_found_and_made_anew_by_other_ranks(slabs, tmp_path):
    output = shutil.copytree(slabs, tmp_path / "set")
    assert not verify_dataset(output)
    with h5py.File(output / "train/00001.slab1.h5", "r+") as file:
        file["trajectories"][0, 2, 1, 3, 5] += 1e-3
    (fault,) = verify_dataset(output)
    assert "train/00001.h5: checksum of the payload" in fault
    (output / "val/00000.slab1.h5").unlink()
    plan, task = Manifest.load(output), ShardTask(0, "val", 0, 1)
    with pytest.raises(InputError, match=r"val/00000.slab1.h5 is missing"):
        open_shard(output / "val/00000.h5", plan, task.place)
    finished = generate(output, 1)
    assert finished.returncode == 0, finished.stderr
    assert "1 shards are there already and good" in finished.stderr
    assert Manifest.load(output).shards == Manifest.load(slabs).shards
    files = sorted(path.name for path in (output / "val").iterdir())
    assert files == ["00000.h5", "00000.slab0.h5"]


@pytest.mark.mpi
@pytest.mark.slow
def test_what_one_rank_finds_all_ranks_tell_in_one_line(tmp_path):
    finished = generate(tmp_path / "set", 2, **{"initial_state.rms": 1e4})
    assert finished.returncode == 1
    assert finished.stderr.count("error: ") == 1
    assert "train sample 0 is not finite at time 0.1 with steps=4" in finished.stderr


def test_memory_of_a_large_grid_is_counted_before_work_begins():
    """4096² points of Burgers' equation: 9 GB of arrays, which the ranks share."""
    large = config(**{"num_points": 4096, "decomposition": "slab", "shard_size": 1})
    (of_one, of_two) = (large.memory_parts(n)["num_points=4096"] for n in (1, 2))
    assert of_one == pytest.approx(2 * of_two, rel=1e-3)
    assert 7e9 < of_one < 10e9
    larger = config(**{"num_points": 65536, "decomposition": "slab", "shard_size": 1})
    with pytest.raises(InputError, match=r"GB of memory .* most is for num_points=65536"):
        check_memory(larger, MPI.COMM_WORLD)


@pytest.mark.mpi
@pytest.mark.slow
@pytest.mark.parametrize("num_ranks", [1, 2, 3, 4])
def test_a_larger_grid_has_every_byte_on_any_number_of_ranks(tmp_path, num_ranks):
    sizes = {"num_points": 512, "num_train_samples": 1, "num_val_samples": 0}
    finished = generate(tmp_path / "set", num_ranks, **sizes)
    assert finished.returncode == 0, finished.stderr
    (record,) = Manifest.load(tmp_path / "set").shards
    ((_, arrays),) = of_one_rank(**sizes).items()
    assert record.checksum == payload_checksum(arrays)
