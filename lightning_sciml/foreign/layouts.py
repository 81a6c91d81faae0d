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
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.foreign_file import ForeignFile, naming_damage

Read = Callable[[slice], np.ndarray]  # of samples: fields (n, N, N), coefficients (n)

_MAX_NAMES = 10  # of what stands in a file, in a message

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

    def __post_init__(self) -> None:
        if self.num_samples < 0 or self.num_points < 1:
            raise InputError(
                f"{self.path} has {self.num_samples} samples of {self.num_points} points an axis, "
                "wanted 0 or more of at least one; get the file again"
            )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a user says of files whose layout does not say it.

    Attributes:
        fields: names of the fields of the reference's layout, in their order.
        inputs: which fields are inputs; in The Well's layout those constant in time by default.
        solution: which field is the solution; by default the one that is not constant in time.
        equation: "none", or a name in ``EQUATIONS``.
    """

    fields: Sequence[str] | None = None
    inputs: Sequence[str] | None = None
    solution: str | None = None
    equation: str | None = None


def open_steady_map(path: Path, asked: Asked) -> SteadyMap:
    """Recognise a file's layout.

    Raises:
        InputError: no HDF5 file, none of the layouts, something that the layout does not say and
            the user has to, a trajectory, or a grid that is not square.
    """
    file = ForeignFile(path)
    with naming_damage(path, "its structure"):
        if "fields" in file:
            return _reference(file, asked)
        if "nu" in file and "tensor" in file:
            return _pdebench(file)
        if "t0_fields" in file:
            return _well(file, asked)
        names = ", ".join(islice(file.root, _MAX_NAMES)) or "nothing"
    raise InputError(
        f"{path} has {names} at its top; wanted 'fields' (the reference's), "
        "'nu' and 'tensor' (PDEBench's Darcy flow) or 't0_fields' (The Well's)"
    )


def _reference(file: ForeignFile, asked: Asked) -> SteadyMap:
    path, fields = file.path, file.dataset("fields")
    n, num_fields, height, width = fields.shape
    if num_fields < 2:
        raise InputError(f"{path} has one field a sample; wanted inputs and, last, the solution")
    tensor = file.dataset("tensor") if "tensor" in file else None
    columns = _num_columns(path, tensor, n)
    of_layout = "none" if asked.fields or num_fields > 2 else REFERENCE_EQUATIONS.get(columns)
    equation = asked.equation or of_layout or "none"
    if equation == "none":
        names, inputs, solution = _named_channels(path, num_fields, asked)
    elif num_fields == 2:
        names, inputs, solution = ["source", "solution"], ["source"], "solution"
    else:
        raise InputError(
            f"{path} has {num_fields} fields a sample, {equation} has two, the source and the "
            "solution; give --equation none"
        )
    coefficients: dict[str, Read] = {
        f"tensor{c}": partial(_column, tensor, c) for c in range(columns)
    }
    parameters: dict[str, float] = {}
    if equation == "helmholtz" and columns == 2:
        parameters["diffusivity"] = _only_value(path, tensor)
        del coefficients["tensor0"]
    return SteadyMap(
        path=path,
        layout="reference",
        num_samples=n,
        num_points=_square(path, height, width),
        inputs={name: partial(_channel, fields, names.index(name)) for name in inputs},
        solution=(solution, partial(_channel, fields, names.index(solution))),
        coefficients=coefficients,
        equation=equation,
        equation_parameters=parameters,
    )


def _num_columns(path: Path, tensor: h5py.Dataset | None, num_samples: int) -> int:
    if tensor is None:
        return 0
    if tensor.ndim != 2 or len(tensor) != num_samples:
        raise InputError(
            f"{path}: tensor has the shape {tensor.shape}, wanted ({num_samples}, c): a row of "
            "coefficients for each sample of 'fields'"
        )
    return tensor.shape[1]


def _named_channels(path: Path, num_fields: int, asked: Asked) -> tuple[list[str], list[str], str]:
    """Names of all fields, of the inputs and of the solution, as the user gives them."""
    names = list(asked.fields or ())
    if len(names) != num_fields or len(set(names)) != num_fields:
        raise InputError(
            f"{path} has {num_fields} fields a sample without names and without an equation, got "
            f"{len(names)} names; say what they are, in their order, and which are which: --fields "
            f"'[{', '.join(['NAME'] * num_fields)}]' --inputs '[NAME, …]' --solution NAME"
        )
    return names, *_chosen(path, names, asked)


def _chosen(path: Path, names: Sequence[str], asked: Asked) -> tuple[list[str], str]:
    """Inputs and solution as the user gives them."""
    inputs, solution = list(asked.inputs or ()), asked.solution
    is_usable = inputs and len(set(inputs)) == len(inputs) and {*inputs} <= {*names}
    if not is_usable or solution not in names or solution in inputs or "solution" in inputs:
        raise InputError(
            f"{path} has the fields {list(names)}, got the inputs {inputs} and the solution "
            f"{solution}; name one or several inputs, none of them 'solution', and another field "
            "as the solution: --inputs '[NAME, …]' --solution NAME"
        )
    return inputs, str(solution)


def _pdebench(file: ForeignFile) -> SteadyMap:
    path, nu, tensor = file.path, file.dataset("nu"), file.dataset("tensor")
    n, width, height = nu.shape
    if tensor.shape != (n, 1, width, height):
        raise InputError(
            f"{path}: tensor has the shape {tensor.shape}, a steady map has {(n, 1, width, height)}"
            "; trajectories are no input of this library"
        )
    coefficients: dict[str, Read] = {}
    if "beta" in file.attributes:
        coefficients["beta"] = partial(_constant, float(file.attributes["beta"]))
    return SteadyMap(
        path=path,
        layout="pdebench",
        num_samples=n,
        num_points=_square(path, height, width),
        inputs={"nu": lambda rows: nu[rows].swapaxes(1, 2)},
        solution=("tensor", lambda rows: tensor[rows, 0].swapaxes(1, 2)),
        coefficients=coefficients,
    )


def _well(file: ForeignFile, asked: Asked) -> SteadyMap:
    path = file.path
    inputs, solution = _well_names(file, asked)
    fields = {name: file.dataset(f"t0_fields/{name}") for name in (*inputs, solution)}
    dims = [str(d) for d in file.group("dimensions").attrs["spatial_dims"]]
    if len(dims) != 2:
        raise InputError(f"{path} has the dimensions {dims}; wanted two, x and y")
    width, height = (file.dataset(f"dimensions/{d}").shape[-1] for d in dims)
    num_steps = file.dataset("dimensions/time").shape[-1]
    read = {
        name: partial(_well_field, dataset, (width, height), swapped=dims[0] == "x")
        for name, dataset in fields.items()
    }
    num_samples = int(file.attributes["n_trajectories"])
    for name, dataset in fields.items():
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
    return SteadyMap(
        path=path,
        layout="well",
        num_samples=num_samples,
        num_points=_square(path, width, height),
        inputs={name: read[name] for name in inputs},
        solution=(solution, read[solution]),
        coefficients=_well_scalars(file) if "scalars" in file else {},
    )


def _well_names(file: ForeignFile, asked: Asked) -> tuple[list[str], str]:
    """The fields that take part."""
    names = [str(name) for name in file.group("t0_fields").attrs["field_names"]]
    varies = {n: file.dataset(f"t0_fields/{n}").attrs["time_varying"] for n in names}
    steady = [name for name in names if not varies[name]]
    others = [name for name in names if name not in steady]
    if asked.inputs is None and asked.solution is None and steady and len(others) == 1:
        return steady, others[0]
    return _chosen(file.path, names, asked)


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


def _well_scalars(file: ForeignFile) -> dict[str, Read]:
    """Numbers that do not change in time, by name."""
    found: dict[str, Read] = {}
    for name in map(str, file.group("scalars").attrs["field_names"]):
        values = file.dataset(f"scalars/{name}")
        varies = values.attrs
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


def _only_value(path: Path, tensor: Any) -> float:
    values = tensor[:, 0]
    if not values.size or not np.ptp(values) == 0:  # NaN as well
        raise InputError(
            f"{path}: κ in the first column of 'tensor' varies or is missing, Helmholtz sets have "
            f"one, got {np.unique(values)[:4]}; import each κ as a set of its own"
        )
    return round(float(values[0]), 7)  # 0.01 was stored as float32


def _square(path: Path, height: int, width: int) -> int:
    if height != width:
        raise InputError(
            f"{path} has a grid of {width}x{height} points, wanted as many along x as along y; "
            "resample it first"
        )
    return height
