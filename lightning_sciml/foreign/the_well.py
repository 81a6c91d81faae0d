"""Read the layout of The Well (its docs/data_format.md): scalars, vectors and tensors of a flow.

``t0_fields/NAME ([n,] [T,] X, Y)``, ``t1_fields`` with two components behind, ``t2_fields`` with
2 × 2. Attributes say along which axes a field varies. NAME_x, NAME_y and NAME_xx … NAME_yy are the
components here. Fields that vary in time are states, or outputs where there is one time only.
"""

from collections.abc import Iterator
from functools import partial

import h5py
import numpy as np
from jaxtyping import Float

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.coordinates import axis_length, increasing_times
from lightning_sciml.foreign.foreign_file import ForeignFile
from lightning_sciml.foreign.foreign_set import ForeignSet, Read
from lightning_sciml.foreign.reads import column, constant

_SPATIAL = ("x", "y")
_BOUNDARIES = ("wall", "open", "periodic")  # a later one wins where an axis has several


def read_well(file: ForeignFile) -> ForeignSet:
    """Read all fields of a file of The Well.

    Raises:
        InputError: other than two Cartesian dimensions, a grid that is not uniform, or fields that
            do not have the shape that their attributes say.
    """
    path = file.path
    dims = tuple(file.texts("dimensions", "spatial_dims"))
    (kind,) = file.texts("/", "grid_type")
    if sorted(dims) != sorted(_SPATIAL) or kind != "cartesian":
        told = f"; {len(dims)}-D: not supported" if len(dims) in (1, 3) else ""
        raise InputError(
            f"{path} has the {kind} dimensions {', '.join(dims)}; wanted x and y, cartesian{told}"
        )
    sizes = {d: file.dataset(f"dimensions/{d}").shape[-1] for d in dims}
    num_samples = int(file.root.attrs["n_trajectories"])
    num_times = file.dataset("dimensions/time").shape[-1]
    shape = {"n": num_samples, "t": num_times, **sizes}
    inputs: dict[str, Read] = {}
    targets: dict[str, Read] = {}
    for order in range(3):
        for name, array in _fields(file, order):
            _check_shape(file, name, array, shape, order)
            kind_of = targets if array.attrs["time_varying"] else inputs
            kind_of.update(_reads(name, array, shape, order))
    is_told = bool(targets) and (num_times > 1 or bool(inputs))
    return ForeignSet(
        origin=path,
        layout="well",
        num_samples=num_samples,
        shape=(sizes["y"], sizes["x"]),
        lengths=(_length(file, "y"), _length(file, "x")),
        boundary=_boundaries(file) if "boundary_conditions" in file else None,
        inputs=inputs if is_told else {},
        targets=targets if is_told else {},
        others={} if is_told else inputs | targets,
        times=increasing_times(path, file.dataset("dimensions/time")) if num_times > 1 else (),
        coefficients=_scalars(file) if "scalars" in file else {},
    )


def _fields(file: ForeignFile, order: int) -> Iterator[tuple[str, h5py.Dataset]]:
    """List the fields of a tensor order by name."""
    group = f"t{order}_fields"
    if group in file:
        for name in file.texts(group, "field_names"):
            yield name, file.dataset(f"{group}/{name}")


def _check_shape(
    file: ForeignFile, name: str, array: h5py.Dataset, sizes: dict[str, int], order: int
) -> None:
    varies = array.attrs
    does_vary = [varies["sample_varying"], varies["time_varying"], *varies["dim_varying"]]
    wanted = [size for size, does in zip(sizes.values(), does_vary, strict=True) if does]
    wanted += [2] * order
    if array.shape != tuple(wanted):
        raise InputError(
            f"{file.path}: {name} has the shape {array.shape}, the attributes of the file say "
            f"{tuple(wanted)}, with {sizes['n']} samples and {sizes['t']} times; get the file again"
        )


def _reads(name: str, array: h5py.Dataset, sizes: dict[str, int], order: int) -> dict[str, Read]:
    """Read each component of a field."""
    _, _, *dims = sizes
    found: dict[str, Read] = {}
    for place in np.ndindex(*[2] * order):
        suffix = "_" * bool(place) + "".join(dims[p] for p in place)
        found[name + suffix] = partial(_component, array, sizes, place)
    return found


def _component(
    array: h5py.Dataset, sizes: dict[str, int], place: tuple[int, ...], rows: slice
) -> Float[np.ndarray, "n *T H W"]:
    """Read a component, repeated along every axis that it does not vary along."""
    varies, (_, num_times, *points) = array.attrs, sizes.values()
    values = array[rows] if varies["sample_varying"] else array[()][None]
    values = values[(..., *place)]
    full = [rows.stop - rows.start]
    if varies["time_varying"]:
        full, values = ([*full, num_times], values) if num_times != 1 else (full, values[:, 0])
    for axis, does_vary in enumerate(varies["dim_varying"], start=len(full)):
        values = values if does_vary else np.expand_dims(values, axis)
    values = np.broadcast_to(values, (*full, *points))
    return values if [*sizes][2:] == ["y", "x"] else values.swapaxes(-1, -2)


def _length(file: ForeignFile, dim: str) -> float:
    return axis_length(file.path, dim, file.dataset(f"dimensions/{dim}"))


def _boundaries(file: ForeignFile) -> tuple[str, str]:
    """Return the boundary of y and of x: open where nothing of the file speaks of an axis."""
    found: dict[str, list[str]] = {"y": [], "x": []}
    for name in file.member("boundary_conditions"):
        group = f"boundary_conditions/{name}"
        kind = "".join(file.texts(group, "bc_type")).lower()
        if kind not in _BOUNDARIES:
            raise InputError(
                f"{file.path}: the boundary {name} is of the type {kind}, wanted one of "
                f"{', '.join(_BOUNDARIES)}; change bc_type of {group}"
            )
        dims = file.texts(group, "associated_dims")
        if len(dims) == 1:  # others lie inside of the domain
            found[dims[0]].append(kind)
    along_y, along_x = (max(found[d], key=_BOUNDARIES.index, default="open") for d in "yx")
    return along_y, along_x


def _scalars(file: ForeignFile) -> dict[str, Read]:
    """List the numbers that do not change in time, by name."""
    found: dict[str, Read] = {}
    for name in file.texts("scalars", "field_names"):
        values = file.dataset(f"scalars/{name}")
        varies = values.attrs
        if varies["time_varying"]:
            continue
        if varies["sample_varying"]:
            found[name] = partial(column, values)
        else:
            found[name] = partial(constant, float(np.ravel(values[()])[0]))
    return found
