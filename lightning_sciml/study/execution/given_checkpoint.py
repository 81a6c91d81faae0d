"""Whether a checkpoint that a study names fits the networks that are to start from it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_sciml.checkpoints.files import Checkpoint, read_checkpoint
from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.normalization import NORMALIZATIONS
from lightning_sciml.study.definition.runs import DownstreamRun, Init
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.run_config import checkpoint_of, network_class
from lightning_sciml.training.weight_transfer import LIFTING

FNO_CLASS = f"{FNO.__module__}.{FNO.__qualname__}"


def differences(study: StudyFile, run: DownstreamRun, names: Sequence[str] | None) -> list[str]:
    """What keeps a run from starting with its checkpoint, one line each.

    Args:
        study: the study.
        run: from scratch none, else one that starts from a checkpoint.
        names: coefficient channels of the run's network; None where its data are not known.
    """
    path = checkpoint_of(study, run)
    try:
        checkpoint = read_checkpoint(path)
    except InputError as error:
        return [str(error)]
    found = []
    if network_class(study, run.model) == FNO_CLASS:
        found += _other_network(checkpoint, study, run)
    found += _other_normalization(checkpoint, study, run)
    told = checkpoint.provenance.get("coefficient_names")
    if run.init == Init.ZERO_SHOT and told and names and list(told) != list(names):
        found.append(
            f"its coefficient_names are {list(told)}, a test takes {list(names)}; list the data "
            "sets in the order of its pre-training"
        )
    return [f"{path}: {fault}" for fault in found]


def _other_network(checkpoint: Checkpoint, study: StudyFile, run: DownstreamRun) -> list[str]:
    """The first tensor that is missing, left over, or of another shape; channels aside."""
    try:
        with torch.device("meta"):
            options = study.models[run.model]
            network = FNO(**(options.get("init_args", {}) if "class_path" in options else options))
    except (InputError, TypeError) as error:
        return [f"model {run.model}: {error}"]
    own = _shapes({f"network.{name}": tensor for name, tensor in network.state_dict().items()})
    theirs = _shapes(checkpoint.weights)
    for name in [*own, *theirs]:
        if own.get(name) != theirs.get(name):
            wanted, got = (shapes.get(name, "no such tensor") for shapes in (own, theirs))
            return [
                f"model {run.model} wants {name} {wanted}, the checkpoint has {got}; name a "
                "checkpoint of the same size, modes and blocks"
            ]
    return []


def _shapes(tensors: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    shapes = {n: tuple(t.shape) for n, t in tensors.items() if n.startswith("network.")}
    return {n: shape[:1] if n == LIFTING else shape for n, shape in shapes.items()}


def _other_normalization(checkpoint: Checkpoint, study: StudyFile, run: DownstreamRun) -> list[str]:
    recipe = study.recipes[run.recipe]
    options = {**study.downstream.model, **recipe.model}
    if run.init == Init.FINE_TUNE:
        options |= recipe.fine_tune
        if options.get("statistics") == "downstream":
            return []
    kind = options.get("normalization", "paper")
    own = set(NORMALIZATIONS[kind](["k"]).state_dict()) if kind in NORMALIZATIONS else set()
    prefix = "normalization."
    theirs = {n.removeprefix(prefix) for n in checkpoint.weights if n.startswith(prefix)}
    if own == theirs:
        return []
    return [
        f"it holds the normalization {sorted(theirs) or 'of none'}, recipe {run.recipe} wants "
        f"{sorted(own)} ({kind}); use the recipe that it was trained by, or fine-tune with "
        "statistics: downstream"
    ]
