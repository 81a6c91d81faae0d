"""Data sets from files of others and from arrays: same shards, same manifest, same checks."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightning_sciml.errors import InputError, reject_below
from lightning_sciml.foreign.array_files import ARRAY_READERS
from lightning_sciml.foreign.array_map import array_map
from lightning_sciml.foreign.layouts import open_steady_maps
from lightning_sciml.foreign.sample_writing import Part, new_folder, whole, write_parts
from lightning_sciml.foreign.steady_map import Asked, SteadyMap
from lightning_sciml.paths import expanded
from lightning_sciml.pde.grid import Grid
from lightning_sciml.process_memory import available_memory
from lightning_sciml.shards.manifest import DatasetPlan, Manifest
from lightning_sciml.shards.schema import SPLITS

_SHARD_BYTES = 128 << 20
_COPIES = 3  # of the fields of a shard that are in memory together, in float32
_FILE_SUFFIXES = (".h5", ".hdf5", *ARRAY_READERS)


def write_dataset(
    folder: str | Path,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    coefficients: Mapping[str, Any] | None = None,
    *,
    split: Mapping[str, int],
    equation: str = "none",
    name: str | None = None,
) -> None:
    """Write your own arrays as a data set, whole or not at all.

    Args:
        folder: the new folder.
        inputs: input fields by name, each (n, N, N) by [sample, y, x], of any real type.
        outputs: the output field by its name, likewise.
        coefficients: numbers by name: one for all samples, or (n,).
        split: how many samples train, val and test get, in this order and that of the arrays: all
            n together. Shuffle the arrays first if samples next to each other are alike.
        equation: what the samples solve, which is checked; "none" if nothing is known.
        name: of the data set; that of the folder by default.

    Raises:
        InputError: arrays, names or numbers that cannot be used, values that are not finite, or a
            folder that cannot be written. Nothing of the folder is left.
    """
    if not inputs or not outputs:
        raise InputError("inputs and outputs must name at least one array each, got none")
    fields = {name: np.asarray(array) for name, array in (*inputs.items(), *outputs.items())}
    numbers = {name: np.asarray(values) for name, values in (coefficients or {}).items()}
    asked = Asked(inputs=list(inputs), outputs=list(outputs), equation=equation)
    steady = array_map(str(folder), fields, numbers, "nyx").chosen(asked)
    counts = {of_split: split.get(of_split, 0) for of_split in SPLITS}
    reject_below(0, **counts)
    is_whole = sum(counts.values()) == steady.num_samples and split.keys() <= {*SPLITS}
    if not is_whole or not counts["train"]:
        raise InputError(
            f"split must share the {steady.num_samples} samples among {', '.join(SPLITS)}, with "
            f"at least one in train, got {dict(split)}"
        )
    cut = {of_split: counts[of_split] for of_split in ("val", "test")}
    _write(expanded(folder), _parts({"train": (steady,)}, cut), name)


def import_dataset(
    output: Path,
    files: Mapping[str, Sequence[Path]],
    *,
    num_cut: Mapping[str, int],
    name: str | None = None,
    asked: Asked | None = None,
    advance: Callable[[int], object] = lambda _: None,
) -> Manifest:
    """Write a data set from files of others, whole or not at all.

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
    listed = _listed(files)
    maps = {split: open_steady_maps(paths, asked or Asked()) for split, paths in listed.items()}
    names = {split: [path.name for path in paths] for split, paths in listed.items()}
    return _write(output, _parts(maps, num_cut), name, names, advance)


def _write(
    output: Path,
    parts: Mapping[str, Part],
    name: str | None,
    files: Mapping[str, Sequence[str]] | None = None,
    advance: Callable[[int], object] = lambda _: None,
) -> Manifest:
    first, _ = parts["train"].pieces[0]
    config = {"layout": first.layout, "files": dict(files or {})}
    if first.axes:
        config["axes"] = ", ".join("samples" if axis == "n" else axis for axis in first.axes)
    plan = DatasetPlan(
        name=name or output.absolute().name,
        equation=first.equation,
        equation_parameters=dict(first.equation_parameters),
        coefficient_names=tuple(first.coefficients),
        config=config,
        grid=Grid(shape=(first.num_points, first.num_points)),
        input_fields=first.input_fields,
        output_fields=(first.output,),
        seed=0,
        shard_size=max(1, _SHARD_BYTES // (len(first.fields) * 4 * first.num_points**2)),
        num_samples={split: part.num_samples for split, part in parts.items()},
    )
    _check_sizes(plan, output)
    with new_folder(output) as folder:
        return write_parts(folder, plan, parts, advance)


def _listed(files: Mapping[str, Sequence[Path]]) -> dict[str, list[Path]]:
    """List the files of each split, for folders the data files in them by name; reject twins."""
    listed: dict[str, list[Path]] = {split: [] for split in files}
    seen: dict[Path, str] = {}
    for split, path in ((split, path) for split, paths in files.items() for path in paths):
        inside = sorted(p for p in path.glob("*") if p.suffix in _FILE_SUFFIXES)
        if path.is_dir() and not inside:
            raise InputError(f"{path} has no file that ends in {' or '.join(_FILE_SUFFIXES)}")
        for file in inside or [path]:
            if file.resolve() in seen:
                raise InputError(
                    f"{file} stands in {split} and in {seen[file.resolve()]}: its samples would be "
                    "in the data set twice; name it once"
                )
            seen[file.resolve()] = split
            listed[split].append(file)
    return listed


def _parts(
    maps: Mapping[str, tuple[SteadyMap, ...]], num_cut: Mapping[str, int]
) -> dict[str, Part]:
    """Find what each split consists of."""
    if not maps.get("train"):
        raise InputError("train must name at least one file or folder, got none")
    reject_below(0, **{f"num_{split}": number for split, number in num_cut.items()})
    first = maps["train"][0]
    for other in (m for of_split in maps.values() for m in of_split):
        if _kind(other) != _kind(first):
            raise InputError(
                f"files of one data set are alike, {other.origin} has {_kind(other)}, "
                f"{first.origin} has {_kind(first)}; import them as two"
            )
    found = {split: whole(of_split) for split, of_split in maps.items() if of_split}
    cut = {split: num_cut[split] for split in ("val", "test") if split not in found}
    train = found["train"]
    end = train.num_samples - sum(cut.values())
    if end < 1:
        raise InputError(
            f"{sum(cut.values())} samples are to be cut off train for val and test, it has "
            f"{train.num_samples}; lower num_val and num_test, or name their files"
        )
    found["train"] = train.between(0, end)
    for split, number in cut.items():
        found[split] = train.between(end, end + number)
        end += number
    return {split: found[split] for split in SPLITS}


def _kind(steady: SteadyMap) -> tuple[object, ...]:
    return (
        *(steady.layout, tuple(steady.fields), tuple(steady.coefficients), steady.num_points),
        *(steady.equation, tuple(steady.equation_parameters.items())),
    )


def _check_sizes(plan: DatasetPlan, output: Path) -> None:
    """Reject what neither memory nor disk can hold, before either is filled."""
    of_sample = plan.sample_bytes
    wanted = of_sample * sum(plan.num_samples.values())
    in_memory = _COPIES * of_sample * min(plan.shard_size, max(plan.num_samples.values()))
    existing = next(p for p in (output, *output.absolute().parents) if p.is_dir())
    free = {"memory": available_memory(), "disk": shutil.disk_usage(existing).free}
    for place, num_bytes in (("memory", in_memory), ("disk", wanted)):
        if num_bytes > free[place]:
            raise InputError(
                f"{output} needs {num_bytes / 1e9:,.2f} GB of {place}, which has "
                f"{free[place] / 1e9:,.2f} GB free: {plan.num_samples} samples of "
                f"{of_sample / 1e6:,.2f} MB; take fewer or smaller ones, or another place"
            )
