"""Compare a checkpoint that a study names with the networks that start from it."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lightning_sciml.checkpoints.files import Checkpoint, read_checkpoint
from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.study.definition.runs import DownstreamRun, Init
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.run_config import checkpoint_of, network_class

FNO_CLASS = f"{FNO.__module__}.{FNO.__qualname__}"


def differences(study: StudyFile, run: DownstreamRun, names: Sequence[str] | None) -> list[str]:
    """List what keeps a run from starting with its checkpoint, one line each.

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
    told = checkpoint.operator.coefficient_names if checkpoint.operator else ()
    missing = [name for name in names or () if name not in told]
    if run.init == Init.ZERO_SHOT and missing:
        found.append(f"it takes {list(told)}, a test on these data also has {missing}")
    return [f"{path}: {fault}" for fault in found]


def _other_network(checkpoint: Checkpoint, study: StudyFile, run: DownstreamRun) -> list[str]:
    """Find the first tensor that is missing, left over, or of another shape; ignore channels."""
    try:
        with torch.device("meta"):
            options = study.models[run.model]
            network = FNO(**(options.get("init_args", {}) if "class_path" in options else options))
    except (InputError, TypeError) as error:
        return [f"model {run.model}: {error}"]
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    own, theirs = _shapes(tensors, network), _shapes(checkpoint.weights, network)
    for name in [*own, *theirs]:
        if own.get(name) != theirs.get(name):
            wanted, got = (shapes.get(name, "no such tensor") for shapes in (own, theirs))
            return [
                f"model {run.model} wants {name} {wanted}, the checkpoint has {got}; name a "
                "checkpoint of the same size, modes and blocks"
            ]
    return []


def _shapes(tensors: Mapping[str, Tensor], network: FNO) -> dict[str, tuple[int, ...]]:
    """List shapes by name, without the axis of channels, which are matched by name."""
    shapes = {}
    for name, tensor in tensors.items():
        own_name = name.removeprefix("network.")
        if own_name != name:
            axis = network.channel_axes.get(own_name)
            shapes[name] = tuple(n for d, n in enumerate(tensor.shape) if d != axis)
    return shapes


def _other_normalization(checkpoint: Checkpoint, study: StudyFile, run: DownstreamRun) -> list[str]:
    recipe = study.recipes[run.recipe]
    options = {**study.downstream.model, **recipe.model}
    if run.init == Init.FINE_TUNE:
        options |= recipe.fine_tune
        if options.get("statistics") == "downstream":
            return []
    wanted = options.get("normalization", "paper")
    found = checkpoint.operator.normalization if checkpoint.operator else "none"
    if wanted == found:
        return []
    return [
        f"its normalization is {found}, recipe {run.recipe} wants {wanted}; use the recipe that it "
        "was trained by, or fine-tune with statistics: downstream"
    ]
