"""Read the layout of Subramanian et al. 2023: fields (n, S + 1, N, N), the solution last.

Beside them may lie ``tensor`` (n, c), whose columns are coefficients. Their number tells the
equation of two fields.
"""

from functools import partial
from pathlib import Path

import h5py
import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.asked import Asked
from lightning_sciml.foreign.foreign_file import ForeignFile
from lightning_sciml.foreign.foreign_set import ForeignSet, Read
from lightning_sciml.pde.steady import EQUATIONS
from lightning_sciml.shards.schema import SOLUTION, SOURCE

REFERENCE_EQUATIONS = {3: "poisson", 5: "advection_diffusion", 2: "helmholtz"}
"""Equation by the number of columns of ``tensor``: (k11, k22, k12), (…, v1, v2), (κ, ω)."""


def read_reference(file: ForeignFile, asked: Asked) -> ForeignSet:
    """Recognise fields and equation of a file of the published implementation.

    Raises:
        InputError: a file whose fields have no names and that the user gives none.
    """
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
        names = [SOURCE, SOLUTION]
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
    reads = {name: partial(_column, fields, c) for c, name in enumerate(names)}
    known_reads = reads if equation != "none" else {}
    return ForeignSet(
        origin=path,
        layout="reference",
        num_samples=n,
        shape=(height, width),
        boundary=("periodic", "periodic"),
        inputs={name: read for name, read in known_reads.items() if name == SOURCE},
        targets={name: read for name, read in known_reads.items() if name == SOLUTION},
        others={} if known_reads else reads,
        coefficients=coefficients,
        equation=equation,
        equation_parameters=parameters,
    )


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
            f"'[{', '.join(['NAME'] * num_fields)}]' --inputs '[NAME, …]' --outputs '[NAME, …]'"
        )
    return names


def _column(table: h5py.Dataset, column: int, rows: slice) -> np.ndarray:
    return table[rows, column]


def _only_value(path: Path, values: np.ndarray) -> float:
    if not values.size or not np.ptp(values) == 0:  # NaN as well
        raise InputError(
            f"{path}: κ in the first column of 'tensor' varies or is missing, Helmholtz sets have "
            f"one, got {np.unique(values)[:4]}; import each κ as a set of its own"
        )
    return round(float(values[0]), 7)  # 0.01 was stored as float32
