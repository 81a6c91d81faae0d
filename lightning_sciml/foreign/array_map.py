"""Arrays of all samples, in memory or indexed in a file, as fields, states and coefficients."""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.asked import EVOLUTION_AXES, STEADY_AXES
from lightning_sciml.foreign.coordinates import counted_times, increasing_times
from lightning_sciml.foreign.foreign_file import NUMBERS
from lightning_sciml.foreign.foreign_set import ForeignSet, Read
from lightning_sciml.foreign.reads import Shape, constant

_WORDS = {"n": "samples", "t": "times", "y": "y", "x": "x"}


def array_map(
    origin: Path | str,
    inputs: Mapping[str, Any],
    targets: Mapping[str, Any],
    coefficients: Mapping[str, Any],
    *,
    axes: str,
    times: Any = None,
) -> ForeignSet:
    """Read arrays of all samples.

    Args:
        origin: what to call them in messages.
        inputs: the axes but t, and any of length one.
        targets: the axes, and any of length one.
        coefficients: a number, or one for each sample.
        axes: order of the axes of the targets: n, y, x and, of states, t.
        times: of the states; 0, 1, … by default.

    Raises:
        InputError: other shapes or types.
    """
    fields = {**inputs, **targets}
    _check_types(origin, {**fields, **coefficients})
    steady_axes = axes.replace("t", "")
    own_axes = EVOLUTION_AXES if "t" in axes else STEADY_AXES
    orders = dict.fromkeys(inputs, steady_axes) | dict.fromkeys(targets, axes)
    places = {n: _places(origin, n, fields[n].shape, order) for n, order in orders.items()}
    size = _sizes(origin, fields, places)
    assumed = {"lengths": "1 × 1", "boundary": "periodic"}
    assumed |= {"times": "0, 1, …"} if "t" in axes and times is None else {}
    return ForeignSet(
        origin=origin,
        layout="arrays",
        num_samples=size["n"],
        shape=(size["y"], size["x"]),
        boundary=("periodic", "periodic"),
        inputs={name: _field(inputs[name], places[name], STEADY_AXES) for name in inputs},
        targets={name: _field(targets[name], places[name], own_axes) for name in targets},
        times=_times(origin, times, size["t"]) if "t" in axes else (),
        coefficients={
            name: _numbers(origin, name, array, size, axes) for name, array in coefficients.items()
        },
        assumed=assumed,
    )


def axes_with_samples(place: int, axes: str) -> str:
    """Order axes so that the samples are at this place, the others as they are."""
    others = (EVOLUTION_AXES if "t" in axes else STEADY_AXES).replace("n", "")
    return f"{others[:place]}n{others[place:]}"


def _reordered(axes: str = "") -> str:
    """Say what to do where axes have another order."""
    found = f"--axes {axes}" if axes else "--axes, for example yxn"
    return f"if the axes have another order, name it by {found} (from Python: transpose the arrays)"


def _check_types(origin: Path | str, arrays: Mapping[str, Any]) -> None:
    for name, array in arrays.items():
        if array.dtype.kind not in NUMBERS:
            raise InputError(
                f"{origin}: {name} must hold real numbers, it holds {array.dtype}; convert it"
            )


def _times(origin: Path | str, times: Any, number: int) -> tuple[float, ...]:
    """Return the times of the states, counted where there are none."""
    found = increasing_times(origin, counted_times(number) if times is None else times)
    if len(found) != number:
        raise InputError(
            f"{origin} has states at {number} times, got {len(found)}: give as many; {_reordered()}"
        )
    return found


def _sizes(
    origin: Path | str, fields: Mapping[str, Any], places: Mapping[str, Mapping[str, int]]
) -> dict[str, int]:
    """Return the length of each axis, which all fields share."""
    shapes = {
        name: {axis: array.shape[places[name][axis]] for axis in places[name]}
        for name, array in fields.items()
    }
    found: dict[str, int] = {}
    for shape in shapes.values():
        if any(found.setdefault(axis, size) != size for axis, size in shape.items()):
            told = ", ".join(f"{name} {tuple(fields[name].shape)}" for name in shapes)
            wanted = ", ".join(_WORDS[axis] for axis in max(shapes.values(), key=len))
            raise InputError(
                f"{origin}: all fields need one shape ({wanted}), got {told}; {_reordered()}"
            )
    return found


def _places(origin: Path | str, name: str, shape: Shape, axes: str) -> dict[str, int]:
    """Find the axes of a field, in their order; surplus ones have length one."""
    kept = list(range(len(shape)))
    for axis in kept[::-1] if axes[0] == "n" else kept[:]:  # the axis of the samples stays
        if shape[axis] == 1 and len(kept) > len(axes):
            kept.remove(axis)
    if len(kept) != len(axes):
        dimensions = 2 + len(kept) - len(axes)
        told = f" ({dimensions}-D: not supported)" if dimensions in (1, 3) else ""
        raise InputError(
            f"{origin}: {name} has the shape {shape}, wanted the axes "
            f"{', '.join(_WORDS[axis] for axis in axes)}{told}; give each field on a grid of two "
            "dimensions as an array of its own, and fields that change in time as states"
        )
    return dict(zip(axes, kept, strict=True))


def _field(array: Any, places: Mapping[str, int], order: str) -> Read:
    def read(rows: slice) -> np.ndarray:
        index: list[int | slice] = [0] * array.ndim
        for letter, axis in places.items():
            index[axis] = rows if letter == "n" else slice(None)
        values: np.ndarray = array[tuple(index)]
        return values.transpose([list(places).index(letter) for letter in order])

    return read


def _numbers(
    origin: Path | str, name: str, array: Any, sizes: Mapping[str, int], axes: str
) -> Read:
    """Read a coefficient: one number for all samples, or one for each."""
    number = math.prod(array.shape)
    if number not in (1, sizes["n"]):
        fitting = [axis for axis in axes if sizes[axis] == number]
        is_first = fitting and axes[0] == "n"  # else the user has named an order
        example = axes_with_samples(axes.index(fitting[0]), axes) if is_first else ""
        raise InputError(
            f"{origin}: the coefficient {name} has the shape {array.shape}, wanted one number, or "
            f"one for each of the {sizes['n']} samples of fields with the axes "
            f"{', '.join(_WORDS[axis] for axis in axes)}; {_reordered(example)}"
        )
    values = np.ravel(array[()])
    return partial(constant, values[0]) if values.size == 1 else lambda rows: values[rows]
