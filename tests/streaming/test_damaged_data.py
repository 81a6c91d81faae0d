"""A damaged data set is rejected before training, or gives the very samples it gave before."""

import contextlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from evolution_sets import write_evolution

from lightning_sciml.errors import InputError
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.streaming.mixture import Batch

Damage = Callable[[Path, random.Random], None]


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("train/*.h5"))


def flip_bits(folder: Path, generator: random.Random) -> None:
    path = generator.choice(shards(folder))
    content = bytearray(path.read_bytes())
    for _ in range(generator.choice([1, 1, 8])):
        content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
    path.write_bytes(content)


def zero_a_page(folder: Path, generator: random.Random) -> None:
    path = generator.choice(shards(folder))
    content = bytearray(path.read_bytes())
    begin = generator.randrange(0, len(content), 4096)
    content[begin : begin + 4096] = bytes(len(content[begin : begin + 4096]))
    path.write_bytes(content)


def truncate(folder: Path, generator: random.Random) -> None:
    path = generator.choice(shards(folder))
    path.write_bytes(path.read_bytes()[: generator.randrange(path.stat().st_size)])


def swap(folder: Path, generator: random.Random) -> None:
    one, other = generator.sample(shards(folder), 2)
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def swap_with_validation(folder: Path, generator: random.Random) -> None:
    shutil.copy(folder / "val/00000.h5", generator.choice(shards(folder)))


def rename(folder: Path, generator: random.Random) -> None:
    path = generator.choice(shards(folder))
    path.rename(path.with_name("00009.h5"))


def change_plan(folder: Path, generator: random.Random) -> None:
    """Change one number or word of what the manifest says the data set is."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    of_fields = ["input_fields", "state_fields", "output_fields", "times", "coefficient_names"]
    key = generator.choice(["grid", "seed", "equation", "shard_size", *of_fields])
    value = manifest[key]
    manifest[key] = {
        int: lambda: value + generator.choice([1, -1, 8]),
        str: lambda: "helmholtz" if value != "helmholtz" else "poisson",
        list: lambda: value[::-1],
        dict: lambda: {**value, "boundary": ["open", "wall"]},
    }[type(value)]()
    path.write_text(json.dumps(manifest))


def change_record(folder: Path, generator: random.Random) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    record = generator.choice([r for r in manifest["shards"] if r["split"] == "train"])
    key = generator.choice(["num_samples", "first_index", "checksum", "file"])
    record[key] = record[key] + 1 if isinstance(record[key], int) else record[key][::-1]
    path.write_text(json.dumps(manifest))


def drop_record(folder: Path, generator: random.Random) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    index = generator.randrange(sum(r["split"] == "train" for r in manifest["shards"]))
    del manifest["shards"][index]
    path.write_text(json.dumps(manifest))


def cut_manifest(folder: Path, generator: random.Random) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text()[: generator.randrange(path.stat().st_size - 2)])


def rewrite(folder: Path, generator: random.Random, change: Callable) -> None:
    """Replace a dataset of a shard, leaving the file's own claims as they are."""
    with h5py.File(generator.choice(shards(folder)), "r+") as file:
        large = sorted(file.keys() & {"fields", "trajectories", "inputs"})
        name = generator.choice([*large, "coefficients"])
        values = change(file[name][:])
        attributes = dict(file[name].attrs)
        del file[name]
        file[name] = values
        file[name].attrs.update(attributes)


def other_type(folder: Path, generator: random.Random) -> None:
    types = {np.dtype("f4"): "f8", np.dtype("f8"): "f4"}
    rewrite(folder, generator, lambda values: values.astype(types[values.dtype]))


def other_shape(folder: Path, generator: random.Random) -> None:
    rewrite(folder, generator, lambda values: values[:-1])


def not_a_number(folder: Path, generator: random.Random) -> None:
    def change(values: np.ndarray) -> np.ndarray:
        values[generator.randrange(len(values))] = np.nan
        return values

    rewrite(folder, generator, change)


DAMAGES: list[tuple[Damage, int]] = [
    (flip_bits, 80),
    (zero_a_page, 20),
    (truncate, 30),
    (swap, 5),
    (swap_with_validation, 5),
    (rename, 3),
    (change_plan, 15),
    (change_record, 15),
    (drop_record, 3),
    (cut_manifest, 20),
    (other_type, 6),
    (other_shape, 6),
    (not_a_number, 6),
]


def training_batches(folder: Path) -> list[Batch]:
    data = PDEDataModule([str(folder)], batch_size=16, num_prefetch=0)
    data.setup("fit")
    return list(data.train_dataloader())


def is_same(one: list[Batch], other: list[Batch]) -> bool:
    if len(one) != len(other):
        return False
    pairs = zip(one, other, strict=True)
    return all(torch.equal(x, y) for a, b in pairs for x, y in zip(a[:-1], b[:-1], strict=True))


def test_there_are_two_hundred_ways():
    assert sum(number for _, number in DAMAGES) >= 200


@pytest.fixture(scope="module", params=["steady", "evolution"])
def dataset(request, datasets, tmp_path_factory) -> Path:
    """Samples of a steady problem, or trajectories over a static field."""
    if request.param == "steady":
        return datasets["poisson_1_5"]
    folder = tmp_path_factory.mktemp("damaged") / "evolution"
    write_evolution(folder)
    return folder


@pytest.mark.parametrize(("damage", "number"), DAMAGES, ids=lambda x: getattr(x, "__name__", ""))
def test_no_damage_is_trained_on_silently(dataset, tmp_path, damage, number):
    whole = training_batches(dataset)
    for seed in range(number):
        folder = tmp_path / str(seed)
        shutil.copytree(dataset, folder)
        damage(folder, random.Random(seed))
        with contextlib.suppress(InputError):
            assert is_same(training_batches(folder), whole), f"seed {seed} gives other samples"


@pytest.mark.parametrize("kind", ["coefficients", "norms"])
@pytest.mark.parametrize(("stage", "split"), [("fit", "train"), ("fit", "val"), ("test", "test")])
def test_samples_that_are_not_finite_are_named(datasets, monkeypatch, kind, stage, split):
    """The medians over all samples would be NaN, and every loss with them."""
    read = getattr(ShardedDataset, kind)

    def damaged(dataset, indices):
        values = read(dataset, indices).copy()
        if dataset.split == split:
            values[np.isin(indices, [3, 7]), -1] = [np.nan, np.inf]
        return values

    monkeypatch.setattr(ShardedDataset, kind, damaged)
    data = PDEDataModule([str(datasets["poisson_1_5"])], batch_size=16)
    named = rf"the {kind} of 2 {split} samples .* are not: poisson_1_5:3, poisson_1_5:7; "
    with pytest.raises(InputError, match=named):
        data.setup(stage)
