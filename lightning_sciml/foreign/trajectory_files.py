"""Read trajectories of Poseidon, PDEArena and APEBench: fields by [x, y], samples first, then time.

========  ==========================================================================
Poseidon  solution or data (n, T[, C], X, Y), velocity (n, T, C, X, Y), c (n, X, Y);
          source and solution (n, X, Y); of the airfoils, shape and density for T
PDEArena  train | valid | test: u, vx, vy (n, T, X, Y), t (n, T), x, y, buo_y (n), …
APEBench  NAME_train.npy (n, T, C, X, Y), and NAME.json beside it
========  ==========================================================================

Files of Poseidon (netCDF 4, which is HDF5) hold neither times nor points: the times are counted.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.coordinates import axis_length, counted_times, increasing_times
from lightning_sciml.foreign.foreign_file import ForeignFile, naming_damage, regular_file
from lightning_sciml.foreign.foreign_set import ForeignSet, Read
from lightning_sciml.foreign.reads import (
    by_row_and_column,
    check_two_dimensions,
    column,
    components,
    constant,
    vector_names,
)
from lightning_sciml.json_files import read_json

_PERIODIC, _WALLS = ("periodic", "periodic"), ("dirichlet", "dirichlet")
_COUNTED = "0, 1, …: the file has none"
_POSEIDON_FIELDS = {
    "velocity": [*vector_names("velocity"), "tracer"],
    "solution": ["density", *vector_names("velocity"), "pressure"],
    "data": ["density", *vector_names("velocity"), "pressure", "tracer"],
}
_PERIODIC_SETS = ("NS-", "FNS-", "CE-")  # of Poseidon, by the names of their files
_PDEARENA_GROUPS = {"train": "train", "val": "valid", "test": "test"}
_PDEARENA_STATES = {"u": "u", "velocity_x": "vx", "velocity_y": "vy"}
_PDEARENA_STEPS = {"t", "x", "y", "dt", "dx", "dy"}
_APEBENCH_NUMERICS = {"dt", "domain_extent", "coarse_proportion", "dealiasing_fraction"}
_APEBENCH_NUMERICS |= {"circle_radius", "num_circle_points"}


def read_poseidon(file: ForeignFile) -> ForeignSet | None:
    """Read a netCDF file of Poseidon; None if it is none."""
    name = next((n for n in _POSEIDON_FIELDS if n in file), None)
    if file.path.suffix != ".nc" or name is None:
        return None
    array = file.dataset(name)
    known = ForeignSet(
        origin=file.path,
        layout="poseidon",
        num_samples=len(array),
        shape=(array.shape[-1], array.shape[-2]),
        boundary=_PERIODIC if file.path.name.startswith(_PERIODIC_SETS) else None,
        assumed={"lengths": "1 × 1: the file has no points"},
    )
    if "source" in file:
        inputs = {"source": by_row_and_column(file.dataset("source"))}
        targets = {"solution": by_row_and_column(array)}
        return replace(known, boundary=_WALLS, inputs=inputs, targets=targets)
    if file.path.name.startswith("SE-AF"):
        fields = components(array, ["shape", "density"], axis=-3)
        density = fields.pop("density")
        return replace(known, inputs=fields, targets={"density": density})
    has_channels = array.ndim > 4
    check_two_dimensions(file.path, name, array.shape, array.ndim - 2 - has_channels)
    return replace(
        known,
        inputs={"c": by_row_and_column(file.dataset("c"))} if "c" in file else {},
        targets=_poseidon_states(name, array) if has_channels else {name: by_row_and_column(array)},
        times=increasing_times(file.path, counted_times(array.shape[1])),
        assumed={"times": _COUNTED, **known.assumed},
    )


def _poseidon_states(name: str, array: h5py.Dataset) -> dict[str, Read]:
    """Name the channels: two are a velocity, others as ``_POSEIDON_FIELDS``."""
    num_channels = array.shape[2]
    names = vector_names("velocity") if num_channels == 2 else _POSEIDON_FIELDS[name]
    further = [f"{name}{channel}" for channel in range(len(names), num_channels)]
    return components(array, [*names, *further][:num_channels], axis=-3)


def read_pdearena(file: ForeignFile, split: str) -> ForeignSet | None:
    """Read the group of a split in a file of PDEArena, or its only group; None if it is none."""
    groups = [g for g in _PDEARENA_GROUPS.values() if f"{g}/u" in file and f"{g}/t" in file]
    if not groups:
        return None
    own = _PDEARENA_GROUPS[split]
    group = own if own in groups else groups[0]
    if own not in groups and len(groups) > 1:
        raise InputError(f"{file.path} has the groups {', '.join(groups)}, and no {own}")
    stored = {n: f"{group}/{p}" for n, p in _PDEARENA_STATES.items() if f"{group}/{p}" in file}
    arrays = {name: file.dataset(place) for name, place in stored.items()}
    u = arrays["u"]
    check_two_dimensions(file.path, stored["u"], u.shape, u.ndim - 2)
    n, _, width, height = u.shape
    others = [name for name in file.member(group) if name not in _PDEARENA_STEPS]
    numbers = {name: file.dataset(f"{group}/{name}") for name in others}
    along_y, along_x = (  # its points lie in the middle of cells, its coordinates at the ends
        axis_length(file.path, d, file.dataset(f"{group}/{d}"), ends=True) for d in "yx"
    )
    return ForeignSet(
        origin=file.path,
        layout="pdearena",
        num_samples=n,
        shape=(height, width),
        lengths=(along_y, along_x),
        boundary=("wall", "wall"),
        targets={name: by_row_and_column(array) for name, array in arrays.items()},
        times=increasing_times(file.path, file.dataset(f"{group}/t")),
        coefficients={m: partial(column, a) for m, a in numbers.items() if a.shape == (n,)},
    )


def read_apebench(path: Path) -> ForeignSet | None:
    """Read NAME_train.npy or NAME_test.npy beside a NAME.json; None if there is none."""
    name, _, part = path.stem.rpartition("_")
    described = path.with_name(f"{name}.json")
    if path.suffix != ".npy" or part not in ("train", "test") or not described.is_file():
        return None
    info = _info(described)
    with naming_damage(regular_file(path), "its array"):
        array = np.lib.format.open_memmap(path, mode="r")
    check_two_dimensions(path, path.stem, array.shape, array.ndim - 3)
    n, num_times, num_channels, width, height = array.shape
    step, length = _number(info, "dt"), _number(info, "domain_extent")
    times = counted_times(num_times) if step is None else [step * i for i in range(num_times)]
    assumed = {} if step else {"times": _COUNTED}
    return ForeignSet(
        origin=path,
        layout="apebench",
        num_samples=n,
        shape=(height, width),
        lengths=(length or 1.0, length or 1.0),
        boundary=_PERIODIC,
        targets=components(array, _apebench_names(name, num_channels), axis=-3),
        times=increasing_times(path, times),
        coefficients=_apebench_coefficients(info),
        assumed=assumed,
    )


def _info(path: Path) -> Mapping[str, Any]:
    """Read what the file beside the arrays says of them."""
    content = read_json(path, dict[str, Any], remedy="get the file again")
    info = content.get("info")
    if not isinstance(info, dict):
        raise InputError(f"{path} must hold a mapping info, got {info!r}; get the file again")
    return info


def _number(info: Mapping[str, Any], name: str) -> float | None:
    value = info.get(name)
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _apebench_names(name: str, num_channels: int) -> list[str]:
    """Name the fields: the velocity of Burgers' equation has a channel for each dimension."""
    if "burgers" in name and num_channels == 2:
        return vector_names("velocity")
    return ["u"] if num_channels == 1 else [f"u{channel}" for channel in range(num_channels)]


def _apebench_coefficients(info: Mapping[str, Any]) -> dict[str, Read]:
    """Take the numbers of the equation: one value for all samples."""
    found = {n: v for n, v in info.items() if isinstance(v, float) and n not in _APEBENCH_NUMERICS}
    return {name: partial(constant, value) for name, value in found.items()}
