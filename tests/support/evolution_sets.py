"""Small data sets of trajectories, written shard by shard."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lightning_sciml.pde.grid import Grid
from lightning_sciml.shards.checksums import payload_checksum
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.dataset_statistics import finished_manifest
from lightning_sciml.shards.field_norms import field_norms
from lightning_sciml.shards.manifest import Manifest, ShardRecord
from lightning_sciml.shards.schema import shard_file
from lightning_sciml.shards.writer import write_shard


def evolution_plan(**options: Any) -> DatasetPlan:
    """Plan trajectories of u and v over a static field, on a grid with a wall."""
    known: dict[str, Any] = {
        "name": "evolution",
        "equation": "none",
        "equation_parameters": {},
        "coefficient_names": ("nu",),
        "config": {},
        "grid": Grid(shape=(8, 12), lengths=(1.0, 1.5), boundary=("wall", "periodic")),
        "input_fields": ("forcing",),
        "state_fields": ("u", "v"),
        "times": (0.0, 0.1, 0.25, 0.5, 1.0),
        "seed": 0,
        "shard_size": 4,
        "num_samples": {"train": 11, "val": 3, "test": 2},
    }
    return DatasetPlan(**{**known, **options})


def random_samples(plan: DatasetPlan, split: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw the large arrays and the coefficients of a split."""
    rng = np.random.default_rng([seed, ["train", "val", "test"].index(split)])
    n, shapes = plan.num_samples[split], plan.sample_shapes
    drawn = {name: rng.normal(size=(n, *shapes[name])) for name in sorted(shapes)}
    coefficients = rng.uniform(size=(n, len(plan.coefficient_names)))
    return {**{k: v.astype(np.float32) for k, v in drawn.items()}, "coefficients": coefficients}


def write_evolution(folder: Path, plan: DatasetPlan | None = None, seed: int = 0) -> Manifest:
    """Write a set of ``random_samples``."""
    plan = plan or evolution_plan()
    records, arrays = [], []
    for split, number in plan.num_samples.items():
        (folder / split).mkdir(parents=True)
        drawn = random_samples(plan, split, seed)
        for first in range(0, number, plan.shard_size):
            part = {name: v[first : first + plan.shard_size] for name, v in drawn.items()}
            record, small = _write(folder, plan, split, first, part)
            records.append(record)
            arrays.append(small)
    manifest = finished_manifest(plan, records, arrays, versions={}, elapsed_s=0.0)
    manifest.save(folder)
    return manifest


def rewrite_shard(folder: Path, file: str, **changed: np.ndarray) -> None:
    """Change arrays of a shard and make all checksums agree again."""
    manifest = Manifest.load(folder)
    (before,) = (record for record in manifest.shards if record.file == file)
    with h5py.File(folder / file) as shard:
        arrays = {name: shard[name][:] for name in shard} | changed
    record = replace(before, checksum=payload_checksum(arrays))
    write_shard(folder / file, arrays, record=record, plan=manifest)
    shards = tuple(record if r is before else r for r in manifest.shards)
    replace(manifest, shards=shards).save(folder)


def _write(
    folder: Path, plan: DatasetPlan, split: str, first: int, drawn: dict[str, np.ndarray]
) -> tuple[ShardRecord, dict[str, np.ndarray]]:
    states = drawn["trajectories"]
    inputs = drawn.get("inputs", np.empty((len(states), 0, *plan.grid.shape), np.float32))
    small = {
        "coefficients": drawn["coefficients"],
        "norms": field_norms(inputs, states),
        "sample_index": np.arange(first, first + len(states)),
    }
    record = ShardRecord(
        file=shard_file(split, first // plan.shard_size),
        split=split,
        first_index=first,
        num_samples=len(states),
        checksum=payload_checksum({**drawn, **small}),
        max_residual=None,
        num_rejected=0,
    )
    write_shard(folder / record.file, {**drawn, **small}, record=record, plan=plan)
    return record, small
