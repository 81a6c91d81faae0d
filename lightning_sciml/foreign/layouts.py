"""HDF5 files of others, read as a steady map: input fields and coefficients ↦ output field.

=========  ===============================================================  =====================
reference  fields (n, S + 1, N, N), the solution last; tensor (n, c)        Subramanian et al. 2023
pdebench   nu (n, N, N), tensor (n, 1, N, N) by [x, y]; attribute beta      PDEBench, 2D Darcy flow
well       t0_fields/NAME ([n,] [time,] N, N), dimensions, scalars          The Well, data_format.md
arrays     anything else, as the user names it                              ``array_files``
=========  ===============================================================  =====================

Fields come out by [y, x]: indices run over y first, as in our own sets.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.array_files import (
    ARRAY_READERS,
    hdf5_arrays,
    named_map,
    npy_arrays,
)
from lightning_sciml.foreign.array_map import constant
from lightning_sciml.foreign.foreign_file import ForeignFile, naming_damage
from lightning_sciml.foreign.steady_map import Asked, Read, SteadyMap, square_grid
from lightning_sciml.pde.steady import EQUATIONS

REFERENCE_EQUATIONS = {3: "poisson", 5: "advection_diffusion", 2: "helmholtz"}
"""Equation by the number of columns of ``tensor``: (k11, k22, k12), (…, v1, v2), (κ, ω)."""


def open_steady_maps(paths: Sequence[Path], asked: Asked) -> tuple[SteadyMap, ...]:
    """Open the files of a split; those that hold one array each, .npy, make one map together."""
    of_arrays = [path for path in paths if path.suffix == ".npy"]
    maps = [open_steady_map(path, asked) for path in paths if path.suffix != ".npy"]
    return (*maps, *([named_map(npy_arrays(of_arrays), asked)] if of_arrays else []))


def open_steady_map(path: Path, asked: Asked) -> SteadyMap:
    """Recognise a file's layout.

    Raises:
        InputError: a file that cannot be read, something that its layout does not say and the
            user has to, a trajectory, or a grid that is not square.
    """
    if path.suffix in ARRAY_READERS:
        return named_map(ARRAY_READERS[path.suffix](path), asked)
    file = ForeignFile(path)
    with naming_damage(path, "its structure"):
        if "nu" in file and "tensor" in file:
            return _pdebench(file, asked)
        if "t0_fields" in file:
            return _well(file, asked)
        named = [name.split("=")[-1] for name in (*(asked.inputs or ()), *(asked.outputs or ()))]
        if "fields" in file and not (named and all(name in file for name in named)):
            return _reference(file, asked)
        return named_map(hdf5_arrays(file), asked)


def _reference(file: ForeignFile, asked: Asked) -> SteadyMap:
    path, fields = file.path, file.dataset("fields")
    n, num_fields, height, width = fields.shape
    if num_fields < 2:
        raise InputError(f"{path} has one field a sample; wanted inputs and, last, the solution")
    coefficients = _columns(file, n)
    has_names = asked.fields or num_fields > 2
    of_layout = None if has_names else REFERENCE_EQUATIONS.get(len(coefficients))
    equation = asked.equation or of_layout or "none"
    parameters: dict[str, float] = {}
    if equation == "none":
        names = _channel_names(path, num_fields, asked)
    elif num_fields == 2:
        names = ["source", "solution"]
        if equation == "helmholtz" and len(coefficients) == 2:
            kappa = coefficients.pop("tensor0")(slice(0, n))
            parameters["diffusivity"] = _only_value(path, kappa)
        known = EQUATIONS[equation].coefficient_names
        if len(known) == len(coefficients):
            coefficients = dict(zip(known, coefficients.values(), strict=True))
    else:
        raise InputError(
            f"{path} has {num_fields} fields a sample, {equation} has two, the source and the "
            "solution; give --equation none"
        )
    found = SteadyMap(
        origin=path,
        layout="reference",
        num_samples=n,
        num_points=square_grid(path, height, width),
        fields={name: partial(_column, fields, c) for c, name in enumerate(names)},
        coefficients=coefficients,
        output="" if equation == "none" else "solution",
        equation=equation,
        equation_parameters=parameters,
    )
    return found.chosen(asked, [] if equation == "none" else ["source"])


def _columns(file: ForeignFile, num_samples: int) -> dict[str, Read]:
    """List the columns of ``tensor``, if the file has it, as coefficients."""
    if "tensor" not in file:
        return {}
    tensor = file.dataset("tensor")
    if tensor.ndim != 2 or len(tensor) != num_samples:
        raise InputError(
            f"{file.path}: tensor has the shape {tensor.shape}, wanted ({num_samples}, c): a row "
            "of coefficients for each sample of 'fields'"
        )
    return {f"tensor{c}": partial(_column, tensor, c) for c in range(tensor.shape[1])}


def _channel_names(path: Path, num_fields: int, asked: Asked) -> list[str]:
    """Take the names of all fields from the user."""
    names = list(asked.fields or ())
    if len(names) != num_fields or len(set(names)) != num_fields:
        raise InputError(
            f"{path} has {num_fields} fields a sample without names and without an equation, got "
            f"{len(names)} names; say what they are, in their order, and which are which: --fields "
            f"'[{', '.join(['NAME'] * num_fields)}]' --inputs '[NAME, …]' --outputs NAME"
        )
    return names


def _pdebench(file: ForeignFile, asked: Asked) -> SteadyMap:
    path, nu, tensor = file.path, file.dataset("nu"), file.dataset("tensor")
    n, width, height = nu.shape
    if tensor.shape != (n, 1, width, height):
        raise InputError(
            f"{path}: tensor has the shape {tensor.shape}, a steady map has {(n, 1, width, height)}"
            "; trajectories are no input of this library"
        )
    coefficients: dict[str, Read] = {}
    if "beta" in file.root.attrs:
        coefficients["beta"] = partial(constant, float(file.root.attrs["beta"]))
    found = SteadyMap(
        origin=path,
        layout="pdebench",
        num_samples=n,
        num_points=square_grid(path, height, width),
        fields={
            "nu": lambda rows: nu[rows].swapaxes(1, 2),
            "tensor": lambda rows: tensor[rows, 0].swapaxes(1, 2),
        },
        coefficients=coefficients,
        output="tensor",
    )
    return found.chosen(asked, ["nu"])


def _well(file: ForeignFile, asked: Asked) -> SteadyMap:
    path = file.path
    names = [str(name) for name in file.member("t0_fields").attrs["field_names"]]
    stored = {name: file.dataset(f"t0_fields/{name}") for name in names}
    dims = [str(d) for d in file.member("dimensions").attrs["spatial_dims"]]
    if len(dims) != 2:
        raise InputError(f"{path} has the dimensions {dims}; wanted two, x and y")
    width, height = (file.dataset(f"dimensions/{d}").shape[-1] for d in dims)
    steady = [name for name in names if not stored[name].attrs["time_varying"]]
    others = [name for name in names if name not in steady]
    is_told = bool(steady) and len(others) == 1
    num_samples = int(file.root.attrs["n_trajectories"])
    num_steps = file.dataset("dimensions/time").shape[-1]
    for name, dataset in stored.items():
        if dataset.attrs["sample_varying"] and len(dataset) != num_samples:
            raise InputError(
                f"{path}: {name} has {len(dataset)} samples, the attribute n_trajectories says "
                f"{num_samples}; get the file again"
            )
        if dataset.attrs["time_varying"] and num_steps > 1:
            raise InputError(
                f"{path}: {name} has {num_steps} steps, a steady map has one; trajectories are no "
                "input of this library"
            )
    found = SteadyMap(
        origin=path,
        layout="well",
        num_samples=num_samples,
        num_points=square_grid(path, width, height),
        fields={
            name: partial(_well_field, dataset, (width, height), swapped=dims[0] == "x")
            for name, dataset in stored.items()
        },
        coefficients=_well_scalars(file) if "scalars" in file else {},
        output=others[0] if is_told else "",
    )
    return found.chosen(asked, steady if is_told else [])


def _well_field(
    dataset: h5py.Dataset, shape: tuple[int, int], rows: slice, *, swapped: bool
) -> Float[np.ndarray, "n N N"]:
    """Read a field, repeated along every axis that it does not vary along."""
    varies = dataset.attrs
    values = dataset[rows] if varies["sample_varying"] else dataset[()][None]
    if varies["time_varying"]:
        values = values[:, 0]
    for axis, does_vary in enumerate(varies["dim_varying"], start=1):
        values = values if does_vary else np.expand_dims(values, axis)
    values = np.broadcast_to(values, (rows.stop - rows.start, *shape))
    return values.swapaxes(1, 2) if swapped else values


def _well_scalars(file: ForeignFile) -> dict[str, Read]:
    """List the numbers that do not change in time, by name."""
    found: dict[str, Read] = {}
    for name in map(str, file.member("scalars").attrs["field_names"]):
        values = file.dataset(f"scalars/{name}")
        varies = values.attrs
        if varies["time_varying"]:
            continue
        if varies["sample_varying"]:
            found[name] = partial(_flat, values)
        else:
            found[name] = partial(constant, float(np.ravel(values[()])[0]))
    return found


def _column(table: h5py.Dataset, column: int, rows: slice) -> np.ndarray:
    return table[rows, column]


def _flat(values: h5py.Dataset, rows: slice) -> np.ndarray:
    return values[rows].reshape(rows.stop - rows.start)


def _only_value(path: Path, values: np.ndarray) -> float:
    if not values.size or not np.ptp(values) == 0:  # NaN as well
        raise InputError(
            f"{path}: κ in the first column of 'tensor' varies or is missing, Helmholtz sets have "
            f"one, got {np.unique(values)[:4]}; import each κ as a set of its own"
        )
    return round(float(values[0]), 7)  # 0.01 was stored as float32
