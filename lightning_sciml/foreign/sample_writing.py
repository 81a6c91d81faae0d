"""Write samples of others as shards, and the manifest over them, in a new folder."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import monotonic

import numpy as np
from jaxtyping import Float, Float32

from lightning_sciml.errors import InputError
from lightning_sciml.folder_lock import FolderLock
from lightning_sciml.foreign.foreign_set import ForeignSet
from lightning_sciml.pde.named_equation import named_equation
from lightning_sciml.pde.residual import MAX_TOLERANCE, SolutionCheck, check_solution
from lightning_sciml.pde.walls import is_mirror_symmetric
from lightning_sciml.shards.checksums import payload_checksum
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.dataset_statistics import finished_manifest
from lightning_sciml.shards.field_norms import field_norms
from lightning_sciml.shards.manifest import Manifest, ShardRecord
from lightning_sciml.shards.schema import (
    COEFFICIENTS,
    FIELDS,
    INPUTS,
    NORMS,
    SAMPLE_INDEX,
    TRAJECTORIES,
    shard_file,
)
from lightning_sciml.shards.verification import explanation, tolerance_of
from lightning_sciml.shards.writer import write_shard


@dataclass(frozen=True)
class Part:
    """Samples of some files, one file after the other: those of a split, or of a shard.

    Attributes:
        pieces: each file and its rows.
    """

    pieces: tuple[tuple[ForeignSet, range], ...]

    @property
    def num_samples(self) -> int:
        """Count the samples of all files."""
        return sum(len(rows) for _, rows in self.pieces)

    def between(self, begin: int, end: int) -> "Part":
        """Return samples begin … end - 1 of the part."""
        found, first = [], 0
        for one, rows in self.pieces:
            inside = rows[max(0, begin - first) : max(0, end - first)]
            if inside:
                found.append((one, inside))
            first += len(rows)
        return Part(tuple(found))

    def read(self) -> tuple[dict[str, np.ndarray], Float[np.ndarray, "n c"]]:
        """Read the fields as a shard holds them, and the coefficients."""
        read = [one.read(slice(rows.start, rows.stop)) for one, rows in self.pieces]
        if len(read) == 1:
            return read[0]
        names = read[0][0]
        fields = {name: np.concatenate([found[name] for found, _ in read]) for name in names}
        return fields, np.concatenate([coefficients for _, coefficients in read])

    def origin(self, index: int) -> str:
        """Name a sample by its file and its place there."""
        ((one, rows),) = self.between(index, index + 1).pieces
        return f"{one.origin}: sample {rows.start}"


def whole(sets: Sequence[ForeignSet]) -> Part:
    """Return all samples of some files."""
    return Part(tuple((one, range(one.num_samples)) for one in sets))


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write to; if the block ends well, it becomes ``folder``, else it is removed.

    The leftover of a killed process is removed first.

    Raises:
        InputError: something has the name already, another process is writing to it, or nothing
            can be written there.
    """
    folder = folder.absolute()
    written = folder.with_name(f".{folder.name}.unfinished")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder} exists and is not empty; give another folder or remove it")
        written.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(written)
        if not lock.acquire():
            raise InputError(
                f"another process is writing to {folder}; wait for it, or give another folder"
            )
        try:
            for path in (p for p in written.iterdir() if p.name != lock.path.name):
                is_folder = path.is_dir() and not path.is_symlink()
                shutil.rmtree(path) if is_folder else path.unlink()
            yield written
            lock.release(remove=True)
            written.rename(folder)
        except BaseException:
            shutil.rmtree(written, ignore_errors=True)
            raise
        finally:
            lock.release()
    except OSError as error:
        reason = str(error.strerror or error).splitlines()[0]  # HDF5 tells its own in several
        raise InputError(f"{folder} cannot be written: {reason}; choose another folder") from error


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
    records, arrays = [], []
    for split, part in parts.items():
        for first in range(0, part.num_samples, plan.shard_size):
            samples = part.between(first, first + plan.shard_size)
            record, small = _write(folder, plan, split, first, samples)
            records.append(record)
            arrays.append(small)
            advance(record.num_samples)
    versions = {name: version(name) for name in ("lightning_sciml", "numpy", "h5py")}
    manifest = finished_manifest(
        plan, records, arrays, versions=versions, elapsed_s=monotonic() - started_at
    )
    manifest.save(folder)
    return manifest


def _write(
    folder: Path, plan: DatasetPlan, split: str, first: int, part: Part
) -> tuple[ShardRecord, dict[str, np.ndarray]]:
    """Write a shard; return its record and what it holds beside the fields."""
    fields, coefficients = part.read()
    small = {
        COEFFICIENTS: coefficients,
        NORMS: _norms(plan, fields),
        SAMPLE_INDEX: np.arange(first, first + part.num_samples),
    }
    datasets = {**fields, **small}
    record = ShardRecord(
        file=shard_file(split, first // plan.shard_size),
        split=split,
        first_index=first,
        num_samples=part.num_samples,
        checksum=payload_checksum(datasets),
        max_residual=_largest_residual(plan, fields, coefficients, part),
        num_rejected=0,
    )
    (folder / split).mkdir(exist_ok=True)
    write_shard(folder / record.file, datasets, record=record, plan=plan)
    return record, small


def _norms(
    plan: DatasetPlan, fields: Mapping[str, Float32[np.ndarray, "n ..."]]
) -> Float[np.ndarray, "n k"]:
    """Compute the norms of all fields sample by sample: a trajectory may be large."""
    num_inputs = len(plan.input_fields)
    norms = []
    for row in range(len(next(iter(fields.values())))):
        sample = {name: array[row, None] for name, array in fields.items()}
        if plan.is_evolution:
            targets = sample[TRAJECTORIES]
            inputs = sample.get(INPUTS, targets[:, 0, :0])
        else:
            inputs, targets = np.split(sample[FIELDS], [num_inputs], axis=1)
            targets = targets[:, None]
        norms.append(field_norms(inputs, targets))
    return np.concatenate(norms)


def _largest_residual(
    plan: DatasetPlan,
    fields: Mapping[str, Float32[np.ndarray, "n ..."]],
    coefficients: Float[np.ndarray, "n c"],
    part: Part,
) -> float | None:
    equation = named_equation(plan.equation, plan.equation_parameters)
    if equation is None:
        return None
    largest, tolerance = 0.0, tolerance_of(plan)
    for row, sample in enumerate(fields[FIELDS]):
        if not is_mirror_symmetric(equation, coefficients[row], plan.grid.boundary):
            raise InputError(
                f"{part.origin(row)} has mixed or odd derivatives and walls, where {plan.equation} "
                f"is not solved by sines or cosines, got {', '.join(plan.coefficient_names)} = "
                f"{', '.join(f'{value:g}' for value in coefficients[row])}; give --equation none"
            )
        check = check_solution(sample, coefficients[row], equation, plan.grid.boundary, tolerance)
        if check.is_wrong:
            raise InputError(f"{part.origin(row)} {_fault(plan, check)}")
        largest = max(largest, check.residual)
    return largest


def _fault(plan: DatasetPlan, check: SolutionCheck) -> str:
    """Say how far a sample is from the solution, and what to do."""
    near = f", or --tolerance {2 * check.error:.1g} if they have this error of a solver of yours"
    return (
        f"does not solve {plan.equation}: it differs from the solution in float64 by "
        f"{check.error:.1e}, relative; {explanation(check, tolerance_of(plan))}; give --equation "
        f"none or another one{near if 2 * check.error <= MAX_TOLERANCE else ''}"
    )
