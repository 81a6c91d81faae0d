"""One bit of a shard is flipped: generation makes it anew, all others name it; HDF5 never runs."""

import random

import numpy as np
import pytest
from damaged_copies import (
    LIMIT_S,
    SIZES,
    VALUES,
    Generation,
    edited,
    flips,
    header_of,
    time_limit,
    try_header_edits,
    with_header,
    without_hdf5,
)

from lightning_sciml.errors import InputError
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.verification import verify_dataset
from lightning_sciml.streaming.datamodule import PDEDataModule

NAME = "advection_diffusion_0p2_1"


@pytest.fixture
def folder(generate, tmp_path):
    generate(NAME, tmp_path / NAME, **SIZES)
    return tmp_path / NAME


def check_reading(folder, path, offset):
    """Fail unless verify and fit name the shard in one line, whatever they are asked to check."""
    label = path.relative_to(folder).as_posix()
    faults = verify_dataset(folder)
    assert any(label in fault for fault in faults), offset
    assert all("\n" not in fault for fault in faults), offset
    data = PDEDataModule([str(folder)], batch_size=4, num_prefetch=0)
    with pytest.raises(InputError, match=label):
        data.setup("fit")


def check_flips(folder, path, number, seed):
    generation = Generation(folder, NAME, SIZES)
    whole = path.read_bytes()
    for offset, bit in flips(path, number, seed):
        content = bytearray(whole)
        content[offset] ^= 1 << bit
        path.write_bytes(content)
        with time_limit(LIMIT_S), without_hdf5():
            check_reading(folder, path, offset)
            assert generation.folder.existing(generation.task(path)) is None, offset
    assert generation.resume(path)
    assert path.read_bytes() == whole
    assert verify_dataset(folder) == []


def test_a_flipped_bit_is_found_by_generation_verify_and_fit(folder):
    check_flips(folder, folder / "train/00000.h5", number=60, seed=0)


@pytest.mark.slow
def test_six_hundred_flipped_bits_are_found(folder):
    for seed, name in enumerate(("train/00000.h5", "train/00001.h5", "val/00000.h5")):
        check_flips(folder, folder / name, number=200, seed=seed + 1)


@pytest.mark.parametrize("offset", [0, 2**40])
@pytest.mark.parametrize("name", ["fields", "coefficients"])
def test_an_array_that_lies_outside_its_file_is_not_read(folder, name, offset):
    path = folder / "train/00000.h5"
    whole = path.read_bytes()
    content = edited(header_of(whole)[0], ("arrays", name, "offset"), offset)
    path.write_bytes(with_header(whole, content))
    with pytest.raises(InputError, match=f"its '{name}' lies outside the file"):
        ShardedDataset(folder, "train")


def check_header_edits(folder, choose):
    """Edit a header and make its checksum agree: what it says must still not be believed."""

    def read(place):
        verify_dataset(folder)
        ShardedDataset(folder, "train").fields(np.arange(11))

    return try_header_edits(folder / "train/00000.h5", choose, read)


def test_an_edited_header_is_one_line_or_harmless(folder):
    generator = random.Random(0)
    assert check_header_edits(folder, lambda _: generator.sample(VALUES, 1)) >= 60


@pytest.mark.slow
def test_all_edits_of_a_header_are_one_line_or_harmless(folder):
    assert check_header_edits(folder, lambda _: VALUES) >= 1000
