"""Data sets of others written as our own: same shards, same manifest, same checks."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from lightning_sciml.errors import InputError, reject_below
from lightning_sciml.foreign.layouts import Asked, SteadyMap, open_steady_map
from lightning_sciml.foreign.new_folder import new_folder
from lightning_sciml.foreign.part import Part
from lightning_sciml.pde.steady import EQUATIONS, named_equation
from lightning_sciml.pde.stored_solution import check_solution
from lightning_sciml.process_memory import available_memory
from lightning_sciml.shards.checksums import payload_checksum
from lightning_sciml.shards.dataset_statistics import histograms, train_statistics
from lightning_sciml.shards.manifest import DatasetPlan, Manifest, ShardRecord
from lightning_sciml.shards.schema import (
    COEFFICIENTS,
    FIELDS,
    NORMS,
    SAMPLE_INDEX,
    SOURCE,
    norm_names,
    shard_file,
)
from lightning_sciml.shards.writer import write_shard

_SHARD_BYTES = 128 << 20
_COPIES = 3  # of the fields of a shard that are in memory together, in float32
_FILE_SUFFIXES = (".h5", ".hdf5")


def import_dataset(
    output: Path,
    files: Mapping[str, Sequence[Path]],
    *,
    num_cut: Mapping[str, int],
    name: str | None = None,
    asked: Asked | None = None,
    advance: Callable[[int], object] = lambda _: None,
) -> Manifest:
    """Write a data set from files of others.

    Args:
        output: the new folder.
        files: files, or folders of them, of each split; splits without any are cut off the end of
            train.
        num_cut: samples of val and test that are cut off so.
        name: of the data set; that of the folder by default.
        asked: what the layout of the files does not say.
        advance: called with the number of samples written.

    Returns:
        The manifest.

    Raises:
        InputError: no file for train, one that cannot be used, values that are not finite, a sample
            that does not solve the equation, or a folder that cannot be written. Nothing of the
            folder is left.
    """
    started_at = monotonic()
    asked = asked or Asked()
    listed = {split: _listed(paths) for split, paths in files.items()}
    _reject_repeated(listed)
    maps = {
        split: tuple(open_steady_map(path, asked) for path in paths)
        for split, paths in listed.items()
    }
    parts = _parts(maps, num_cut)
    plan = _plan(name or output.absolute().name, parts, asked.equation)
    _check_sizes(plan, output)
    with new_folder(output) as folder:
        written = [
            _write(folder, plan, split, number, part, advance)
            for split, part in parts.items()
            for number in range(-(-plan.num_samples[split] // plan.shard_size))
        ]
        manifest = _manifest(plan, written, monotonic() - started_at)
        manifest.save(folder)
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


def _reject_repeated(listed: Mapping[str, Sequence[Path]]) -> None:
    seen: dict[Path, str] = {}
    for split, paths in listed.items():
        for path in paths:
            if path.resolve() in seen:
                raise InputError(
                    f"{path} stands in {split} and in {seen[path.resolve()]}: its samples would be "
                    "in the data set twice; name it once"
                )
            seen[path.resolve()] = split


def _check_sizes(plan: DatasetPlan, output: Path) -> None:
    """Reject what neither memory nor disk can hold, before either is filled."""
    of_sample = plan.num_fields * 4 * plan.num_points**2
    wanted = of_sample * sum(plan.num_samples.values())
    in_memory = _COPIES * of_sample * min(plan.shard_size, max(plan.num_samples.values()))
    existing = next(p for p in (output, *output.absolute().parents) if p.is_dir())
    free = {"memory": available_memory(), "disk": shutil.disk_usage(existing).free}
    for place, num_bytes in (("memory", in_memory), ("disk", wanted)):
        if num_bytes > free[place]:
            raise InputError(
                f"{output} needs {num_bytes / 1e9:,.2f} GB of {place}, which has "
                f"{free[place] / 1e9:,.2f} GB free: {plan.num_samples} samples of "
                f"{of_sample / 1e6:,.2f} MB from {plan.config['files']['train'][0]} and others; "
                "import fewer or smaller files, or elsewhere"
            )


def _parts(
    maps: Mapping[str, tuple[SteadyMap, ...]], num_cut: Mapping[str, int]
) -> dict[str, Part]:
    """What each split consists of."""
    _reject_invalid(maps, num_cut)
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


def _reject_invalid(maps: Mapping[str, tuple[SteadyMap, ...]], num_cut: Mapping[str, int]) -> None:
    if not maps.get("train"):
        raise InputError("train must name at least one file or folder, got none")
    reject_below(0, **{f"num_{split}": number for split, number in num_cut.items()})


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
    if known is not None and len(first.inputs) != 1:
        raise InputError(
            f"{known.name} has one input, the source; {first.path} has {list(first.inputs)}; name "
            "one by --inputs, or give --equation none"
        )
    input_fields = tuple(first.inputs) if known is None else (SOURCE,)
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
        input_fields=input_fields,
    )


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
        max_residual=_largest_residual(plan, fields, coefficients, part, first),
        num_rejected=0,
    )
    (output / split).mkdir(exist_ok=True)
    write_shard(
        output / record.file,
        datasets,
        record=record,
        plan=plan,
        column_names={COEFFICIENTS: plan.coefficient_names, NORMS: norm_names(plan.input_fields)},
    )
    advance(end - first)
    return Written(record, coefficients, norms)


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
