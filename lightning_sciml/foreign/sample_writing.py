"""Write the samples of steady maps as shards, and the manifest over them."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.steady_map import Samples, SteadyMap
from lightning_sciml.pde.steady import named_equation
from lightning_sciml.pde.stored_solution import check_solution
from lightning_sciml.shards.checksums import payload_checksum
from lightning_sciml.shards.dataset_statistics import finished_manifest
from lightning_sciml.shards.manifest import DatasetPlan, Manifest, ShardRecord
from lightning_sciml.shards.schema import (
    COEFFICIENTS,
    FIELDS,
    NORMS,
    SAMPLE_INDEX,
    shard_file,
)
from lightning_sciml.shards.writer import write_shard


class Part(NamedTuple):
    """The samples of one split: begin … end - 1 of some files."""

    maps: tuple[SteadyMap, ...]
    begin: int
    end: int

    def read(self, begin: int, end: int) -> Samples:
        """Read fields and coefficients of samples begin … end - 1 of the part."""
        fields, coefficients = zip(
            *(steady.read(rows) for steady, rows in self._rows(begin, end)), strict=True
        )
        return np.concatenate(fields), np.concatenate(coefficients)

    def origin(self, index: int) -> str:
        """Name a sample of the part by its file and its place there."""
        ((steady, rows),) = self._rows(index, index + 1)
        return f"{steady.origin}: sample {rows.start}"

    def _rows(self, begin: int, end: int) -> list[tuple[SteadyMap, slice]]:
        """List the files with samples begin … end - 1, and their rows there."""
        found, first = [], 0
        for steady, last in zip(
            self.maps, accumulate(m.num_samples for m in self.maps), strict=True
        ):
            start, stop = max(self.begin + begin, first), min(self.begin + end, last)
            if start < stop:
                found.append((steady, slice(start - first, stop - first)))
            first = last
        return found


def write_parts(
    folder: Path,
    plan: DatasetPlan,
    parts: Mapping[str, Part],
    advance: Callable[[int], object] = lambda _: None,
) -> Manifest:
    """Write all shards of a data set and its manifest.

    Args:
        folder: an empty folder.
        plan: of the data set.
        parts: the samples of each split.
        advance: called with the number of samples written.

    Raises:
        InputError: values that are not finite, or a sample that does not solve the equation.
    """
    started_at = monotonic()
    written = [
        _write(folder, plan, split, number, part, advance)
        for split, part in parts.items()
        for number in range(-(-plan.num_samples[split] // plan.shard_size))
    ]
    records, arrays = zip(*written, strict=True)
    versions = {name: version(name) for name in ("lightning_sciml", "numpy", "h5py")}
    manifest = finished_manifest(
        plan, records, arrays, versions=versions, elapsed_s=monotonic() - started_at
    )
    manifest.save(folder)
    return manifest


def _write(
    folder: Path,
    plan: DatasetPlan,
    split: str,
    number: int,
    part: Part,
    advance: Callable[[int], object],
) -> tuple[ShardRecord, dict[str, np.ndarray]]:
    """Write a shard; return its record and what it holds beside the fields."""
    first = number * plan.shard_size
    end = min(first + plan.shard_size, plan.num_samples[split])
    fields, coefficients = part.read(first, end)
    small = {
        COEFFICIENTS: coefficients,
        NORMS: _norms(fields),
        SAMPLE_INDEX: np.arange(first, end),
    }
    datasets = {FIELDS: fields, **small}
    record = ShardRecord(
        file=shard_file(split, number),
        split=split,
        first_index=first,
        num_samples=end - first,
        checksum=payload_checksum(datasets),
        max_residual=_largest_residual(plan, fields, coefficients, part, first),
        num_rejected=0,
    )
    (folder / split).mkdir(exist_ok=True)
    write_shard(folder / record.file, datasets, record=record, plan=plan)
    advance(end - first)
    return record, small


def _norms(fields: Float32[np.ndarray, "n F N N"]) -> Float[np.ndarray, "n k"]:
    """Compute the norms of all fields, columns as ``norm_names``."""
    squares = np.square(fields, dtype=np.float64).mean(axis=(2, 3))
    means = fields.mean(axis=(2, 3), dtype=np.float64)
    largest = np.abs(fields[:, -1]).max(axis=(1, 2))
    return np.concatenate([np.sqrt(squares), means, largest[:, None]], axis=1)


def _largest_residual(
    plan: DatasetPlan,
    fields: Float32[np.ndarray, "n F N N"],
    coefficients: Float[np.ndarray, "n c"],
    part: Part,
    first: int,
) -> float | None:
    equation = named_equation(plan.equation, plan.equation_parameters)
    if equation is None:
        return None
    largest = 0.0
    for row in range(len(fields)):
        check = check_solution(fields[row], coefficients[row], equation)
        if check.is_wrong:
            raise InputError(
                f"{part.origin(first + row)} does not solve {plan.equation}: it differs from the "
                f"solution in float64 by {check.error:.1e}, relative; rounding to float32 explains "
                f"{check.explained:.1e}; give --equation none or another one"
            )
        largest = max(largest, check.residual)
    return largest
