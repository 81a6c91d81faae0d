"""Compare a checkpoint that a study names with the networks that start from it."""

from collections.abc import Iterator

import torch

from lightning_sciml.checkpoints.files import Checkpoint, read_checkpoint
from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.streaming.mixture_member import ChannelNames
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.definition.study_file import FNO_CLASS, StudyFile
from lightning_sciml.study.execution.channels import ANY_OUTPUT, new_names
from lightning_sciml.study.execution.run_config import model_options
from lightning_sciml.study.execution.transfer_faults import shapes_of


def differences(study: StudyFile, run: Run, path: str, names: ChannelNames | None) -> list[str]:
    """List what keeps a run from starting with the checkpoint at `path`, one line each.

    The names of channels are those of the run's network; None where its data are not known.
    """
    try:
        checkpoint = read_checkpoint(path)
    except InputError as error:
        return [str(error)]
    operator = checkpoint.operator
    found = [*_other_network(checkpoint, study, run), *_other_normalization(checkpoint, study, run)]
    found += _other_prediction(checkpoint, study, run)
    if run.init == Init.ZERO_SHOT and names and operator:
        told = (*operator.coefficient_names, *operator.input_fields)
        missing = new_names((*names.coefficients, *names.inputs), told)
        if operator.output_fields != ANY_OUTPUT or len(names.outputs) > 1:
            missing += new_names(names.outputs, operator.output_fields)
        if missing:
            told = (*told, *operator.output_fields)
            found.append(f"it has {list(told)}, a test on these data also has {missing}")
    return [f"{path}: {fault}" for fault in found]


def _other_network(checkpoint: Checkpoint, study: StudyFile, run: Run) -> Iterator[str]:
    """Find the first tensor that is missing, left over, or of another shape; ignore channels."""
    class_path, arguments = study.network_of(run.model)
    if class_path != FNO_CLASS:
        return
    try:
        with torch.device("meta"):
            network = FNO(**arguments)
    except (InputError, TypeError) as error:
        yield f"model {run.model}: {error}"
        return
    start = "network."
    of_network = ((n, t) for n, t in checkpoint.weights.items() if n.startswith(start))
    given = {name.removeprefix(start): tensor for name, tensor in of_network}
    own, theirs = shapes_of(network, network.state_dict()), shapes_of(network, given)
    other = [name for name in [*own, *theirs] if own.get(name) != theirs.get(name)]
    for name in other[:1]:
        wanted, got = (shapes.get(name, "no such tensor") for shapes in (own, theirs))
        yield (
            f"model {run.model} wants {name} {wanted}, the checkpoint has {got}; name a "
            "checkpoint of the same size, modes and blocks"
        )


def _other_normalization(checkpoint: Checkpoint, study: StudyFile, run: Run) -> Iterator[str]:
    options = model_options(study, run)
    wanted = options.get("normalization", "paper")
    found = checkpoint.operator.normalization if checkpoint.operator else "none"
    if wanted != found and options.get("statistics") != "downstream":
        yield (
            f"its normalization is {found}, recipe {run.recipe} wants {wanted}; use the recipe "
            "that it was trained by, or fine-tune with statistics: downstream"
        )


def _other_prediction(checkpoint: Checkpoint, study: StudyFile, run: Run) -> Iterator[str]:
    found = checkpoint.operator.predicts if checkpoint.operator else "state"
    wanted = model_options(study, run).get("predicts") or found
    if wanted != found:
        yield f"it predicts the {found}, recipe {run.recipe} wants predicts={wanted}; leave it out"
