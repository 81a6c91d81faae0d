"""Named arrays as fields, states and coefficients: as the user says, or a known layout does.

=================  =====================================================  =======================
FNO, Darcy         .mat: coeff, sol (n, Y, X)                             a ↦ u, walls at u = 0
FNO, evolution     .mat: a (n, X, Y), u (n, X, Y, T), t (T)               u, periodic
neuraloperator     .pt: x, y (n[, 1], Y, X), one resolution a file        a ↦ u
=================  =====================================================  =======================
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.array_files import NamedArrays
from lightning_sciml.foreign.array_map import array_map, axes_with_samples
from lightning_sciml.foreign.asked import EVOLUTION_AXES, STEADY_AXES, Asked
from lightning_sciml.foreign.choice import chosen
from lightning_sciml.foreign.foreign_set import ForeignSet

_WALLS = ("dirichlet", "dirichlet")
_PERIODIC = ("periodic", "periodic")
_UNIT = {"lengths": (1.0, 1.0)}


class UnnamedArraysError(InputError):
    """A file has no known layout, and the user does not name its arrays.

    Attributes:
        problem: what the file holds.
        options: those to add to the command, word by word.
        cut: a tenth of the samples, for a split that the user names no files for.
    """

    def __init__(self, arrays: NamedArrays, asked: Asked) -> None:
        shapes = {n: tuple(s) for n, s in arrays.shown_shapes().items() if len(s) in (3, 4)}
        evolving = [n for n, s in shapes.items() if sum(size > 1 for size in s) == 4]
        if evolving and not (asked.inputs or asked.outputs):
            shape, axes = shapes[evolving[0]], EVOLUTION_AXES
            axes = "yxtn" if shape[0] == shape[1] != shape[2] else axes  # as often in MATLAB
            axes = "nyxt" if shape[1] == shape[2] != shape[3] else axes
            self.options = ["--states", f"u={evolving[0]}"]
            self.options += [] if axes == EVOLUTION_AXES else ["--axes", axes]
        else:
            first, *others = list(shapes) or ["STORED"]
            shape, last = shapes.get(first, (1, 1, 1)), others[-1] if others else "STORED"
            axes = asked.axes or _steady_axes(shape, arrays)
            is_clear = axes == STEADY_AXES and len({*shape}) < 3
            self.options = [] if asked.inputs else ["--inputs", f"a={first}"]
            self.options += [] if asked.outputs else ["--outputs", f"u={last}"]
            self.options += [] if is_clear or asked.axes else ["--axes", axes]
        self.cut = max(1, shape[axes.index("n")] // 10)
        self.problem = f"{arrays.described()}, in no known layout"
        super().__init__(f"{self.problem}; say which is which: {' '.join(self.options)}")


def _steady_axes(shape: Sequence[int], arrays: NamedArrays) -> str:
    """Guess where the samples are: where there is one number for each, or beside a square."""
    numbers = {max(s) for s in arrays.shown_shapes().values() if s and math.prod(s) == max(s)}
    places = [place for place in range(3) if shape[place] in numbers]
    if places and len({*shape}) == 3:
        return axes_with_samples(places[0], STEADY_AXES)
    return "yxn" if shape[0] == shape[1] != shape[2] else STEADY_AXES


def read_named(arrays: NamedArrays, asked: Asked) -> ForeignSet:
    """Read arrays as the fields, states and coefficients that the user says they are.

    Raises:
        InputError: the user does not say it, an array is not there, or has another shape than
            fields or coefficients have.
    """
    layout, known = _known_layout(arrays, asked)
    if not known.names_fields:
        raise UnnamedArraysError(arrays, known)
    wanted = {
        "inputs": stored(known.inputs),
        "targets": stored(known.states or known.outputs),
        "coefficients": stored(known.coefficients),
    }
    times = [known.times] if isinstance(known.times, str) else []
    absent = [n for names in (*wanted.values(), times) for n in names if n not in arrays.shapes]
    if absent:
        raise InputError(f"{arrays.described()}; there is no {absent[0]}, name others")
    axes = known.axes or (EVOLUTION_AXES if known.states else STEADY_AXES)
    found = array_map(
        arrays.origin,
        **{kind: {name: arrays.load(name) for name in names} for kind, names in wanted.items()},
        axes=axes[::-1] if arrays.is_reversed else axes,
        times=arrays.load(times[0]) if times else known.times,
    )
    found = replace(found, layout=layout)
    if layout == "arrays":
        told = ", ".join({"n": "samples"}.get(axis, axis) for axis in axes)
        found = replace(found, axes=told, assumed={"axes": told, **found.assumed})
    if layout == "fno" and known.states:
        found = _with_initial_state(found, arrays, known, axes)
    return chosen(found, replace(known, times=None))


def stored(names: Sequence[str] | None) -> list[str]:
    """Return what stands behind NAME=, or NAME, of each name."""
    return [name.partition("=")[2] or name for name in names or ()]


def _known_layout(arrays: NamedArrays, asked: Asked) -> tuple[str, Asked]:
    """Recognise the files of FNO and neuraloperator; what the user says counts more."""
    kind, names = getattr(arrays.origin, "suffix", ""), {*arrays.shapes}
    if kind == ".mat" and {"coeff", "sol"} <= names and not asked.states:
        names_of_ours = {"inputs": ["a=coeff"], "outputs": ["u=sol"]}
        return "fno", _completed(asked, boundary=_WALLS, **_UNIT, **names_of_ours)
    is_steady = asked.inputs or asked.outputs
    if kind == ".mat" and {"a", "u", "t"} <= names and not is_steady:
        evolving = {"states": ["u"], "times": "t", "axes": "nxyt"}
        return "fno", _completed(asked, boundary=_PERIODIC, **_UNIT, **evolving)
    if kind in (".pt", ".pth") and {"x", "y"} <= names and not asked.states:
        told: dict[str, Any] = {"inputs": ["a=x"], "outputs": ["u=y"]}
        if "darcy" in str(arrays.origin).lower():
            told |= {"boundary": _WALLS, **_UNIT}
        return "neuraloperator", _completed(asked, **told)
    return "arrays", asked


def _completed(asked: Asked, **of_layout: Any) -> Asked:
    return replace(asked, **{n: v for n, v in of_layout.items() if getattr(asked, n) is None})


def _with_initial_state(
    found: ForeignSet, arrays: NamedArrays, asked: Asked, axes: str
) -> ForeignSet:
    """Put a in front of u, as the state at t = 0: FNO stores u from the first later time on."""
    if found.times[0] <= 0 or list(found.targets) != ["u"]:
        return found
    steady_axes = axes.replace("t", "")
    steady_axes = steady_axes[::-1] if arrays.is_reversed else steady_axes
    initial = array_map(arrays.origin, {}, {"a": arrays.load("a")}, {}, axes=steady_axes)
    if (initial.num_samples, initial.shape) != (found.num_samples, found.shape):
        raise InputError(
            f"{arrays.described()}: a and u need the same samples and grid; name the arrays by "
            "--states and --axes"
        )
    before, after = initial.targets["a"], found.targets["u"]
    states: Mapping[str, Any] = {
        "u": lambda rows: np.concatenate([before(rows)[:, None], after(rows)], axis=1)
    }
    return replace(found, targets=states, times=(0.0, *found.times))
