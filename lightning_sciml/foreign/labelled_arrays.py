"""Read netCDF files of xarray: arrays whose axes have names, one of them y, one x.

Fields over time are states, others inputs; without any time the user says what is what. The one
axis with another name counts the samples. Numbers of each sample are coefficients.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.child_process import in_a_child
from lightning_sciml.foreign.coordinates import axis_length, counted_times, increasing_times
from lightning_sciml.foreign.foreign_file import ForeignFile, naming_damage
from lightning_sciml.foreign.foreign_set import ForeignSet, Read
from lightning_sciml.foreign.reads import column

_NO_POINTS = "This is a netCDF dimension but not a netCDF variable"
_TOLD = {"time": ("times", "0, 1, …")} | dict.fromkeys("yx", ("lengths", "1 where not stored"))
_SECONDS = 10.0  # to read the axes of a file; HDF5 loops on damaged ones
Axes = tuple[str, ...]


def read_labelled(file: ForeignFile) -> ForeignSet | None:
    """Read a netCDF file whose arrays have the axes y and x; None if it is none.

    Raises:
        InputError: other axes beside samples, time, y and x, or points that are not uniform.
    """
    if file.path.suffix != ".nc" or not ("x" in file and "y" in file):
        return None
    with naming_damage(file.path, "its axes"):
        axes = in_a_child(_axes_of, file.path, seconds=_SECONDS)
    (samples,) = _samples_axis(file, axes)
    sizes = {axis: len(file.dataset(axis)) for axis in ("y", "x", "time") if axis in file}
    fields = {name: file.dataset(name) for name, own in axes.items() if {"y", "x"} <= {*own}}
    numbers = {name: file.dataset(name) for name, own in axes.items() if own == (samples,)}
    first = next(iter(fields))
    states = {name for name in fields if "time" in axes[name]}
    reads = {name: partial(_field, array, axes[name], samples) for name, array in fields.items()}
    of_steady: dict[str, Read] = {n: r for n, r in reads.items() if n not in states}
    without = [axis for axis in sizes if not _has_points(file, axis)]
    times = _times(file, sizes["time"], without) if states else ()
    return ForeignSet(
        origin=file.path,
        layout="netcdf",
        num_samples=fields[first].shape[axes[first].index(samples)],
        shape=(sizes["y"], sizes["x"]),
        lengths=(_length(file, "y", without), _length(file, "x", without)),
        boundary=_boundary(file),
        inputs=of_steady if states else {},
        targets={name: read for name, read in reads.items() if name in states},
        others={} if states else of_steady,
        times=times,
        coefficients={name: partial(column, array) for name, array in numbers.items()},
        assumed={_TOLD[axis][0]: _TOLD[axis][1] for axis in without},
    )


def _axes_of(path: Path) -> dict[str, Axes]:
    """Return the names of the axes of each array that is no axis itself."""
    with h5py.File(path, "r", locking=False) as file:
        arrays = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
        return {
            name: tuple(axis[0].name.strip("/") if len(axis) else "" for axis in array.dims)
            for name, array in arrays.items()
            if not array.is_scale
        }


def _samples_axis(file: ForeignFile, axes: dict[str, Axes]) -> set[str]:
    """Return the name of the one further axis of the fields."""
    of_fields = [own for own in axes.values() if {"y", "x"} <= {*own}]
    found = {axis for own in of_fields for axis in own} - {"time", "y", "x"}
    if len(found) != 1 or "" in found or any(not {*own} & found for own in of_fields):
        raise InputError(
            f"{file.path} has fields over {', '.join(sorted(found)) or 'no axis'} beside time, y "
            "and x, wanted one axis of samples for all; 3-D: not supported; name it in each"
        )
    return found


def _field(array: h5py.Dataset, axes: Axes, samples: str, rows: slice) -> Float[np.ndarray, "..."]:
    order = [axis for axis in (samples, "time", "y", "x") if axis in axes]
    index = tuple(rows if axis == samples else slice(None) for axis in axes)
    values: np.ndarray = array[index]
    return values.transpose([axes.index(axis) for axis in order])


def _has_points(file: ForeignFile, axis: str) -> bool:
    """Tell whether an axis has coordinates; netCDF marks those that have only a length."""
    marks = file.texts(axis, "NAME") if file.has_text(axis, "NAME") else []
    return not "".join(marks).startswith(_NO_POINTS)


def _times(file: ForeignFile, number: int, without: Sequence[str]) -> tuple[float, ...]:
    stored = counted_times(number) if "time" in without else file.dataset("time")
    return increasing_times(file.path, stored)


def _length(file: ForeignFile, axis: str, without: Sequence[str]) -> float:
    """Return the length that the axis tells, or that its points do; 1 without points."""
    if axis in without:
        return 1.0
    told: Any = file.dataset(axis).attrs
    if "length" in told and told.get_id("length").dtype.kind in "fiu":
        return float(np.ravel(told["length"])[0])
    return axis_length(file.path, axis, file.dataset(axis))


def _boundary(file: ForeignFile) -> tuple[str, str] | None:
    if not all(file.has_text(axis, "boundary") for axis in "yx"):
        return None
    along_y, along_x = ("".join(file.texts(axis, "boundary")) for axis in "yx")
    return along_y, along_x
