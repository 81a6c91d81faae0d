"""Damage of a set of trajectories: every flipped bit is found, every edit is one line or none."""

import contextlib
import json
import random
import shutil

import numpy as np
import pytest
from damaged_copies import (
    LIMIT_S,
    VALUES,
    edited,
    flips,
    header_of,
    places,
    time_limit,
    try_header_edits,
    with_header,
    without_hdf5,
)
from evolution_sets import evolution_plan, write_evolution

from lightning_sciml.errors import InputError
from lightning_sciml.shards.description import describe
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.verification import verify_dataset
from lightning_sciml.streaming.datamodule import PDEDataModule

FILE = "train/00001.h5"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original") / "set"
    write_evolution(folder)
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "set")


def read_all(folder):
    """Read every state, static field and coefficient; return them as bytes."""
    data = ShardedDataset(folder, "train", verify="full")
    return b"".join(np.asarray(values).tobytes() for values in data[:].values())


def check_flips(folder, places):
    whole = (folder / FILE).read_bytes()
    for offset, bit in places:
        content = bytearray(whole)
        content[offset] ^= 1 << bit
        (folder / FILE).write_bytes(content)
        with time_limit(LIMIT_S), without_hdf5():
            (fault,) = verify_dataset(folder)
            assert FILE in fault, offset
            with pytest.raises(InputError, match=FILE):
                ShardedDataset(folder, "train", verify="full")
            with pytest.raises(InputError, match=FILE):
                PDEDataModule([str(folder)], batch_size=4, num_prefetch=0).setup("fit")


def test_a_flipped_bit_is_found_by_verify_reader_and_training(folder):
    check_flips(folder, flips(folder / FILE, number=60, seed=0))


@pytest.mark.slow
def test_a_flipped_bit_in_any_part_of_a_shard_is_found(folder):
    generator = random.Random(0)
    size = (folder / FILE).stat().st_size  # of 24 kB: all bytes took 7 minutes, and were found
    offsets = range(generator.randrange(10), size, 10)
    check_flips(folder, [(offset, generator.randrange(8)) for offset in offsets])


@pytest.mark.parametrize("name", ["inputs", "trajectories"])
@pytest.mark.parametrize("other", ["inputs", "trajectories", "coefficients"])
def test_arrays_that_overlap_are_rejected(folder, name, other):
    """What one array says of another's bytes, no checksum of the rest would cover."""
    path = folder / FILE
    whole = path.read_bytes()
    content, _ = header_of(whole)
    offset = content["arrays"][other]["offset"] + (8 if name == other else 0)
    path.write_bytes(with_header(whole, edited(content, ("arrays", name, "offset"), offset)))
    with pytest.raises(InputError, match=FILE):
        ShardedDataset(folder, "train")


def check_header_edits(folder, choose):
    """Edit a header and make its checksum agree: nothing else than the truth is ever read."""
    truth = read_all(folder)

    def read(place):
        assert read_all(folder) == truth, place
        verify_dataset(folder)

    return try_header_edits(folder / FILE, choose, read)


def test_an_edited_header_is_one_line_or_harmless(folder):
    generator = random.Random(0)
    assert check_header_edits(folder, lambda _: generator.sample(VALUES, 1)) >= 70


@pytest.mark.slow
def test_all_edits_of_a_header_are_one_line_or_harmless(folder):
    assert check_header_edits(folder, lambda _: VALUES) >= 1500


def check_manifest_edits(folder, choose):
    """Edit a manifest: what is read is the truth, or one line."""
    path, number, truth = folder / "manifest.json", 0, read_all(folder)
    content = json.loads(path.read_text())
    for place in places(content):
        for value in choose(place):
            path.write_text(json.dumps(edited(content, place, value)))
            with time_limit(LIMIT_S), contextlib.suppress(InputError):
                describe(folder)
                verify_dataset(folder)
                assert read_all(folder) == truth, place
            number += 1
    return number


def test_an_edited_manifest_is_one_line_or_harmless(folder):
    generator = random.Random(0)
    assert check_manifest_edits(folder, lambda _: generator.sample(VALUES, 1)) >= 80


@pytest.mark.slow
def test_all_edits_of_a_manifest_are_one_line_or_harmless(folder):
    assert check_manifest_edits(folder, lambda _: VALUES) >= 1500


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("times", [0.0, 0.1, 0.1, 0.5, 1.0], "at least two, finite and increasing"),
        ("times", [0.0], "at least two, finite and increasing"),
        ("times", [0.0, 0.1, 0.3, 0.5, 1.0], "times is"),
        ("state_fields", ["v", "u"], "state_fields is"),
        ("state_fields", [], "has output fields, or the state fields of an evolution"),
        ("output_fields", ["w"], "has output fields, or the state fields of an evolution"),
        ("input_fields", ["u"], "names of fields and coefficients must differ"),
        ("input_fields", [], "input_fields is"),
    ],
)
def test_a_plan_that_is_not_that_of_the_shards_is_rejected(folder, key, value, line):
    content = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**content, key: value}))
    with pytest.raises(InputError, match=line):
        ShardedDataset(folder, "train")


def test_a_shard_of_another_kind_is_rejected(folder, tmp_path):
    """Shards without static fields, or with another number of times, in a set that has them."""
    for number, change in enumerate(({"input_fields": ()}, {"times": (0.0, 1.0)})):
        other = tmp_path / str(number)
        write_evolution(other, evolution_plan(**change))
        shutil.copy(other / FILE, folder / FILE)
        with pytest.raises(InputError, match=FILE):
            ShardedDataset(folder, "train")
