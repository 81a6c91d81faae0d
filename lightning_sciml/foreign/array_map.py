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
    places = {name: _places(origin, name, array.shape, axes) for name, array in fields.items()}
    shapes = {
        n: tuple(fields[n].shape[place[axis]] for axis in "nyx") for n, place in places.items()
    }
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(f"{origin}: all fields need one shape (samples, y, x), got {told}")
    num_samples, height, width = next(iter(shapes.values()))
    return SteadyMap(
        origin=origin,
        layout="arrays",
        num_samples=num_samples,
        num_points=square_grid(origin, height, width),
        fields={name: _field(array, places[name]) for name, array in fields.items()},
        coefficients={
            name: _numbers(origin, name, array, num_samples) for name, array in coefficients.items()
        },
    )


def _places(origin: Path | str, name: str, shape: Shape, axes: str) -> dict[str, int]:
    """Find the axes n, y and x of a field, in their order; surplus ones have length one."""
    kept = list(range(len(shape)))
    for axis in kept[::-1] if axes[0] == "n" else kept[:]:  # the axis of the samples stays
        if shape[axis] == 1 and len(kept) > 3:
            kept.remove(axis)
    if len(kept) != 3:
        raise InputError(
            f"{origin}: {name} has the shape {shape}, wanted the three axes samples, y and x;"
            " give each field on a grid of two dimensions as an array of its own"
        )
    return dict(zip(axes, kept, strict=True))


def _field(array: Any, places: Mapping[str, int]) -> Read:
    def read(rows: slice) -> np.ndarray:
        index: list[int | slice] = [0] * array.ndim
        for letter, axis in places.items():
            index[axis] = rows if letter == "n" else slice(None)
        values: np.ndarray = array[tuple(index)]
        return values.transpose([list(places).index(letter) for letter in "nyx"])

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
