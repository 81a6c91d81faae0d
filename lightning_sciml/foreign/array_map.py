"""Arrays of all samples, in memory or indexed in a file, as a steady map."""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.foreign_file import NUMBERS
from lightning_sciml.foreign.steady_map import Read, SteadyMap, square_grid

Shape = tuple[int, ...]


def array_map(
    origin: Path | str, fields: Mapping[str, Any], coefficients: Mapping[str, Any], axes: str
) -> SteadyMap:
    """Read arrays of all samples as a steady map.

    Args:
        origin: what to call them in messages.
        fields: three axes each, and any of length one.
        coefficients: a number, or one for each sample.
        axes: order of the axes of the fields, n, y and x.

    Raises:
        InputError: other shapes or types, or a grid that is not square.
    """
    for name, array in (*fields.items(), *coefficients.items()):
        if array.dtype.kind not in NUMBERS:
            raise InputError(
                f"{origin}: {name} must hold real numbers, it holds {array.dtype}; convert it"
            )
    shapes = {name: _field_shape(origin, name, array, axes) for name, array in fields.items()}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(f"{origin}: all fields need one shape (samples, y, x), got {told}")
    num_samples, height, width = next(iter(shapes.values()))
    return SteadyMap(
        origin=origin,
        layout="arrays",
        num_samples=num_samples,
        num_points=square_grid(origin, height, width),
        fields={name: _field(array, axes) for name, array in fields.items()},
        coefficients={
            name: _numbers(origin, name, array, num_samples) for name, array in coefficients.items()
        },
    )


def _kept_axes(shape: Shape, axes: str) -> list[int]:
    """List the axes of a field, without surplus ones of length one."""
    kept = list(range(len(shape)))
    for axis in kept[::-1] if axes[0] == "n" else kept[:]:  # the axis of the samples stays
        if shape[axis] == 1 and len(kept) > 3:
            kept.remove(axis)
    return kept


def _field_shape(origin: Path | str, name: str, array: Any, axes: str) -> Shape:
    """Count samples, points along y and points along x."""
    kept = _kept_axes(array.shape, axes)
    if len(kept) != 3:
        raise InputError(
            f"{origin}: {name} has the shape {array.shape}, wanted the three axes samples, y and x;"
            " give each field on a grid of two dimensions as an array of its own"
        )
    return tuple(array.shape[kept[axes.index(letter)]] for letter in "nyx")


def _field(array: Any, axes: str) -> Read:
    kept = dict(zip(_kept_axes(array.shape, axes), axes, strict=True))

    def read(rows: slice) -> np.ndarray:
        parts = {"n": rows, "y": slice(None), "x": slice(None)}
        index = tuple(parts[kept[axis]] if axis in kept else 0 for axis in range(array.ndim))
        values: np.ndarray = array[index]
        return values.transpose([axes.index(letter) for letter in "nyx"])

    return read


def _numbers(origin: Path | str, name: str, array: Any, num_samples: int) -> Read:
    """Read a coefficient: one number for all samples, or one for each."""
    if math.prod(array.shape) not in (1, num_samples):
        raise InputError(
            f"{origin}: the coefficient {name} has the shape {array.shape}, wanted one number, or "
            f"one for each of the {num_samples} samples"
        )
    values = np.ravel(array[()])
    return partial(constant, values[0]) if values.size == 1 else lambda rows: values[rows]


def constant(value: float, rows: slice) -> np.ndarray:
    """Repeat the value for each of these samples."""
    return np.full(rows.stop - rows.start, value)
