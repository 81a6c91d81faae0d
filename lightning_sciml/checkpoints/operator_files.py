"""Load neural operators from files; no code in a file is run."""

from collections.abc import Mapping
from math import isqrt
from pathlib import Path

import torch
from torch import Tensor, nn

from lightning_sciml.checkpoints.files import Checkpoint, best_of_run, read_checkpoint
from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.models.low_rank import merged
from lightning_sciml.operators.description import TrainedProblem
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.steady import EQUATIONS
from lightning_sciml.released_operators import checkpoint_path
from lightning_sciml.streaming.training_statistics import TrainingStatistics

FNO_CLASS = f"{FNO.__module__}.{FNO.__qualname__}"


def load_operator(
    path: str | Path,
    *,
    network: nn.Module | None = None,
    medians: Mapping[str, float] | None = None,
) -> NeuralOperator:
    """Load a trained operator, ready to predict, on the CPU.

    Args:
        path: the name of a released operator, see ``sciml models list``; a checkpoint of
            ``sciml fit``, or the folder of a run, whose best.ckpt is taken; a folder with
            config.json and model.safetensors as ``sciml export --format safetensors`` writes it;
            hf://OWNER/NAME, a model repository of the Hugging Face hub; or a ckpt.tar of the
            paper's code.
        network: for a checkpoint of a network of one's own: another of the same shape. It is not
            imported by its name, since a file of weights is not to choose what code runs.
        medians: for a ckpt.tar, which holds none: the median of the source's L² norm under
            "source", and of each coefficient's absolute value by its name, in the order of the
            equation; over the training set.

    Raises:
        InputError: there is no such file, it is damaged, or it does not say what is needed.
    """
    path = best_of_run(checkpoint_path(path))
    checkpoint = read_checkpoint(path)
    if checkpoint.operator is None:
        operator = _of_reference(checkpoint, path, network, medians)
    else:
        operator = operator_of(checkpoint, path, network=network)
    return operator.eval()


def operator_of(
    checkpoint: Checkpoint, origin: str | Path, *, network: nn.Module | None = None
) -> NeuralOperator:
    """Build the operator that a checkpoint describes, with its weights.

    Raises:
        InputError: the checkpoint describes none, or its network is not known.
    """
    told = checkpoint.operator
    if told is None:
        raise InputError(f"{origin} does not describe an operator; name a checkpoint of sciml fit")
    if network is None:
        network = network_of(checkpoint, origin)
    operator = NeuralOperator(
        network,
        normalization=told.normalization,  # type: ignore[arg-type]
        coordinates=told.coordinates,  # type: ignore[arg-type]
        predicts=told.predicts,  # type: ignore[arg-type]
        conserves_means=told.conserves_means,
    )
    own = operator.describe()
    for name in ("coefficient_names", "input_fields", "output_fields"):
        if getattr(own, name) != getattr(told, name):
            raise InputError(
                f"the network's {name} are {list(getattr(own, name))}, {origin} was trained with "
                f"{list(getattr(told, name))}; give them in that order"
            )
    load_matching(operator, merged(checkpoint.weights), origin)
    operator.trained_on = told.problems
    operator.bind([trained.among(operator.coefficient_names) for trained in told.problems])
    return operator


def network_of(
    checkpoint: Checkpoint, origin: str | Path, names: ChannelNames | None = None
) -> nn.Module:
    """Build a network of the checkpoint's shape, with random weights.

    Args:
        checkpoint: describes an FNO.
        origin: of the checkpoint, for messages.
        names: of its channels; those of the checkpoint by default.

    Raises:
        InputError: the network is another one; a class is not imported by its name in a file.
    """
    told = checkpoint.operator
    if told is None or told.network.class_path != FNO_CLASS:
        name = told.network.class_path if told else "one that it does not name"
        raise InputError(
            f"the network of {origin} is {name}, a class that a file of weights does not choose; "
            "give one of its shape: load_operator(..., network=...) in Python, --model.network in "
            "fit, --network in predict --input"
        )
    return _fno(merged(checkpoint.weights), origin, names or told.channel_names)


def _fno(weights: Mapping[str, Tensor], origin: str | Path, names: ChannelNames) -> FNO:
    """Build an FNO of the shape of its weights: it is no larger than they are."""
    kernels = [w for name, w in weights.items() if name.endswith("spectral.weight")]
    if not kernels or kernels[0].ndim != 4 or len(kernels[0]) < 2:
        raise InputError(f"{origin} holds no weights of an FNO; name a checkpoint of sciml fit")
    return FNO(
        num_channels=kernels[0].shape[1],
        num_modes=isqrt(len(kernels[0]) // 2),
        num_blocks=len(kernels),
        block="mlp" if any(".0.hidden." in name for name in weights) else "paper",
        conditioning="film" if any("modulation." in name for name in weights) else "bias",
        coefficient_names=names.coefficients,
        input_fields=names.fields,
        output_fields=names.outputs,
    )


def load_matching(module: nn.Module, weights: Mapping[str, Tensor], origin: str | Path) -> None:
    """Load every tensor of `module` from `weights`; names and shapes must agree.

    Raises:
        InputError: a tensor is missing, is not wanted, has another shape or holds a number that is
            not finite; the first is named.
    """
    reject_other_tensors(module.state_dict(), weights, origin)
    reject_not_finite(weights, origin)
    module.load_state_dict(weights)


def reject_not_finite(weights: Mapping[str, Tensor], origin: str | Path) -> None:
    """Raise an InputError that names the first tensor with NaN or infinity in it."""
    for name, tensor in weights.items():
        num_bad = int((~torch.isfinite(tensor)).sum())
        if num_bad:
            raise InputError(
                f"{name} of {origin} must be finite, {num_bad} of its {tensor.numel()} numbers are "
                "NaN or infinite: the training diverged; take an earlier checkpoint, or train "
                "with a lower learning rate"
            )


def reject_other_tensors(
    own: Mapping[str, Tensor], weights: Mapping[str, Tensor], origin: str | Path
) -> None:
    """Raise an InputError that names the first tensor that is missing or has another shape."""
    for name in [*own, *weights]:
        wanted, got = _kind(own.get(name)), _kind(weights.get(name))
        if wanted != got:
            raise InputError(
                f"the network wants {name} {wanted}, {origin} has {got}; use the same size, modes "
                "and coefficient_names as in pre-training"
            )


def _kind(tensor: Tensor | None) -> str:
    """Return the shape of a tensor, and its type of number where that is no float."""
    if tensor is None:
        return "no such tensor"
    is_plain = tensor.is_floating_point() and tensor.layout == torch.strided
    told = "" if is_plain else f" of {tensor.dtype}, {tensor.layout}".replace("torch.", "")
    return f"{tuple(tensor.shape)}{told}"


def _of_reference(
    checkpoint: Checkpoint,
    origin: str | Path,
    network: nn.Module | None,
    medians: Mapping[str, float] | None,
) -> NeuralOperator:
    """Build an operator from the paper's network, whose file has no names and no scales."""
    if medians is None or "source" not in medians:
        raise InputError(
            f"{origin} holds weights alone; give medians of its training set: source, and each "
            "coefficient by name"
        )
    names = tuple(name for name in medians if name != "source")
    if network is None:
        network = _fno(checkpoint.weights, origin, ChannelNames(("source",), names))
    operator = NeuralOperator(network)
    weights = {name.removeprefix("network."): w for name, w in checkpoint.weights.items()}
    load_matching(operator.network, weights, origin)
    equation = next((n for n, e in EQUATIONS.items() if e.coefficient_names == names), "none")
    trained = TrainedProblem(
        name=equation,
        equation=equation,
        parameters={},
        coefficient_names=names,
        ranges=dict.fromkeys(names, (-float("inf"), float("inf"))),
        grid=Grid(shape=(128, 128)),  # of the published data sets
        input_fields=operator.input_fields,
        output_fields=operator.output_fields,
    )
    statistics = TrainingStatistics(
        field_norms={"source": medians["source"]},
        coefficients={name: medians[name] for name in names},
        scaled_coefficients={},
    )
    operator.fit(statistics, [trained])
    operator.bind([trained.among(names)])
    return operator
