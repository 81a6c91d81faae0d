"""The layout of The Well: data/{train,valid,test}/NAME.hdf5 and stats.yaml, fields by [x, y].

Their data_format.md defines it, and ``WellDataset`` of the package the_well reads it.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml
from jaxtyping import Float32

from lightning_sciml.foreign.carried_plan import carry_plan
from lightning_sciml.foreign.sample_blocks import Block, sample_blocks
from lightning_sciml.shards.durable import replacing, write_whole
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset

_FOLDERS = {"train": "train", "val": "valid", "test": "test"}
_BOUNDARY_TYPES = {"periodic": "PERIODIC", "open": "OPEN"}  # all others are walls to The Well


def write_well(
    folder: Path, splits: Mapping[str, ShardedDataset], advance: Callable[[int], object]
) -> None:
    """Write all splits, and the statistics of train by which The Well normalises.

    Coordinates are float32, as The Well has them, and so are times that float32 tells apart.
    """
    for split, dataset in splits.items():
        manifest, changes = dataset.manifest, _Changes()
        path = folder / "data" / _FOLDERS[split] / f"{manifest.name}.hdf5"
        path.parent.mkdir(parents=True)
        with replacing(path) as temporary, h5py.File(temporary, "x") as file:
            _describe(file, manifest, len(dataset))
            _create_fields(file, dataset)
            for block in sample_blocks(dataset):
                _fill(file, block)
                changes.add(block.targets)
                advance(block.rows.stop - block.rows.start)
        if split == "train":
            text = yaml.safe_dump(_statistics(manifest, changes), sort_keys=False)
            write_whole(folder / "stats.yaml", text)


def stored_fields(names: Iterable[str], others: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
    """Return the fields as The Well stores them, with their components.

    NAME_x and NAME_y make a vector NAME, unless something else has this name.

    Args:
        names: of fields that all change in time, or all do not.
        others: of all other fields.
    """
    present, taken = {*names}, {*names, *others}
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        vector = name[:-2]
        components = (f"{vector}_x", f"{vector}_y")
        if vector and vector not in taken and name in components and {*components} <= present:
            found[vector] = components
        else:
            found[name] = (name,)
    return found


def _fields_of(manifest: Manifest) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Return the input fields and the targets as The Well stores them."""
    inputs, targets = manifest.input_fields, manifest.target_fields
    return stored_fields(inputs, targets), stored_fields(targets, inputs)


def _describe(file: h5py.File, manifest: Manifest, num_samples: int) -> None:
    """Write attributes, dimensions and boundaries."""
    file.attrs.update(
        dataset_name=manifest.name,
        grid_type="cartesian",
        n_spatial_dims=2,
        n_trajectories=num_samples,
        simulation_parameters=_strings([]),
    )
    carry_plan(file, manifest)
    dimensions = file.create_group("dimensions")
    dimensions.attrs["spatial_dims"] = _strings(["x", "y"])
    times = np.array(manifest.times or (0.0,))
    is_told_apart = bool((np.diff(times.astype("f4")) > 0).all())
    dimensions["time"] = times.astype("f4") if is_told_apart else times
    dimensions["time"].attrs.update(sample_varying=False, time_varying=True)
    grid = manifest.grid
    axes = zip("yx", grid.coordinates(), grid.lengths, grid.boundary, strict=True)
    for axis, places, length, boundary in axes:
        dimensions[axis] = (places * length).astype("f4")
        dimensions[axis].attrs.update(sample_varying=False, time_varying=False)
        kind = _BOUNDARY_TYPES.get(boundary, "WALL")
        group = file.create_group(f"boundary_conditions/{axis}_{kind.lower()}")
        group.attrs.update(
            bc_type=kind,
            associated_dims=_strings([axis]),
            associated_fields=_strings([]),
            sample_varying=False,
            time_varying=False,
        )
        group["mask"] = np.isin(np.arange(len(places)), [0, len(places) - 1])


def _create_fields(file: h5py.File, dataset: ShardedDataset) -> None:
    """Lay out all fields and scalars, still without values."""
    n, (H, W) = len(dataset), dataset.grid.shape
    inputs, targets = _fields_of(dataset.manifest)
    shapes: dict[str, tuple[int, ...]]
    shapes = {name: (n, W, H, len(parts)) for name, parts in inputs.items()}
    shapes |= {name: (n, dataset.num_times, W, H, len(parts)) for name, parts in targets.items()}
    for order in range(3):  # t2_fields, tensors, are none
        group = file.create_group(f"t{order}_fields")
        names = [name for name, shape in shapes.items() if shape[-1] == order + 1]
        group.attrs["field_names"] = _strings(names)
        for name in names:
            shape = shapes[name] if order else shapes[name][:-1]
            group.create_dataset(name, shape, "f4").attrs.update(
                sample_varying=True,
                time_varying=name in targets,
                dim_varying=np.array([True, True]),
            )
    scalars = file.create_group("scalars")
    scalars.attrs["field_names"] = _strings(dataset.coefficient_names)
    for name in dataset.coefficient_names:
        made = scalars.create_dataset(name, (n,), "f8")
        made.attrs.update(sample_varying=True, time_varying=False)


def _fill(file: h5py.File, block: Block) -> None:
    """Write the values of some samples."""
    for values, others in ((block.inputs, block.targets), (block.targets, block.inputs)):
        for name, parts in stored_fields(values, others).items():
            if len(parts) == 1:
                file["t0_fields"][name][block.rows] = values[name].swapaxes(-1, -2)
            else:
                components = [values[part].swapaxes(-1, -2) for part in parts]
                file["t1_fields"][name][block.rows] = np.stack(components, axis=-1)
    for name, numbers in block.coefficients.items():
        file["scalars"][name][block.rows] = numbers


class _Changes:
    """Moments of what fields change by from one stored time to the next, by name."""

    def __init__(self) -> None:
        self._sums: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(3))

    def add(self, fields: Mapping[str, Float32[np.ndarray, "n T H W"]]) -> None:
        """Add some samples."""
        for name, values in fields.items():
            for sample in values:
                change = np.diff(sample.astype(np.float64), axis=0)
                self._sums[name] += change.size, change.sum(), np.vdot(change, change)

    def moments(self, name: str) -> dict[str, float]:
        """Return mean and standard deviation; zeros where a field has one time."""
        size, total, squares = self._sums[name]
        mean = total / max(1, size)
        return {"mean": mean, "std": math.sqrt(max(0.0, squares / max(1, size) - mean**2))}


def _statistics(manifest: Manifest, changes: _Changes) -> dict[str, dict[str, Any]]:
    """Return means, standard deviations and root mean squares, of fields and of their changes."""
    inputs, targets = _fields_of(manifest)
    own: dict[str, Any] = {name: manifest.statistics[name] for name in manifest.field_names}
    delta = {name: changes.moments(name) for name in manifest.target_fields}
    found: dict[str, dict[str, Any]] = {}
    for suffix, moments, stored in (("", own, inputs | targets), ("_delta", delta, targets)):
        for kind in ("mean", "std", "rms"):
            found[kind + suffix] = {
                name: _unwrapped([_moment(moments[part], kind) for part in parts])
                for name, parts in stored.items()
            }
    return found


def _moment(moments: Mapping[str, float], kind: str) -> float:
    return float(math.hypot(moments["mean"], moments["std"]) if kind == "rms" else moments[kind])


def _unwrapped(components: list[float]) -> float | list[float]:
    return components if len(components) > 1 else components[0]


def _strings(names: Iterable[str]) -> np.ndarray:
    return np.array(list(names), h5py.string_dtype())
