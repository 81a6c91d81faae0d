"""What is verified is what is read: a shard is the file of its place, and nothing outside it."""

import json
import os
import shutil
from dataclasses import asdict, replace

import h5py
import numpy as np
import pytest
from damaged_copies import LIMIT_S, SIZES, Generation, time_limit
from earlier_plans import before_named_fields

from lightning_sciml.errors import InputError
from lightning_sciml.json_files import json_text
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.schema import SPLITS
from lightning_sciml.shards.verification import verify_dataset

NAME = "poisson_1_5"


@pytest.fixture(scope="module")
def original(generate, tmp_path_factory):
    folder = tmp_path_factory.mktemp("original") / NAME
    generate(NAME, folder, **SIZES)
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / NAME)


@pytest.fixture
def first_version(folder):
    """The data set as version 1 has it: no header, attributes of variable length."""
    manifest = replace(Manifest.load(folder), schema_version=1)
    for record in manifest.shards:
        with h5py.File(folder / record.file) as file:
            arrays = {name: file[name][:] for name in file}
        with h5py.File(folder / record.file, "w") as file:
            for name, values in arrays.items():
                file[name] = values
            known = {k: v for k, v in vars(record).items() if v is not None}
            plan = json.dumps(before_named_fields(json.loads(manifest.text)), sort_keys=True)
            file.attrs.update({**known, "plan": plan, "schema_version": 1})
    content = before_named_fields(json.loads(json_text(asdict(manifest))))
    (folder / "manifest.json").write_text(json.dumps(content))
    return folder


def check_rejected(folder, match):
    """Fail unless verify and the reader both reject the set, in time."""
    with time_limit(LIMIT_S):
        with pytest.raises(InputError, match=match):
            [ShardedDataset(folder, split) for split in SPLITS]
        try:
            faults = verify_dataset(folder)
        except InputError as error:
            faults = [str(error)]
    assert faults


@pytest.mark.parametrize("source", ["val/00000.h5", "train/00001.h5", "test/00000.h5"])
def test_a_shard_at_another_place_is_made_anew(folder, original, source):
    for target in ("train/00000.h5", "train/00001.h5", "val/00000.h5", "test/00000.h5"):
        if source == target:
            continue
        shutil.copy(folder / source, folder / target)
        check_rejected(folder, match=f"{target}: file is {source}, wanted {target}")
        assert Generation(folder, NAME, SIZES).resume(folder / target)
        assert (folder / target).read_bytes() == (original / target).read_bytes()


def test_a_pipe_device_folder_or_link_in_place_of_a_shard_is_named(folder, original):
    path = folder / "train/00001.h5"
    places = [
        (os.mkfifo, "must be a file"),
        (lambda p: p.symlink_to("/dev/zero"), "must be a file"),
        (lambda p: p.symlink_to(original / "train/00001.h5"), "outside its data set"),
        (lambda p: p.symlink_to(p), "cannot be opened"),
        (lambda p: p.symlink_to("nothing.h5"), "is missing"),
        (lambda p: p.symlink_to("00000.h5"), "file is train/00000.h5, wanted"),
        (lambda p: p.symlink_to("../val/00000.h5"), "file is val/00000.h5, wanted"),
        (lambda p: p.mkdir(), "must be a file"),
    ]
    for place, match in places:
        path.unlink()
        place(path)
        check_rejected(folder, match)
        generation = Generation(folder, NAME, SIZES)
        with time_limit(LIMIT_S):
            assert generation.folder.existing(generation.task(path)) is None
            if not path.is_dir():  # which generation names before it begins
                assert generation.resume(path)
                assert path.read_bytes() == (original / "train/00001.h5").read_bytes()


def test_a_link_within_the_data_set_and_to_the_whole_are_read(folder, tmp_path):
    (folder / "train/00001.h5").rename(folder / "elsewhere.h5")
    (folder / "train/00001.h5").symlink_to("../elsewhere.h5")
    (tmp_path / "link").symlink_to(folder)
    assert verify_dataset(tmp_path / "link") == []


@pytest.mark.parametrize(
    "change",
    [
        {"file": "train/00001.h5"},
        {"file": "val/00000.h5"},
        {"file": "../other/train/00000.h5"},
        {"file": "/etc/passwd"},
        {"file": "train/./00000.h5"},
        {"first_index": 1},
        {"split": "val"},
    ],
)
def test_a_manifest_that_lists_a_shard_at_another_place_is_rejected(folder, change):
    manifest = Manifest.load(folder)
    first, *others = manifest.shards
    replace(manifest, shards=(replace(first, **change), *others)).save(folder)
    with pytest.raises(InputError, match=r"manifest.json lists"):
        Manifest.load(folder)


def test_shards_listed_twice_or_out_of_order_are_rejected(folder):
    manifest = Manifest.load(folder)
    first, second, *others = manifest.shards
    for shards in ((first, first, second, *others), (second, first, *others), (first, *others)):
        replace(manifest, shards=shards).save(folder)
        with pytest.raises(InputError, match="do not add up to its 11 samples"):
            Manifest.load(folder)
    twin = replace(first, first_index=11)  # which adds up
    numbers = {**manifest.num_samples, "train": 19}
    replace(manifest, num_samples=numbers, shards=(first, second, twin, *others)).save(folder)
    with pytest.raises(InputError, match=r"lists 'train/00000.h5' as shard 2 of train"):
        Manifest.load(folder)


def test_version_1_is_read_and_versions_do_not_mix(first_version, original):
    assert verify_dataset(first_version) == []
    indices = np.arange(11)
    found, expected = (ShardedDataset(d, "train", "full") for d in (first_version, original))
    assert found.fields(indices).tobytes() == expected.fields(indices).tobytes()
    assert found.norms(indices).tobytes() == expected.norms(indices).tobytes()
    kept = (first_version / "train/00001.h5").read_bytes()
    shutil.copy(original / "train/00001.h5", first_version / "train/00001.h5")
    check_rejected(first_version, match="schema_version is 2, wanted 1")
    shutil.copytree(original, first_version, dirs_exist_ok=True)
    (first_version / "train/00001.h5").write_bytes(kept)
    check_rejected(first_version, match="has no header: not a shard of format version 2")


@pytest.mark.parametrize("part", [b"HEAP", b"TREE", b"SNOD", b"GCOL", "norms"])
def test_damaged_metadata_of_version_1_are_one_line(first_version, part):
    """HDF5 raises OSError, RuntimeError or KeyError, depending on what is damaged."""
    path = first_version / "train/00000.h5"
    content = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        header = h5py.h5o.get_info(file["norms"].id).addr
    at = header if part == "norms" else content.index(part)
    content[at : at + 8] = bytes(8)
    path.write_bytes(content)
    check_rejected(first_version, match=r"train/00000.h5 is truncated or damaged: HDF5 cannot read")


def external_link(file):
    file.move("fields", "other")
    file["fields"] = h5py.ExternalLink("../../outside.h5", "fields")


def soft_link(file):
    file.move("norms", "other")
    file["norms"] = h5py.SoftLink("/other")


def external_storage(file):
    shape = file["fields"].shape
    del file["fields"]
    size = 4 * int(np.prod(shape))
    file.create_dataset("fields", shape, "<f4", external=[("/tmp/outside.bin", 0, size)])


def virtual_source(file):
    shape = file["fields"].shape
    del file["fields"]
    layout = h5py.VirtualLayout(shape, "<f4")
    layout[:] = h5py.VirtualSource("../../outside.h5", "fields", shape)
    file.create_virtual_dataset("fields", layout)


def compressed_bomb(file):
    file.create_dataset("more", (1 << 40,), "f8", chunks=(1 << 20,), compression="gzip")


def foreign_array(file):
    file["more"] = np.zeros((3, 3))


def foreign_group(file):
    file.create_group("more")


def half_precision(file):
    values = file["norms"][:]
    del file["norms"]
    file["norms"] = values.astype("f2")


@pytest.mark.parametrize(
    "change",
    [
        *(external_link, soft_link, external_storage, virtual_source),
        *(compressed_bomb, foreign_array, foreign_group, half_precision),
    ],
)
def test_hdf5_that_leads_elsewhere_is_rejected(first_version, change):
    shutil.copy(first_version / "train/00000.h5", first_version.parent / "outside.h5")
    with h5py.File(first_version / "train/00000.h5", "r+") as file:
        change(file)
    check_rejected(first_version, match=r"shard .*train/00000.h5")


def test_an_array_that_another_file_holds_is_rejected(first_version):
    shutil.copy(first_version / "train/00000.h5", first_version.parent / "outside.h5")
    with h5py.File(first_version / "train/00000.h5", "r+") as file:
        del file["norms"]
        file["norms"] = h5py.ExternalLink("../../outside.h5", "norms")
    check_rejected(first_version, match="'norms' is a link elsewhere")
