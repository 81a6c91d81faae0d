"""One grid on several ranks: the transform is the serial one, and the samples are."""

import os
import random
import shutil
import subprocess
import sys

import numpy as np
import pytest
from programs import MPIRUN, ROOT

from data_gen import solve
from data_gen.decomposition import ShardTask, shares
from data_gen.generation import SampleGenerator
from lightning_sciml.errors import InputError
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.verification import verify_dataset

TRANSFORM = """
import numpy as np
from mpi4py import MPI
from data_gen.distributed_fft import DistributedFFT
from lightning_sciml.pde.grid import PeriodicGrid

for num_points in (16, 15, 9, 6):
    fft = DistributedFFT(MPI.COMM_WORLD, PeriodicGrid(num_points))
    u = np.random.default_rng(0).standard_normal((num_points, num_points))
    u_hat = fft.forward(u[fft.rows])
    expected = np.fft.rfft2(u, norm="forward")
    np.testing.assert_allclose(u_hat, expected[:, fft.columns], atol=1e-15)
    np.testing.assert_allclose(fft.backward(u_hat), u[fft.rows], atol=1e-14)
    np.testing.assert_allclose(fft.energy(u_hat), (u**2).mean(), rtol=1e-14)
    for local, whole in zip(fft.wavenumbers, PeriodicGrid(num_points).wavenumbers):
        assert (local == (whole if len(whole) > 1 else whole[:, fft.columns])).all()
"""
NUM_POINTS = 51  # neither 2 nor 4 divides it


def in_ranks(num_ranks, *arguments):
    return subprocess.run(
        [MPIRUN, "-n", str(num_ranks), sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def options(output, name):
    return [
        f"--config={ROOT / 'launch/configs/data' / name}.yaml",
        f"--output={output}",
        f"--num_points={NUM_POINTS}",
        "--num_train_samples=3",
        "--num_val_samples=1",
        "--num_test_samples=0",
    ]


@pytest.fixture(scope="module")
def slabs(tmp_path_factory):
    """A data set of three ranks."""
    output = tmp_path_factory.mktemp("slabs") / "set"
    program = [ROOT / "data_gen/solve.py", *options(output, "poisson_1_5"), "--decomposition=slab"]
    finished = in_ranks(3, *program)
    assert finished.returncode == 0, finished.stderr
    return output


@pytest.mark.mpi
@pytest.mark.parametrize("num_ranks", [1, 2, 3, 4])
def test_distributed_transform_is_the_serial_one(num_ranks):
    finished = in_ranks(num_ranks, "-c", TRANSFORM)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("name", "num_ranks"),
    [
        *(("poisson_1_5", num_ranks) for num_ranks in (1, 2, 3, 4)),
        ("helmholtz_1_10", 3),
        ("advection_diffusion_0p2_1", 3),
    ],
)
def test_samples_are_those_of_one_rank_to_round_off(tmp_path, name, num_ranks):
    output = tmp_path / "set"
    program = [ROOT / "data_gen/solve.py", *options(output, name), "--decomposition=slab"]
    finished = in_ranks(num_ranks, *program)
    assert finished.returncode == 0, finished.stderr
    _, config = solve.parse(options(output, name))
    expected = SampleGenerator(config).shard(ShardTask(0, "train", 0, 3)).datasets
    found, indices = ShardedDataset(output, "train", verify="full"), np.arange(3)
    assert found.manifest.shard_size == 1
    largest = np.abs(expected["fields"]).max()
    np.testing.assert_allclose(
        found.fields(indices), expected["fields"], atol=float(largest) * 2**-23
    )
    np.testing.assert_allclose(found.coefficients(indices), expected["coefficients"], rtol=1e-12)
    np.testing.assert_array_equal(found.inputs(indices), found.fields(indices)[:, :1])
    np.testing.assert_allclose(found.norms(indices), expected["norms"], rtol=1e-12, atol=1e-15)
    ratios = found.manifest.histograms.get("advection_diffusion_ratio")
    if ratios:
        assert sum(ratios["counts"]) == 4
        assert 0.2 <= ratios["edges"][0] < ratios["edges"][-1] <= 1.0
    assert max(record.max_residual for record in found.manifest.shards) < 1e-11


@pytest.mark.mpi
@pytest.mark.parametrize("num_ranks", [1, 4])
def test_any_number_of_ranks_gives_the_same_checksums(slabs, tmp_path, num_ranks):
    """The norms, too: they are summed in an order that the ranks do not change."""
    program = [ROOT / "data_gen/solve.py", *options(tmp_path / "set", "poisson_1_5")]
    finished = in_ranks(num_ranks, *program, "--decomposition=slab")
    assert finished.returncode == 0, finished.stderr
    assert Manifest.load(tmp_path / "set").shards == Manifest.load(slabs).shards


def test_slabs_read_as_one(slabs):
    dataset = ShardedDataset(slabs, "train", verify="full")
    assert dataset.fields(np.array([2, 0])).shape == (2, 2, NUM_POINTS, NUM_POINTS)
    assert sorted(p.name for p in (slabs / "val").iterdir()) == [
        "00000.h5",
        "00000.slab0.h5",
        "00000.slab1.h5",
        "00000.slab2.h5",
    ]


def test_missing_or_damaged_slab_is_named(slabs, tmp_path):
    output = shutil.copytree(slabs, tmp_path / "set")
    os.truncate(output / "train/00001.slab2.h5", 4500)
    with pytest.raises(InputError, match=r"00001.slab2.h5 is truncated"):
        ShardedDataset(output, "train")
    (output / "train/00001.slab2.h5").unlink()
    with pytest.raises(InputError, match=r"00001.slab2.h5 is missing"):
        ShardedDataset(output, "train")


def test_a_flipped_bit_of_a_slab_or_a_slab_of_another_shard_is_found(slabs, tmp_path):
    output = shutil.copytree(slabs, tmp_path / "set")
    generator = random.Random(0)
    for name in ("00001.slab0.h5", "00001.slab2.h5", "00001.h5"):
        path = output / "train" / name
        whole = path.read_bytes()
        for _ in range(20):
            content = bytearray(whole)
            content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
            path.write_bytes(content)
            (fault,) = verify_dataset(output)
            assert "shard " in fault
            assert "train/00001." in fault
        path.write_bytes(whole)
    shutil.copy(output / "train/00000.slab1.h5", output / "train/00001.slab1.h5")
    with pytest.raises(InputError, match=r"00001.slab1.h5: header is \w+, wanted"):
        ShardedDataset(output, "train", verify="header")


@pytest.mark.mpi
def test_damaged_slabs_are_made_anew_by_another_number_of_ranks(slabs, tmp_path):
    output = shutil.copytree(slabs, tmp_path / "set")
    (output / "train/00001.slab2.h5").unlink()
    program = [ROOT / "data_gen/solve.py", *options(output, "poisson_1_5"), "--decomposition=slab"]
    finished = in_ranks(2, *program)
    assert finished.returncode == 0, finished.stderr
    assert "3 shards are there already and good" in finished.stderr
    assert Manifest.load(output).num_samples == {"train": 3, "val": 1, "test": 0}
    before, after = (ShardedDataset(d, "train", verify="full") for d in (slabs, output))
    indices = np.arange(3)
    np.testing.assert_allclose(after.fields(indices), before.fields(indices), atol=1e-6)


def test_shares_are_whole_and_equal_but_for_one():
    for num_items, num_owners in ((10, 3), (3, 5), (7, 1)):
        owned = [list(range(num_items))[share] for share in shares(num_items, num_owners)]
        assert [item for items in owned for item in items] == list(range(num_items))
        sizes = [len(items) for items in owned]
        assert max(sizes) - min(sizes) <= 1


def test_several_samples_a_shard_are_rejected_for_slabs(tmp_path):
    with pytest.raises(InputError, match="shard_size must be 1 with decomposition slab, got 4"):
        solve.parse([*options(tmp_path, "poisson_1_5"), "--decomposition=slab", "--shard_size=4"])
