"""Compare a data set with its manifest and its equation."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Boundary
from lightning_sciml.pde.named_equation import named_equation
from lightning_sciml.pde.residual import MAX_TOLERANCE, SolutionCheck, check_solution
from lightning_sciml.pde.steady import Equation
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.field_norms import field_norms
from lightning_sciml.shards.manifest import Manifest, ShardRecord
from lightning_sciml.shards.schema import (
    COEFFICIENTS,
    FIELDS,
    NORMS,
    SAMPLE_INDEX,
    TOLERANCE,
    norm_names,
)
from lightning_sciml.shards.shard_layout import OpenShard, open_shard

Check = Callable[[OpenShard], Iterator[tuple[str, SolutionCheck]]]
"""Compares some samples of a shard, each with its label, with what they have to be."""

CHECKS_A_SHARD = 4
_ROUNDING = 1e-5  # relative; norms may be those before rounding to float32, 6e-8
_LEAST = float(np.finfo(np.float32).tiny)


def verify_dataset(
    directory: str | Path,
    jobs: int = 1,
    advance: Callable[[], object] = lambda: None,
    unchecked: Callable[[str], object] = lambda _: None,
    check: Check | None = None,
) -> list[str]:
    """Find the faults of a data set, one line each.

    Every payload is read against its checksum, the norms of all fields are computed anew, some
    solutions are compared with those of their sources in float64 (where the equation is known),
    indices must count each split from zero without gap, and no sample may stand in the set twice,
    least of all in two splits.

    Args:
        directory: the data set.
        jobs: shards read at a time.
        advance: called after each shard.
        unchecked: called with a line about each of these solutions that float32 cannot tell from a
            wrong one.
        check: compares some samples with what they have to be; by default solutions of steady
            equations.

    Raises:
        InputError: there is no manifest to compare with.
    """
    manifest = Manifest.load(directory)
    equation = named_equation(manifest.equation, manifest.equation_parameters)
    if check is None and equation is not None and not manifest.is_evolution:
        check = partial(
            _solutions,
            equation=equation,
            boundary=manifest.grid.boundary,
            tolerance=tolerance_of(manifest),
        )

    def examine(record: ShardRecord) -> tuple[list[str], np.ndarray]:
        try:
            return _examine(Path(directory) / record.file, record, manifest, check, unchecked)
        except InputError as fault:
            return [str(fault)], np.empty((0, 1))
        finally:
            advance()

    with ThreadPoolExecutor(jobs) as pool:
        examined = list(pool.map(examine, manifest.shards))
    faults = [fault for of_shard, _ in examined for fault in of_shard]
    return faults + list(_repeated(manifest, [norms for _, norms in examined]))


def tolerance_of(plan: DatasetPlan) -> float:
    """Return the error that solutions of imported samples may have; 0 where nobody gave one.

    Raises:
        InputError: it is none.
    """
    tolerance = plan.config.get(TOLERANCE, 0.0)
    if not isinstance(tolerance, float) or not 0 <= tolerance <= MAX_TOLERANCE:
        raise InputError(
            f"config.{TOLERANCE} must lie in 0 … {MAX_TOLERANCE}, the manifest of {plan.name} has "
            f"{tolerance!r}; import the set again"
        )
    return tolerance


def explanation(check: SolutionCheck, tolerance: float) -> str:
    """Say why some error of a solution is none."""
    if check.explained == tolerance:
        return f"the tolerance is {tolerance:g}"
    return f"rounding to float32 explains {check.explained:.1e}"


def _examine(
    path: Path,
    record: ShardRecord,
    plan: DatasetPlan,
    check: Check | None,
    unchecked: Callable[[str], object],
) -> tuple[list[str], Float[np.ndarray, "n k"]]:
    shard = open_shard(path, plan, asdict(record))
    shard.check_payload()
    faults = [f"shard {path}: {fault}" for fault in (*_not_finite(shard), *_unlike(shard, plan))]
    expected = np.arange(record.first_index, record.first_index + record.num_samples)
    if not np.array_equal(shard.arrays[SAMPLE_INDEX], expected):
        faults.append(f"shard {path}: its sample indices are not {expected[0]} … {expected[-1]}")
    for label, found in check(shard) if check else ():
        if found.is_wrong:
            faults.append(
                f"shard {path}: {label} differs from the solution in float64 by {found.error:.1e}, "
                f"relative; {explanation(found, tolerance_of(plan))}"
            )
        elif not found.is_checkable:
            explained = f"rounding to float32 explains an error of {found.explained:.1e}"
            unchecked(f"shard {path}: {label}: {explained}")
    return faults, shard.arrays[NORMS]


def _solutions(
    shard: OpenShard, equation: Equation, boundary: tuple[Boundary, Boundary], tolerance: float
) -> Iterator[tuple[str, SolutionCheck]]:
    """Compare some solutions with those of their sources."""
    for row in np.linspace(0, shard.record.num_samples - 1, CHECKS_A_SHARD).astype(int):
        label = f"sample {shard.arrays[SAMPLE_INDEX][row]}"
        fields, coefficients = shard.read(FIELDS, row), shard.arrays[COEFFICIENTS][row]
        yield label, check_solution(fields, coefficients, equation, boundary, tolerance)


def _not_finite(shard: OpenShard) -> Iterator[str]:
    """Find samples whose coefficients or norms are NaN or infinite."""
    for name in (COEFFICIENTS, NORMS):
        for row in np.flatnonzero(~np.isfinite(shard.arrays[name]).all(axis=1)):
            yield f"sample {shard.arrays[SAMPLE_INDEX][row]} has {name} that are not finite"


def _unlike(shard: OpenShard, plan: DatasetPlan) -> Iterator[str]:
    """Find samples whose norms are not those of their fields; values may not be finite."""
    names = norm_names(plan.input_fields, plan.target_fields)
    of_field = [names.index(f"{name.rpartition('_')[0]}_norm") for name in names]
    for row, stored in enumerate(shard.arrays[NORMS]):
        with np.errstate(invalid="ignore"):  # infinity minus infinity, which is found below
            found = field_norms(*(part[None] for part in shard.sample(row)))[0]
        is_near = np.abs(found - stored) <= _ROUNDING * stored[of_field] + _LEAST
        for column in np.flatnonzero(~is_near & np.isfinite(stored))[:1]:
            yield (
                f"sample {shard.arrays[SAMPLE_INDEX][row]} has {names[column]}="
                f"{stored[column]:.6g} in its norms, its fields have {found[column]:.6g}"
            )


def _repeated(manifest: Manifest, norms: list[Float[np.ndarray, "n k"]]) -> Iterator[str]:
    """Find samples whose norms equal those of another sample in every digit."""
    labels: dict[bytes, str] = {}
    for record, of_shard in zip(manifest.shards, norms, strict=True):
        for index, values in enumerate(of_shard, start=record.first_index):
            label = f"sample {index} of {record.split}"
            original = labels.setdefault(values.tobytes(), label)
            if original != label:
                yield f"{label} is {original} once more"
