"""Coordinates that files of others store: lengths of uniform axes, and times."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Num

from lightning_sciml.errors import InputError

_SPACING_TOLERANCE = 1e-3  # of the mean spacing
_ROUNDING = 4 * np.finfo(np.float32).eps  # of the largest coordinate


def axis_length(origin: Path | str, name: str, coordinates: Any, *, ends: bool = False) -> float:
    """Return the length of a uniform axis: N times the spacing of its N points.

    Args:
        origin: the file.
        name: of the axis.
        coordinates: (N,), or (n, N) equal for all samples.
        ends: the first and the last point lie at the ends of the axis.

    Raises:
        InputError: points that are not uniform, or not increasing.
    """
    points = _shared(origin, name, coordinates).astype(np.float64)
    if len(points) < 2:
        return 1.0
    spacing = (points[-1] - points[0]) / (len(points) - 1)
    tolerance = _SPACING_TOLERANCE * spacing + _ROUNDING * np.abs(points).max()
    is_uniform = np.abs(np.diff(points) - spacing).max() <= tolerance  # not so for NaN
    if not (spacing > 0 and is_uniform):
        raise InputError(
            f"{origin}: the points along {name} must increase by one spacing, got steps of "
            f"{np.diff(points).min():.4g} … {np.diff(points).max():.4g}; interpolate the fields to "
            "a uniform grid first"
        )
    length = spacing * (len(points) - 1 if ends else len(points))
    return float(f"{length:.6g}")  # points in float32 hold no more digits


def increasing_times(origin: Path | str, times: Any) -> tuple[float, ...]:
    """Return times of states that all samples share.

    Args:
        origin: the file.
        times: (T,), or (n, T) equal for all samples.

    Raises:
        InputError: fewer than two, or times that do not increase.
    """
    values = _decimals(_shared(origin, "time", times))
    if not len(values) > 1:
        raise InputError(
            f"{origin} has states at {len(values)} time, a trajectory has at least two; import "
            "them as outputs of a steady problem"
        )
    steps = np.diff(values)
    if not (np.isfinite(values).all() and (steps > 0).all()):
        place = int(np.flatnonzero(~(steps > 0))[0]) if (~(steps > 0)).any() else len(steps) - 1
        raise InputError(
            f"{origin}: times must be finite and increase, got {values[place]:g} and then "
            f"{values[place + 1]:g} at position {place + 1}; give others by --times"
        )
    return tuple(values)


def counted_times(num_times: int) -> tuple[float, ...]:
    """Return 0, 1, …: times of states in a file that does not store any."""
    return tuple(float(number) for number in range(num_times))


def _shared(origin: Path | str, name: str, values: Any) -> Num[np.ndarray, " N"]:
    """Return values that are one for all samples, where each sample has its own."""
    array = np.asarray(values[()] if hasattr(values, "shape") else values)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{origin}: {name} must hold real numbers, it holds {array.dtype}")
    array = array.reshape(-1) if max(array.shape, default=1) == array.size else array
    if array.ndim == 2 and len(array) and (array == array[0]).all():
        return array[0]
    if array.ndim != 1:
        told = "other ones for some" if array.ndim == 2 else f"the shape {array.shape}"
        raise InputError(
            f"{origin}: all samples need the same points along {name}, one row for all or for "
            f"each, got {told}; import samples of one kind as a set of their own"
        )
    return array


def _decimals(values: Num[np.ndarray, " N"]) -> Sequence[float]:
    """Return float32 as the shortest decimals that round to them: 0.1, not 0.10000000149."""
    if values.dtype.kind == "f" and values.dtype.itemsize <= 4:
        return [float(str(value)) for value in values.astype(np.float32)]
    return [float(value) for value in values]
