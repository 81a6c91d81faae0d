"""Read the layouts of PDEBench: fields by [x, y] but for reaction-diffusion, samples, then time.

==================  =============================================================================
Darcy flow          nu (n, X, Y), tensor (n, 1, X, Y); attribute beta
compressible flow   density, pressure, Vx, Vy (n, T, X, Y); attributes eta, zeta, M
one array           tensor (n, T, X, Y) or (n, T, X, Y, C)
a group a sample    0000/data (T, Y, X, 2), 0000/grid/{x,y,t}: reaction-diffusion
a group a sample    0000/data (T, X, Y, 1), 0000/grid/{x,y,t}: shallow water
==================  =============================================================================

The generator of reaction-diffusion (sim_diff_react.py) numbers the points of its grid along x first
and stores them as (Y, X). Exports of ours are by [x, y], whatever they hold.

Beside the first three lie ``x-coordinate``, ``y-coordinate`` and ``t-coordinate``; the generator
writes one time more than it stores states. The boundary stands in no file: that of Darcy flow,
reaction-diffusion and shallow water is the generator's, that of a flow is part of the file's name.
"""

from collections.abc import Mapping
from functools import partial

import h5py
import numpy as np
from jaxtyping import Num

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.carried_plan import carries_plan
from lightning_sciml.foreign.coordinates import axis_length, increasing_times
from lightning_sciml.foreign.foreign_file import ForeignFile
from lightning_sciml.foreign.foreign_set import ForeignSet, Read
from lightning_sciml.foreign.reads import (
    by_row_and_column,
    check_two_dimensions,
    column,
    components,
    constants,
)

FLOW = {"density": "density", "pressure": "pressure", "velocity_x": "Vx", "velocity_y": "Vy"}
"""Arrays of compressible flow, by the names of their fields here."""
_NAMED_BOUNDARIES = {"periodic": ("periodic", "periodic"), "trans": ("open", "open")}
_REACTING = 2  # fields of reaction-diffusion
_GROUPED = {_REACTING: (["u", "v"], "neumann"), 1: (["h"], "open")}
"""Fields and boundary by the number of components: reaction-diffusion, and the dam break."""


def read_pdebench(file: ForeignFile) -> ForeignSet | None:
    """Read a file in a layout of PDEBench; None if it has none.

    Raises:
        InputError: one or three dimensions, times or points that do not fit.
    """
    if "tensor" in file and "nu" in file:
        return _darcy(file)
    if "density" in file and "Vx" in file:
        return _flow(file)
    if "tensor" in file and "x-coordinate" in file:
        return _one_array(file)
    first = next(iter(file.root), "")
    if f"{first}/data" in file and f"{first}/grid" in file:
        return _grouped(file)
    return None


def _darcy(file: ForeignFile) -> ForeignSet:
    nu, tensor = file.dataset("nu"), file.dataset("tensor")
    n, width, height = nu.shape
    if tensor.shape != (n, 1, width, height):
        raise InputError(
            f"{file.path}: tensor has the shape {tensor.shape}, beside nu it has "
            f"{(n, 1, width, height)}; get the file again"
        )
    return ForeignSet(
        origin=file.path,
        layout="pdebench",
        num_samples=n,
        shape=(height, width),
        lengths=_lengths(file),
        boundary=("dirichlet", "dirichlet"),
        inputs={"nu": by_row_and_column(nu)},
        targets={"tensor": lambda rows: tensor[rows, 0].swapaxes(1, 2)},
        coefficients=_coefficients(file),
    )


def _flow(file: ForeignFile) -> ForeignSet:
    stored = {name: file.dataset(place) for name, place in FLOW.items() if place in file}
    density = stored["density"]
    check_two_dimensions(file.path, "density", density.shape, density.ndim - 2)
    for name, array in stored.items():
        if array.shape != density.shape:
            raise InputError(
                f"{file.path}: {FLOW[name]} has the shape {array.shape}, density has "
                f"{density.shape}; get the file again"
            )
    if len(stored) < len(FLOW):
        absent = next(place for name, place in FLOW.items() if name not in stored)
        raise InputError(f"{file.path} has density and Vx and no {absent}; get the file again")
    return _evolution(file, density.shape, {n: by_row_and_column(a) for n, a in stored.items()})


def _one_array(file: ForeignFile) -> ForeignSet:
    tensor = file.dataset("tensor")
    num_dimensions = sum(f"{axis}-coordinate" in file for axis in "xyz")
    check_two_dimensions(file.path, "tensor", tensor.shape, num_dimensions)
    if tensor.ndim == 4:
        return _evolution(file, tensor.shape, {"tensor": by_row_and_column(tensor)})
    if tensor.ndim != 5:
        raise InputError(
            f"{file.path}: tensor has the shape {tensor.shape}, wanted samples, times, x, y and, "
            "where there are several, fields; get the file again"
        )
    names = [f"tensor{channel}" for channel in range(tensor.shape[-1])]
    return _evolution(file, tensor.shape, components(tensor, names, axis=-1))


def _evolution(file: ForeignFile, shape: tuple[int, ...], states: Mapping[str, Read]) -> ForeignSet:
    n, num_times, width, height = shape[:4]
    of_name = {_NAMED_BOUNDARIES[w] for w in file.path.stem.split("_") if w in _NAMED_BOUNDARIES}
    times = file.dataset("t-coordinate")
    if len(times) not in (num_times, num_times + 1):
        raise InputError(
            f"{file.path}: t-coordinate has {len(times)} times for {num_times} states, wanted as "
            "many or one more; get the file again"
        )
    return ForeignSet(
        origin=file.path,
        layout="pdebench",
        num_samples=n,
        shape=(height, width),
        lengths=_lengths(file),
        boundary=of_name.pop() if len(of_name) == 1 else None,
        targets=states,
        times=increasing_times(file.path, times[:num_times]),
        coefficients=_coefficients(file),
    )


def _lengths(file: ForeignFile) -> tuple[float, float]:
    """Return the lengths along y and x; 1 where there are no coordinates."""
    places = [f"{axis}-coordinate" for axis in "yx"]
    along_y, along_x = (
        axis_length(file.path, place, file.dataset(place)) if place in file else 1.0
        for place in places
    )
    return along_y, along_x


def _grouped(file: ForeignFile) -> ForeignSet:
    path, groups = file.path, sorted(file.root)
    arrays = [file.dataset(f"{group}/data") for group in groups]
    first = arrays[0]
    num_dimensions = sum(f"{groups[0]}/grid/{axis}" in file for axis in "xyz")
    check_two_dimensions(path, f"{groups[0]}/data", first.shape, num_dimensions)
    num_times, num_fields = first.shape[0], first.shape[-1]
    axes = {axis: _shared_axis(file, groups, axis) for axis in "xyt"}
    is_by_row = _is_by_row(file, groups[0], len(axes["y"]), len(axes["x"]))
    unknown = ([f"data{field}" for field in range(num_fields)], None)
    names, boundary = _GROUPED.get(num_fields, unknown)
    return ForeignSet(
        origin=path,
        layout="pdebench",
        num_samples=len(groups),
        shape=(len(axes["y"]), len(axes["x"])),
        lengths=(axis_length(path, "y", axes["y"]), axis_length(path, "x", axes["x"])),
        boundary=(boundary, boundary) if boundary else None,
        targets={name: partial(_of_groups, arrays, c, is_by_row) for c, name in enumerate(names)},
        times=increasing_times(path, axes["t"][:num_times]),
        coefficients=_of_attributes(file, groups),
    )


def _shared_axis(file: ForeignFile, groups: list[str], axis: str) -> Num[np.ndarray, " N"]:
    """Return the points along an axis, which all groups share."""
    points: np.ndarray = file.dataset(f"{groups[0]}/grid/{axis}")[()]
    for group in groups[1:]:
        if not np.array_equal(file.dataset(f"{group}/grid/{axis}")[()], points):
            raise InputError(
                f"{file.path}: {group} has other points along {axis} than {groups[0]}; import "
                "samples of one grid as a set of their own"
            )
    return points


def _is_by_row(file: ForeignFile, group: str, num_y: int, num_x: int) -> bool:
    """Tell whether fields are stored by [y, x]: by their shape, on a square by who writes so."""
    _, *points, num_fields = file.dataset(f"{group}/data").shape
    if sorted(points) != sorted((num_y, num_x)):
        raise InputError(
            f"{file.path}: {group}/data has {points} points, its grid has {num_x} along x and "
            f"{num_y} along y; get the file again"
        )
    if num_y != num_x:
        return points == [num_y, num_x]
    return num_fields == _REACTING and not carries_plan(file)


def _of_groups(arrays: list[h5py.Dataset], field: int, is_by_row: bool, rows: slice) -> np.ndarray:
    values = np.stack([array[()][..., field] for array in arrays[rows]])
    return values if is_by_row else values.swapaxes(-1, -2)


def _coefficients(file: ForeignFile) -> dict[str, Read]:
    """Read numbers of the file, and those of each sample that an export of ours has written."""
    found = constants(file.root.attrs)
    for name in file.member("coefficients") if "coefficients" in file else ():
        found[name] = partial(column, file.dataset(f"coefficients/{name}"))
    return found


def _of_attributes(file: ForeignFile, groups: list[str]) -> dict[str, Read]:
    """Read numbers that all groups have as attributes."""
    members = [file.member(group) for group in groups]
    return {
        name: partial(column, np.array([member.attrs[name] for member in members], float))
        for name in constants(members[0].attrs)
        if all(name in member.attrs for member in members)
    }
