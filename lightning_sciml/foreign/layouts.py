"""HDF5 files of others, read as a steady map: input fields and coefficients ↦ solution.

=========  ===============================================================  =====================
reference  fields (n, S + 1, N, N), the solution last; tensor (n, c)        Subramanian et al. 2023
pdebench   nu (n, N, N), tensor (n, 1, N, N) by [x, y]; attribute beta      PDEBench, 2D Darcy flow
well       t0_fields/NAME ([n,] [time,] N, N), dimensions, scalars          The Well, data_format.md
=========  ===============================================================  =====================

Fields come out by [y, x]: indices run over y first, as in our own sets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float

from lightning_sciml.errors import InputError

Read = Callable[[slice], np.ndarray]  # of samples: fields (n, N, N), coefficients (n)

REFERENCE_EQUATIONS = {3: "poisson", 5: "advection_diffusion", 2: "helmholtz"}
"""By the columns of ``tensor``: (k11, k22, k12), (k11, k22, k12, v1, v2), (κ, ω)."""


@dataclass(frozen=True, kw_only=True)
class SteadyMap:
    """The samples of one file.

    Attributes:
        path: the file.
        layout: reference, pdebench or well.
        num_samples: n.
        num_points: N.
        inputs: input fields by name.
        solution: the solution, and what the file calls it.
        coefficients: numbers that are constant in space, by name.
        equation: what the layout says of it; "none" if nothing.
        equation_parameters: constructor arguments of the equation.
    """

    path: Path
    layout: str
    num_samples: int
    num_points: int
    inputs: dict[str, Read]
    solution: tuple[str, Read]
    coefficients: dict[str, Read]
    equation: str = "none"
    equation_parameters: dict[str, float] = field(default_factory=dict)


def open_steady_map(
    path: Path, *, inputs: Sequence[str] | None = None, solution: str | None = None
) -> SteadyMap:
    """Recognise a file's layout.

    Args:
        path: the file.
        inputs: in The Well's layout, which fields are inputs; those constant in time by default.
        solution: and which is the solution; the one that is not constant in time by default.

    Raises:
        InputError: no HDF5 file, none of the layouts, a trajectory, or a grid that is not square.
    """
    try:
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; name HDF5 files, or folders of them") from None
    except OSError:
        raise InputError(
            f"{path} cannot be read as HDF5; name whole .h5 or .hdf5 files, or folders of them"
        ) from None
    try:
        if "fields" in file:
            return _reference(path, file)
        if "nu" in file and "tensor" in file:
            return _pdebench(path, file)
        if "t0_fields" in file:
            return _well(path, file, inputs, solution)
    except InputError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} has the names of a layout that is read, and something else under them "
            f"({type(error).__name__}: {error}); see sciml data import --help for the layouts"
        ) from error
    raise InputError(
        f"{path} has {', '.join(file) or 'nothing'} at its top; wanted 'fields' (the reference's), "
        "'nu' and 'tensor' (PDEBench's Darcy flow) or 't0_fields' (The Well's)"
    )


def _reference(path: Path, file: h5py.File) -> SteadyMap:
    fields = file["fields"]
    n, num_fields, height, width = fields.shape
    if num_fields < 2:
        raise InputError(f"{path} has one field a sample; wanted inputs and, last, the solution")
    names = ["source"] if num_fields == 2 else [f"input{i}" for i in range(num_fields - 1)]
    columns = file["tensor"].shape[1] if "tensor" in file else 0
    equation = REFERENCE_EQUATIONS.get(columns, "none") if num_fields == 2 else "none"
    of_columns: dict[str, Read] = {
        f"tensor{c}": partial(_column, file["tensor"], c) for c in range(columns)
    }
    parameters: dict[str, float] = {}
    if equation == "helmholtz":
        parameters["diffusivity"] = _only_value(path, file["tensor"][:, 0])
        del of_columns["tensor0"]
    return SteadyMap(
        path=path,
        layout="reference",
        num_samples=n,
        num_points=_square(path, height, width),
        inputs={name: partial(_channel, fields, i) for i, name in enumerate(names)},
        solution=("fields", partial(_channel, fields, num_fields - 1)),
        coefficients=of_columns,
        equation=equation,
        equation_parameters=parameters,
    )


def _pdebench(path: Path, file: h5py.File) -> SteadyMap:
    nu, tensor = file["nu"], file["tensor"]
    n, width, height = nu.shape
    if tensor.shape != (n, 1, width, height):
        raise InputError(
            f"{path}: tensor has the shape {tensor.shape}, a steady map has {(n, 1, width, height)}"
            "; trajectories are no input of this library"
        )
    coefficients: dict[str, Read] = {}
    if "beta" in file.attrs:
        coefficients["beta"] = partial(_constant, float(file.attrs["beta"]))
    return SteadyMap(
        path=path,
        layout="pdebench",
        num_samples=n,
        num_points=_square(path, height, width),
        inputs={"nu": lambda rows: nu[rows].swapaxes(1, 2)},
        solution=("tensor", lambda rows: tensor[rows, 0].swapaxes(1, 2)),
        coefficients=coefficients,
    )


def _well(
    path: Path, file: h5py.File, inputs: Sequence[str] | None, solution: str | None
) -> SteadyMap:
    fields = file["t0_fields"]
    inputs, solution = _well_names(path, file, inputs, solution)
    dims = [str(d) for d in file["dimensions"].attrs["spatial_dims"]]
    if len(dims) != 2:
        raise InputError(f"{path} has the dimensions {dims}; wanted two, x and y")
    shape = tuple(file["dimensions"][d].shape[-1] for d in dims)
    read = {
        name: partial(_well_field, fields[name], shape, swapped=dims[0] == "x")
        for name in (*inputs, solution)
    }
    for name in read:
        if fields[name].attrs["time_varying"] and file["dimensions/time"].shape[-1] > 1:
            raise InputError(
                f"{path}: {name} has {file['dimensions/time'].shape[-1]} steps, a steady map has "
                "one; trajectories are no input of this library"
            )
    return SteadyMap(
        path=path,
        layout="well",
        num_samples=int(file.attrs["n_trajectories"]),
        num_points=_square(path, *shape),
        inputs={name: read[name] for name in inputs},
        solution=(solution, read[solution]),
        coefficients=_well_scalars(file["scalars"]) if "scalars" in file else {},
    )


def _well_names(
    path: Path, file: h5py.File, inputs: Sequence[str] | None, solution: str | None
) -> tuple[list[str], str]:
    """The fields that take part."""
    fields = file["t0_fields"]
    names = [str(name) for name in fields.attrs["field_names"]]
    steady = [name for name in names if not fields[name].attrs["time_varying"]]
    others = [name for name in names if name not in steady]
    if inputs is None and solution is None and steady and len(others) == 1:
        return steady, others[0]
    if inputs and solution and {*inputs, solution} <= set(names):
        return list(inputs), solution
    raise InputError(
        f"{path} has the scalar fields {names}, constant in time {steady}; say which are which: "
        "--inputs '[NAME, …]' --solution NAME"
    )


def _well_field(
    dataset: h5py.Dataset, shape: tuple[int, int], rows: slice, *, swapped: bool
) -> Float[np.ndarray, "n N N"]:
    """A field with every axis that it does not vary along repeated."""
    varies = dataset.attrs
    values = dataset[rows] if varies["sample_varying"] else dataset[()][None]
    if varies["time_varying"]:
        values = values[:, 0]
    for axis, does_vary in enumerate(varies["dim_varying"], start=1):
        values = values if does_vary else np.expand_dims(values, axis)
    values = np.broadcast_to(values, (rows.stop - rows.start, *shape))
    return values.swapaxes(1, 2) if swapped else values


def _well_scalars(scalars: h5py.Group) -> dict[str, Read]:
    """Numbers that do not change in time, by name."""
    found: dict[str, Read] = {}
    for name in map(str, scalars.attrs["field_names"]):
        varies, values = scalars[name].attrs, scalars[name]
        if varies["time_varying"]:
            continue
        if varies["sample_varying"]:
            found[name] = partial(_flat, values)
        else:
            found[name] = partial(_constant, float(np.ravel(values[()])[0]))
    return found


def _channel(fields: h5py.Dataset, channel: int, rows: slice) -> np.ndarray:
    return fields[rows, channel]


def _column(table: h5py.Dataset, column: int, rows: slice) -> np.ndarray:
    return table[rows, column]


def _flat(values: h5py.Dataset, rows: slice) -> np.ndarray:
    return values[rows].reshape(rows.stop - rows.start)


def _constant(value: float, rows: slice) -> np.ndarray:
    return np.full(rows.stop - rows.start, value)


def _only_value(path: Path, values: Any) -> float:
    if np.ptp(values):
        raise InputError(
            f"{path}: κ in the first column of 'tensor' varies from {values.min()} to "
            f"{values.max()}, Helmholtz sets have one; import each κ as a set of its own"
        )
    return round(float(values[0]), 7)  # 0.01 was stored as float32


def _square(path: Path, height: int, width: int) -> int:
    if height != width:
        raise InputError(
            f"{path} has a grid of {width}x{height} points, wanted as many along x as along y; "
            "resample it first"
        )
    return height
