"""Read parts of arrays, in memory or in a file: what fields and coefficients are made of."""

from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.foreign_set import Read

Shape = tuple[int, ...]


def by_row_and_column(array: Any) -> Read:
    """Read fields that are stored by [x, y]: the last two axes change places."""
    return lambda rows: array[rows].swapaxes(-1, -2)


def components(array: Any, names: list[str], *, axis: int) -> dict[str, Read]:
    """Read each component of fields that are stored by [x, y] as a field of its own.

    Args:
        array: of all samples.
        names: of the components, in their order.
        axis: of the components, counted from the end.
    """
    return {name: partial(_component, array, place, axis) for place, name in enumerate(names)}


def _component(array: Any, place: int, axis: int, rows: slice) -> np.ndarray:
    index: list[int | slice] = [rows, *[slice(None)] * (array.ndim - 1)]
    if axis == -1:  # interleaved: HDF5 would gather number by number
        return array[tuple(index)][..., place].swapaxes(-1, -2)
    index[axis] = place
    values: np.ndarray = array[tuple(index)]
    return values.swapaxes(-1, -2)


def vector_names(name: str) -> list[str]:
    """Name the components of a vector field."""
    return [f"{name}_x", f"{name}_y"]


def constant(value: float, rows: slice) -> np.ndarray:
    """Repeat the value for each of these samples."""
    return np.full(rows.stop - rows.start, value)


def constants(attributes: h5py.AttributeManager) -> dict[str, Read]:
    """Read all attributes of a file that are single real numbers as coefficients."""
    found: dict[str, Read] = {}
    for name in attributes:
        if attributes.get_id(name).dtype.kind in "fiu":  # texts may be damaged
            value = np.ravel(attributes[name])
            found |= {str(name): partial(constant, float(value[0]))} if value.size == 1 else {}
    return found


def column(values: Any, rows: slice) -> np.ndarray:
    """Read one number a sample, from (n) or (n, 1)."""
    found: np.ndarray = values[rows]
    return found.reshape(rows.stop - rows.start)


def check_two_dimensions(origin: Path | str, name: str, shape: Shape, dimensions: int) -> None:
    """Reject fields that are not two-dimensional.

    Raises:
        InputError: naming the array and its shape.
    """
    if dimensions != 2:
        raise InputError(
            f"{origin}: {name} has the shape {shape}, fields on a grid of {dimensions} dimensions, "
            f"wanted two; {dimensions}-D: not supported"
        )
