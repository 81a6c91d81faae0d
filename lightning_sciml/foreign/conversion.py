"""Data sets from files of others and from arrays: same shards, same manifest, same checks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning_sciml.errors import InputError, reject_below
from lightning_sciml.foreign.array_map import array_map
from lightning_sciml.foreign.asked import EVOLUTION_AXES, STEADY_AXES, Asked
from lightning_sciml.foreign.choice import chosen
from lightning_sciml.foreign.foreign_set import ForeignSet
from lightning_sciml.foreign.given_arrays import (
    arrays_by_name,
    as_array,
    counts_by_split,
    two_numbers,
    two_words,
)
from lightning_sciml.foreign.layouts import open_sets
from lightning_sciml.foreign.sample_writing import Part, new_folder, whole, write_parts
from lightning_sciml.foreign.split_files import listed_files
from lightning_sciml.paths import expanded
from lightning_sciml.process_memory import available_memory
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.durable import free_bytes
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.schema import SPLITS, TOLERANCE

_SHARD_BYTES = 128 << 20
_COPIES = 3  # of the fields of a shard that are in memory together, in float32


def write_dataset(
    folder: str | Path,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    coefficients: Mapping[str, Any] | None = None,
    *,
    states: Mapping[str, Any] | None = None,
    times: Sequence[float] | None = None,
    lengths: Sequence[float] = (1.0, 1.0),
    boundary: str | Sequence[str] = "periodic",
    split: Mapping[str, int],
    equation: str = "none",
    tolerance: float | None = None,
    name: str | None = None,
) -> None:
    """Write your own arrays as a data set, whole or not at all.

    Give outputs for a steady problem, states for one that evolves.

    Args:
        folder: the new folder.
        inputs: fields that do not change in time by name, each (n, H, W) by [sample, y, x], of any
            real type. States may do without.
        outputs: the output fields by name, likewise.
        coefficients: numbers by name: one for all samples, or (n,).
        states: the fields that evolve by name, each (n, T, H, W) by [sample, time, y, x].
        times: T times that increase; 0, 1, … by default.
        lengths: of the domain along y and x.
        boundary: periodic, dirichlet, neumann, wall or open; one, or one for y and one for x.
        split: how many samples train, val and test get, in this order and that of the arrays: all
            n together. Shuffle the arrays first if samples next to each other are alike.
        equation: what the samples solve, which is checked; "none" if nothing is known.
        tolerance: error of the solutions, relative, that the check allows, at most 0.1; by default
            what float32 explains. Solvers of another discretisation need it.
        name: of the data set; that of the folder by default.

    Raises:
        InputError: arrays, names or numbers that cannot be used, values that are not finite, or a
            folder that cannot be written. Nothing of the folder is left.
    """
    own = arrays_by_name("inputs", inputs)
    outs, evolving = arrays_by_name("outputs", outputs), arrays_by_name("states", states)
    if bool(evolving) == bool(outs) or not (own or evolving):
        raise InputError(
            "a data set has inputs and outputs, or states and, if there are any, inputs; got "
            f"inputs {[*own]}, outputs {[*outs]}, states {[*evolving]}"
        )
    if times is not None and not evolving:
        raise InputError("times are those of states, got outputs; give states, or no times")
    asked = Asked(
        inputs=[*own],
        outputs=[*outs] or None,
        states=[*evolving] or None,
        lengths=two_numbers("lengths", lengths),
        boundary=two_words("boundary", boundary),
        equation=str(equation),
        tolerance=None if tolerance is None else float(tolerance),
    )
    given = array_map(
        str(folder),
        own,
        evolving or outs,
        arrays_by_name("coefficients", coefficients),
        axes=EVOLUTION_AXES if evolving else STEADY_AXES,
        times=None if times is None else as_array("times", times),
    )
    given = chosen(given, asked)
    numbers = counts_by_split(split)
    counts = {of_split: numbers.get(of_split, 0) for of_split in SPLITS}
    reject_below(0, **counts)
    is_whole = sum(counts.values()) == given.num_samples and numbers.keys() <= {*SPLITS}
    if not is_whole or not counts["train"]:
        raise InputError(
            f"split must share the {given.num_samples} samples among {', '.join(SPLITS)}, with "
            f"at least one in train, got {numbers}"
        )
    cut = {of_split: counts[of_split] for of_split in ("val", "test")}
    _write(expanded(folder), _parts({"train": (given,)}, cut), name)


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
    listed = listed_files(files)
    sets = {split: open_sets(paths, split, asked or Asked()) for split, paths in listed.items()}
    names = {split: [path.name for path in paths] for split, paths in listed.items()}
    return _write(output, _parts(sets, num_cut), name, names, advance)


def _write(
    output: Path,
    parts: Mapping[str, Part],
    name: str | None,
    files: Mapping[str, Sequence[str]] | None = None,
    advance: Callable[[int], object] = lambda _: None,
) -> Manifest:
    first, _ = next(piece for part in parts.values() for piece in part.pieces)
    targets = tuple(first.targets)
    plan = DatasetPlan(
        name=name or output.absolute().name,
        equation=first.equation,
        equation_parameters=dict(first.equation_parameters),
        coefficient_names=tuple(first.coefficients),
        config=_config(first, files or {}),
        grid=first.grid,
        input_fields=tuple(first.inputs),
        output_fields=() if first.times else targets,
        state_fields=targets if first.times else (),
        times=first.times,
        seed=0,
        shard_size=1,
        num_samples={split: part.num_samples for split, part in parts.items()},
    )
    plan = replace(plan, shard_size=max(1, _SHARD_BYTES // plan.sample_bytes))
    _check_sizes(plan, output)
    with new_folder(output) as folder:
        return write_parts(folder, plan, parts, advance)


def _config(one: ForeignSet, files: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Say where the samples are from; what is assumed where the user was not asked."""
    config: dict[str, Any] = {"layout": one.layout, "files": dict(files)}
    config |= {"axes": one.axes} if one.axes else {}
    config |= {} if one.tolerance is None else {TOLERANCE: one.tolerance}
    return config | ({"assumed": dict(one.assumed)} if files and one.assumed else {})


def _parts(
    sets: Mapping[str, tuple[ForeignSet, ...]], num_cut: Mapping[str, int]
) -> dict[str, Part]:
    """Find what each split consists of."""
    everything = [one for of_split in sets.values() for one in of_split]
    if not everything:
        raise InputError("train, val or test must name at least one file or folder, got none")
    reject_below(0, **{f"num_{split}": number for split, number in num_cut.items()})
    for other in everything:
        _check_alike(everything[0], other)
    found = {split: whole(of_split) for split, of_split in sets.items() if of_split}
    cut = {split: num_cut.get(split, 0) for split in ("val", "test") if split not in found}
    train = found.get("train", Part(()))  # none in a set to test on
    end = train.num_samples - sum(cut.values())
    if end < ("train" in found) or not any(one.num_samples for one in everything):
        raise InputError(
            f"{sum(cut.values())} samples are to be cut off train for val and test, it has "
            f"{train.num_samples}; lower num_val and num_test, or name their files"
        )
    found["train"] = train.between(0, end)
    for split, number in cut.items():
        found[split] = train.between(end, end + number)
        end += number
    return {split: found[split] for split in SPLITS}


def _check_alike(first: ForeignSet, other: ForeignSet) -> None:
    """Reject files of several kinds, saying in what they differ."""
    of_first, of_other = _kind(first), _kind(other)
    for name, value in of_other.items():
        if value != of_first[name]:
            raise InputError(
                f"files of one data set are alike, {other.origin} has the {name} {value}, "
                f"{first.origin} has {of_first[name]}; import them as two"
            )


def _kind(one: ForeignSet) -> dict[str, object]:
    return {
        "layout": one.layout,
        "grid": (one.shape, one.lengths, one.boundary),
        "inputs": list(one.inputs),
        "states" if one.times else "outputs": list(one.targets),
        "times": one.times,
        "coefficients": list(one.coefficients),
        "equation": (one.equation, dict(one.equation_parameters)),
    }


def _check_sizes(plan: DatasetPlan, output: Path) -> None:
    """Reject what neither memory nor disk can hold, before either is filled."""
    wanted = plan.sample_bytes * sum(plan.num_samples.values())
    in_memory = _COPIES * plan.sample_bytes * min(plan.shard_size, max(plan.num_samples.values()))
    free = {"memory": available_memory(), "disk": free_bytes(output)}
    for place, num_bytes in (("memory", in_memory), ("disk", wanted)):
        if num_bytes > free[place]:
            raise InputError(
                f"{output} needs {num_bytes / 1e9:,.2f} GB of {place}, which has "
                f"{free[place] / 1e9:,.2f} GB free: {plan.num_samples} samples of "
                f"{plan.sample_bytes / 1e6:,.2f} MB; take fewer or smaller ones, or another place"
            )
