"""Compare runs before one resumes the other, and networks before one's weights are used.

A run is its model, data and seed as the configuration has them, and the content of the files that
it names: data sets and checkpoints may be moved or given by another path, not exchanged.
"""

import functools
import inspect
import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from pydoc import locate
from typing import Any

import yaml

from lightning_sciml.checkpoints.files import Checkpoint, read_checkpoint, weights_checksum
from lightning_sciml.checkpoints.provenance import equation
from lightning_sciml.errors import InputError
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.streaming.datamodule import PDEDataModule

SAME_ON_RESUME = ("model", "data", "seed_everything")  # another of these is another run
FREE_ON_RESUME = (
    *("verify", "cache", "num_prefetch", "predict_split"),
    *("rollout", "val_rollout", "compile"),
)
DATASETS, REPLAY, CHECKPOINT = "data.datasets", "data.replay", "model.init_args.checkpoint"
NETWORK = "model.init_args.network."
ABSENT = "nothing"


def reject_another_run(saved: Mapping[str, Any], wanted: dict[str, Any], run_dir: Path) -> None:
    """Raise an InputError that names the first difference between two runs.

    An option that the saved run does not know is newer than the run: its default is what there was.

    Args:
        saved: provenance in a checkpoint of the run that `run_dir` holds.
        wanted: configuration of the run that is to resume there.
        run_dir: folder of the run.
    """
    before, after = flatten(yaml.safe_load(saved.get("config", "")) or {}), flatten(wanted)
    for key in sorted({*before, *after}) if before else ():
        is_bound = key.split(".")[0] in SAME_ON_RESUME and key.split(".")[-1] not in FREE_ON_RESUME
        is_new = key not in before and is_default(wanted, key)
        told, got = (_comparable(key, tree.get(key, ABSENT), saved) for tree in (before, after))
        if is_bound and not is_new and told != got:
            raise InputError(
                f"{run_dir} holds a run with {key}={before.get(key, ABSENT)}, this one has "
                f"{after.get(key, ABSENT)}; give another --run_dir, or --resume false to start over"
            )
    folders = [*(after.get(DATASETS) or ()), *(after.get(REPLAY) or ())]
    _reject_other_data(saved.get("datasets", ()), folders, run_dir)
    if "pretrained" in saved:
        _reject_other_checkpoint(saved["pretrained"], after[CHECKPOINT], run_dir)


def _comparable(key: str, value: Any, saved: Mapping[str, Any]) -> Any:
    """Return the value of an option; for data sets their number, since content is compared."""
    if key in (DATASETS, REPLAY) and "datasets" in saved and isinstance(value, list):
        return len(value)
    return None if key == CHECKPOINT and "pretrained" in saved else value


def _reject_other_data(
    records: Sequence[Mapping[str, Any]], folders: Sequence[str], run_dir: Path
) -> None:
    for record, folder in zip(records, folders, strict=False):
        manifest = Manifest.load(folder)
        found = {"checksum": manifest.checksum, "equation": list(equation(manifest))}
        for what in found.keys() & record.keys():
            if record[what] != found[what]:
                raise InputError(
                    f"{run_dir} holds a run on a data set {record['name']} with {what} "
                    f"{record[what]}, {folder} has {found[what]}; give the data set that the run "
                    "began with, or another --run_dir, or --resume false to start over"
                )


def _reject_other_checkpoint(told: str, path: str, run_dir: Path) -> None:
    found = weights_checksum(read_checkpoint(path).weights)
    if found != told:
        raise InputError(
            f"{run_dir} holds a run that started from weights with checksum {told}, {path} has "
            f"{found}; give the checkpoint that the run started from, or another --run_dir, or "
            "--resume false to start over"
        )


def reject_another_function(checkpoint: Checkpoint, wanted: dict[str, Any], path: Path) -> None:
    """Raise an InputError if a configuration names another function than weights were trained as.

    What it leaves out is as trained; the average over symmetries is chosen in evaluation.

    Args:
        checkpoint: the weights.
        wanted: configuration of the evaluation.
        path: file of the weights.
    """
    given = wanted["model"]["init_args"]
    for name in ("normalization", "coordinates", "predicts", "conserves_means"):
        got, told = given.get(name), getattr(checkpoint.operator, name, None)
        if None not in (got, told) and _function(got) != _function(told):
            _raise_another_function(path, name, told, got)
    before, after = (
        {key: value for key, value in flatten(tree).items() if key.startswith(NETWORK)}
        for tree in (yaml.safe_load(checkpoint.provenance.get("config", "")), wanted)
    )
    names = [str(tree.get(f"{NETWORK}class_path")).split(".")[-1] for tree in (before, after)]
    if not (before and after) or names == ["FNO", "FNO"]:
        return  # the shapes of its tensors, which are compared, say what an FNO is
    for key in sorted({*before, *after}):
        told, got = before.get(key, ABSENT), after.get(key, ABSENT)
        if key.endswith(".class_path"):  # a module may move
            told, got = names
        is_new = key not in before and is_default(wanted, key)
        if told != got and not is_new:
            _raise_another_function(path, key.removeprefix("model.init_args."), told, got)


def _function(value: Any) -> Any:
    return value if isinstance(value, str | bool) else [c for c in value if c != "square_average"]


def _raise_another_function(path: Path, name: str, told: Any, got: Any) -> None:
    told = list(told) if isinstance(told, tuple) else told
    raise InputError(
        f"{path} was trained with {name}={told}, here it is {got}, which is another function; "
        f"give --model.init_args.{name}={told}, or the config.yaml of the run that wrote it"
    )


def is_default(config: dict[str, Any], key: str) -> bool:
    """Return whether a class's option, by its dotted name, has the constructor's default."""
    *above, last = key.split(".")
    value = functools.reduce(operator.getitem, [*above, last], config)
    if above == ["data"]:
        cls: Any = PDEDataModule
    elif above[-1:] == ["init_args"]:
        cls = locate(functools.reduce(operator.getitem, above[:-1], config)["class_path"])
    else:
        return False
    signatures = (inspect.signature(base.__init__).parameters for base in cls.__mro__)
    default = next((s[last].default for s in signatures if last in s), inspect.Parameter.empty)
    return bool(value == (list(default) if isinstance(default, tuple) else default))


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """List the leaves of nested mappings by dotted name."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return leaves
