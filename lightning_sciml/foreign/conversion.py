"""Data sets of others written as our own: same shards, same manifest, same checks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from lightning_sciml.errors import InputError, refuse_below
from lightning_sciml.foreign.layouts import SteadyMap, open_steady_map
from lightning_sciml.pde.equations import EQUATIONS, named_equation
from lightning_sciml.pde.stored_solution import check_solution
from lightning_sciml.shards.checksums import payload_checksum
from lightning_sciml.shards.dataset_statistics import histograms, train_statistics
from lightning_sciml.shards.manifest import DatasetPlan, Manifest, ShardRecord
from lightning_sciml.shards.schema import (
    COEFFICIENTS,
    FIELDS,
    MANIFEST_FILE,
    NORMS,
    SAMPLE_INDEX,
    norm_names,
    shard_file,
)
from lightning_sciml.shards.writer import write_shard

_SHARD_BYTES = 128 << 20
_FILE_SUFFIXES = (".h5", ".hdf5")


class Part(NamedTuple):
    """Consecutive samples of files that are read one after the other."""

    maps: tuple[SteadyMap, ...]
    begin: int
    end: int

    def read(
        self, begin: int, end: int
    ) -> tuple[Float32[np.ndarray, "n F N N"], Float[np.ndarray, "n c"]]:
        """Fields and coefficients of samples begin … end - 1 of the part."""
        ends = list(accumulate(m.num_samples for m in self.maps))
        fields, coefficients = [], []
        for steady, last in zip(self.maps, ends, strict=True):
            first = last - steady.num_samples
            rows = slice(max(self.begin + begin, first), min(self.begin + end, last))
            if rows.start >= rows.stop:
                continue
            rows = slice(rows.start - first, rows.stop - first)
            reads = (*steady.inputs.values(), steady.solution[1])
            fields.append(np.stack([read(rows) for read in reads], axis=1).astype(np.float32))
            columns = [read(rows) for read in steady.coefficients.values()]
            shape = (rows.stop - rows.start, len(columns))
            coefficients.append(np.array(columns, np.float64).T.reshape(shape))
        return np.concatenate(fields), np.concatenate(coefficients)


def import_dataset(
    output: Path,
    files: Mapping[str, Sequence[Path]],
    *,
    num_cut: Mapping[str, int],
    name: str | None = None,
    equation: str | None = None,
    inputs: Sequence[str] | None = None,
    solution: str | None = None,
    advance: Callable[[int], object] = lambda _: None,
) -> Manifest:
    """Write a data set from files of others.

    Args:
        output: the new folder.
        files: files, or folders of them, of each split; splits without any are cut off the end of
            train.
        num_cut: samples of val and test that are cut off so.
        name: of the data set; that of the folder by default.
        equation: "none", or a name in ``EQUATIONS``; by default what the layout says.
        inputs: see ``open_steady_map``.
        solution: see ``open_steady_map``.
        advance: called with the number of samples written.

    Returns:
        The manifest, which is written last: what has one is whole.

    Raises:
        InputError: no file for train, one that cannot be used, values that are not finite, a sample
            that does not solve the equation, or a folder that cannot be written.
    """
    started_at = monotonic()
    if (output / MANIFEST_FILE).exists():
        raise InputError(f"{output} holds a data set already; give another folder or remove it")
    maps = {
        split: tuple(open_steady_map(f, inputs=inputs, solution=solution) for f in _listed(paths))
        for split, paths in files.items()
    }
    parts = _parts(maps, num_cut)
    plan = _plan(name or output.absolute().name, parts, equation)
    _make_folders(output, parts)
    written = [
        _write(output, plan, split, number, part, advance)
        for split, part in parts.items()
        for number in range(-(-plan.num_samples[split] // plan.shard_size))
    ]
    manifest = _manifest(plan, written, monotonic() - started_at)
    manifest.save(output)
    return manifest


def _listed(paths: Sequence[Path]) -> list[Path]:
    """Files, and for folders the HDF5 files in them in the order of their names."""
    listed: list[Path] = []
    for path in paths:
        inside = sorted(p for p in path.glob("*") if p.suffix in _FILE_SUFFIXES)
        if path.is_dir() and not inside:
            raise InputError(f"{path} has no file that ends in {' or '.join(_FILE_SUFFIXES)}")
        listed += inside or [path]
    return listed


def _parts(
    maps: Mapping[str, tuple[SteadyMap, ...]], num_cut: Mapping[str, int]
) -> dict[str, Part]:
    """What each split consists of."""
    _refuse_senseless(maps, num_cut)
    first = maps["train"][0]
    for other in (m for of_split in maps.values() for m in of_split):
        if _kind(other) != _kind(first):
            raise InputError(
                f"files of one data set are alike, {other.path} has {_kind(other)}, {first.path} "
                f"has {_kind(first)}; import them as two"
            )
    sizes = {split: sum(m.num_samples for m in of_split) for split, of_split in maps.items()}
    cut = {split: 0 if maps.get(split) else num_cut[split] for split in ("val", "test")}
    num_train = sizes["train"] - sum(cut.values())
    if num_train < 1:
        raise InputError(
            f"{sum(cut.values())} samples are to be cut off train for val and test, it has "
            f"{sizes['train']}; lower num_val and num_test, or name their files"
        )
    parts, end = {"train": Part(maps["train"], 0, num_train)}, num_train
    for split, number in cut.items():
        if maps.get(split):
            parts[split] = Part(maps[split], 0, sizes[split])
        else:
            parts[split] = Part(maps["train"], end, end + number)
            end += number
    return parts


def _refuse_senseless(
    maps: Mapping[str, tuple[SteadyMap, ...]], num_cut: Mapping[str, int]
) -> None:
    if not maps.get("train"):
        raise InputError("train must name at least one file or folder, got none")
    refuse_below(0, **{f"num_{split}": number for split, number in num_cut.items()})


def _kind(steady: SteadyMap) -> tuple[object, ...]:
    return (
        *(steady.layout, tuple(steady.inputs), tuple(steady.coefficients), steady.num_points),
        *(steady.equation, tuple(steady.equation_parameters.items())),
    )


def _plan(name: str, parts: Mapping[str, Part], equation: str | None) -> DatasetPlan:
    first = parts["train"].maps[0]
    is_given = equation is not None and equation != first.equation
    known = named_equation(
        equation or first.equation, {} if is_given else first.equation_parameters
    )
    names = tuple(first.coefficients) if known is None else known.coefficient_names
    if len(names) != len(first.coefficients):
        raise InputError(
            f"{equation} has the coefficients {names}, {first.path} has {len(first.coefficients)} "
            f"numbers a sample; give another of {', '.join(EQUATIONS)}, or none"
        )
    num_fields = len(first.inputs) + 1
    return DatasetPlan(
        name=name,
        equation=equation or first.equation,
        equation_parameters={} if is_given else first.equation_parameters,
        coefficient_names=names,
        config={
            "layout": first.layout,
            "solution": first.solution[0],
            "files": {s: [m.path.name for m in part.maps] for s, part in parts.items()},
        },
        num_points=first.num_points,
        seed=0,
        shard_size=max(1, _SHARD_BYTES // (num_fields * 4 * first.num_points**2)),
        num_samples={split: part.end - part.begin for split, part in parts.items()},
        input_fields=tuple(first.inputs),
    )


def _make_folders(output: Path, splits: Iterable[str]) -> None:
    try:
        for split in splits:
            (output / split).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{output} cannot be written: {error.strerror}; choose another folder"
        ) from None


class Written(NamedTuple):
    """A shard on disk, and what of it the manifest sums up."""

    record: ShardRecord
    coefficients: Float[np.ndarray, "n c"]
    norms: Float[np.ndarray, "n k"]


def _write(
    output: Path,
    plan: DatasetPlan,
    split: str,
    number: int,
    part: Part,
    advance: Callable[[int], object],
) -> Written:
    first = number * plan.shard_size
    end = min(first + plan.shard_size, plan.num_samples[split])
    fields, coefficients = part.read(first, end)
    _refuse_not_finite(fields, coefficients, f"{split} sample", first)
    norms = _norms(fields)
    datasets = {
        FIELDS: fields,
        COEFFICIENTS: coefficients,
        NORMS: norms,
        SAMPLE_INDEX: np.arange(first, end),
    }
    record = ShardRecord(
        file=shard_file(split, number),
        split=split,
        first_index=first,
        num_samples=end - first,
        checksum=payload_checksum(datasets),
        max_residual=_largest_residual(plan, fields, coefficients, f"{split} sample", first),
        num_rejected=0,
    )
    write_shard(
        output / record.file,
        datasets,
        record=record,
        plan=plan,
        column_names={COEFFICIENTS: plan.coefficient_names, NORMS: norm_names(plan.input_fields)},
    )
    advance(end - first)
    return Written(record, coefficients, norms)


def _refuse_not_finite(
    fields: Float32[np.ndarray, "n F N N"],
    coefficients: Float[np.ndarray, "n c"],
    label: str,
    first: int,
) -> None:
    finite = np.isfinite(fields).all(axis=(1, 2, 3)) & np.isfinite(coefficients).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{label} {first + int(np.flatnonzero(~finite)[0])} has values that are not finite, "
            f"as have {np.count_nonzero(~finite)} samples of its shard; leave them out of the files"
        )


def _norms(fields: Float32[np.ndarray, "n F N N"]) -> Float[np.ndarray, "n k"]:
    """Columns as ``norm_names``."""
    squares = np.square(fields, dtype=np.float64).mean(axis=(2, 3))
    means = fields.mean(axis=(2, 3), dtype=np.float64)
    largest = np.abs(fields[:, -1]).max(axis=(1, 2))
    return np.concatenate([np.sqrt(squares), means, largest[:, None]], axis=1)


def _largest_residual(
    plan: DatasetPlan,
    fields: Float32[np.ndarray, "n F N N"],
    coefficients: Float[np.ndarray, "n c"],
    label: str,
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
                f"{label} {first + row} does not solve {plan.equation}: it differs from the "
                f"solution in float64 by {check.error:.1e}, relative; rounding to float32 explains "
                f"{check.explained:.1e}; give --equation none or another one"
            )
        largest = max(largest, check.residual)
    return largest


def _manifest(plan: DatasetPlan, written: Sequence[Written], elapsed_s: float) -> Manifest:
    train = [w for w in written if w.record.split == "train"]
    coefficients = np.concatenate([w.coefficients for w in written])
    packages = ("lightning_sciml", "numpy", "h5py")
    return Manifest(
        **vars(plan),
        shards=tuple(w.record for w in written),
        statistics=train_statistics(
            np.concatenate([w.coefficients for w in train]),
            plan.coefficient_names,
            np.concatenate([w.norms for w in train]),
            plan.input_fields,
        ),
        histograms=histograms(dict(zip(plan.coefficient_names, coefficients.T, strict=True))),
        versions={package: version(package) for package in packages},
        elapsed_s=elapsed_s,
    )
