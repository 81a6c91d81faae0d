"""Consecutive samples of files of others, read one file after the other."""

from collections.abc import Mapping
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.foreign_file import naming_damage
from lightning_sciml.foreign.layouts import Read, SteadyMap

Samples = tuple[Float32[np.ndarray, "n F N N"], Float[np.ndarray, "n c"]]


class Part(NamedTuple):
    """The samples of one split: begin … end - 1 of some files."""

    maps: tuple[SteadyMap, ...]
    begin: int
    end: int

    def read(self, begin: int, end: int) -> Samples:
        """Fields and coefficients of samples begin … end - 1 of the part.

        Raises:
            InputError: a file is damaged, or has values that are not finite in float32; it is
                named, and so is the sample.
        """
        samples = [_read(steady, rows) for steady, rows in self._rows(begin, end)]
        return (
            np.concatenate([fields for fields, _ in samples]),
            np.concatenate([coefficients for _, coefficients in samples]),
        )

    def origin(self, index: int) -> str:
        """A sample of the part by its file and its place there."""
        ((steady, rows),) = self._rows(index, index + 1)
        return f"{steady.path}: sample {rows.start}"

    def _rows(self, begin: int, end: int) -> list[tuple[SteadyMap, slice]]:
        """The files with samples begin … end - 1, and which rows these are there."""
        found, first = [], 0
        for steady, last in zip(
            self.maps, accumulate(m.num_samples for m in self.maps), strict=True
        ):
            start, stop = max(self.begin + begin, first), min(self.begin + end, last)
            if start < stop:
                found.append((steady, slice(start - first, stop - first)))
            first = last
        return found


def _read(steady: SteadyMap, rows: slice) -> Samples:
    num_rows, N = rows.stop - rows.start, steady.num_points
    reads: Mapping[str, Read] = {**steady.inputs, steady.solution[0]: steady.solution[1]}
    fields = np.empty((num_rows, len(reads), N, N), np.float32)
    for channel, (name, read) in enumerate(reads.items()):
        fields[:, channel] = _checked(steady, name, read, rows, (num_rows, N, N))
    coefficients = np.empty((num_rows, len(steady.coefficients)))
    for column, (name, read) in enumerate(steady.coefficients.items()):
        coefficients[:, column] = _checked(steady, name, read, rows, (num_rows,))
    return fields, coefficients


def _checked(
    steady: SteadyMap, name: str, read: Read, rows: slice, shape: tuple[int, ...]
) -> np.ndarray:
    """Values of some samples, in float32 where they are fields."""
    with naming_damage(steady.path, f"{name} of samples {rows.start} … {rows.stop - 1}"):
        values = read(rows)
    if values.shape != shape:
        raise InputError(
            f"{steady.path}: {name} of samples {rows.start} … {rows.stop - 1} has the shape "
            f"{values.shape}, wanted {shape}; get the file again"
        )
    with np.errstate(over="ignore"):  # an infinity is found below
        values = values.astype(np.float32 if len(shape) > 1 else np.float64)
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{steady.path}: sample {rows.start + int(np.flatnonzero(~finite)[0])} has {name} with "
            f"values that are not finite in float32, as have {np.count_nonzero(~finite)} of "
            f"samples {rows.start} … {rows.stop - 1}; leave them out of the files"
        )
    return values
