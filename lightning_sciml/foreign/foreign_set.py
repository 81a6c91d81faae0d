"""Samples in files of others, or in arrays: fields by name that are read sample by sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np
from jaxtyping import Float, Float32

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.finite_values import check_finite
from lightning_sciml.foreign.foreign_file import naming_damage
from lightning_sciml.pde.grid import Boundary, Grid
from lightning_sciml.shards.schema import FIELDS, INPUTS, TRAJECTORIES

Read = Callable[[slice], np.ndarray]
"""Read samples: fields (n, H, W), states (n, T, H, W), coefficients (n)."""


@dataclass(frozen=True, kw_only=True)
class ForeignSet:
    """The samples of one file, or of arrays in memory.

    Attributes:
        origin: the file, or what to call the arrays.
        layout: name of the layout, "arrays" for named arrays.
        num_samples: n.
        shape: (H, W).
        lengths: of the domain along y and x.
        boundary: at the edges of y and x; None where the layout does not say it.
        inputs: fields that do not change in time, by name.
        targets: outputs of a steady problem, or the states at all times.
        others: further fields, of which the layout does not say what they are.
        times: of the states; none for a steady problem.
        coefficients: numbers that are constant in space and time, by name.
        equation: what the layout says of it; "none" if nothing.
        equation_parameters: constructor arguments of the equation.
        tolerance: error of the solutions that the check against the equation allows.
        axes: order of the axes of named arrays.
        assumed: what no file and no user says, for the user to see.
    """

    origin: Path | str
    layout: str
    num_samples: int
    shape: tuple[int, int]
    lengths: tuple[float, float] = (1.0, 1.0)
    boundary: tuple[str, str] | None = None
    inputs: Mapping[str, Read] = field(default_factory=dict)
    targets: Mapping[str, Read] = field(default_factory=dict)
    others: Mapping[str, Read] = field(default_factory=dict)
    times: tuple[float, ...] = ()
    coefficients: Mapping[str, Read] = field(default_factory=dict)
    equation: str = "none"
    equation_parameters: Mapping[str, float] = field(default_factory=dict)
    tolerance: float | None = None
    axes: str = ""
    assumed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.num_samples < 0 or min(self.shape) < 1:
            raise InputError(
                f"{self.origin} has {self.num_samples} samples of {self.shape} points, wanted 0 or "
                "more of at least one point an axis; get the file again"
            )

    @property
    def grid(self) -> Grid:
        """Return the grid of all fields.

        Raises:
            InputError: nobody says what is at the edges, or it is no boundary.
        """
        known = get_args(Boundary)
        if self.boundary is None or not {*self.boundary} <= {*known}:
            told = ", ".join(self.boundary or ()) or "nothing"
            raise InputError(
                f"{self.origin}: the boundary of y and of x must each be one of "
                f"{', '.join(known)}, the file and the options say {told}; give --boundary"
            )
        return Grid(shape=self.shape, lengths=self.lengths, boundary=self.boundary)  # type: ignore[arg-type]

    def read(self, rows: slice) -> tuple[dict[str, np.ndarray], Float[np.ndarray, "n c"]]:
        """Read some samples: the fields as a shard holds them, and the coefficients.

        Raises:
            InputError: the file is damaged, or has values that are not finite in float32; it is
                named, and so is the sample.
        """
        if self.times:
            fields = {TRAJECTORIES: self._stacked(self.targets, rows, (len(self.times),))}
            if self.inputs:
                fields[INPUTS] = self._stacked(self.inputs, rows)
        else:
            fields = {FIELDS: self._stacked({**self.inputs, **self.targets}, rows)}
        coefficients = np.empty((rows.stop - rows.start, len(self.coefficients)))
        for column, (name, read) in enumerate(self.coefficients.items()):
            self._fill(coefficients[:, column], name, read, rows)
        return fields, coefficients

    def _stacked(
        self, reads: Mapping[str, Read], rows: slice, times: tuple[int, ...] = ()
    ) -> Float32[np.ndarray, "n *T F H W"]:
        shape = (rows.stop - rows.start, *times, len(reads), *self.shape)
        fields = np.empty(shape, np.float32)
        for channel, (name, read) in enumerate(reads.items()):
            self._fill(fields[..., channel, :, :], name, read, rows)
        return fields

    def _fill(self, out: np.ndarray, name: str, read: Read, rows: slice) -> None:
        """Read values of some samples and check them."""
        part = f"{name} of samples {rows.start} … {rows.stop - 1}"
        with naming_damage(self.origin, part):
            values = read(rows)
        if values.shape != out.shape:
            raise InputError(
                f"{self.origin}: {part} has the shape {values.shape}, wanted {out.shape}; get the "
                "file again"
            )
        with np.errstate(over="ignore"):  # an infinity is found below
            np.copyto(out, values, casting="unsafe")
        check_finite(self.origin, name, out, rows.start, self.times)
