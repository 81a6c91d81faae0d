"""Choose the tensors that fine-tuning trains, and the learning rate of each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import torch
from torch import nn

from lightning_sciml.errors import InputError
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.training.weight_transfer import Origin, matches, reject_idle_patterns

Trains = Literal["all", "pointwise", "new"]
SPECTRAL = "network.*.spectral.*"


def freeze_parts(
    operator: NeuralOperator,
    origins: Mapping[str, Origin],
    *,
    trains: Trains,
    freeze: Sequence[str],
    rate_factors: Mapping[str, float],
) -> None:
    """Freeze the parameters that keep their pre-trained values.

    Args:
        operator: with the weights that training starts from.
        origins: of its tensors.
        trains: see FineTuningModule.
        freeze: patterns of names.
        rate_factors: by pattern; each must fit a parameter.

    Raises:
        InputError: a pattern fits no parameter, or nothing is left to train.
    """
    parameters = dict(operator.named_parameters())
    reject_idle_patterns("freeze", freeze, parameters)
    reject_idle_patterns("rate_factors", sorted({*rate_factors} - {"new"}), parameters)
    if trains == "pointwise":
        reject_idle_patterns("trains=pointwise", [SPECTRAL], parameters)
    kept = {"all": (), "pointwise": [SPECTRAL], "new": ["*"]}[trains]
    for name, parameter in parameters.items():
        is_kept = origins[name] == "loaded" and matches(name, kept)
        if is_kept or matches(name, freeze):
            parameter.requires_grad_(False)
    if not any(p.requires_grad for p in parameters.values()):
        raise InputError(
            f"nothing is left to train with trains={trains}; name less in freeze, set trains to "
            "all, or low_rank to a rank"
        )


def rate_groups(
    operator: NeuralOperator, origins: Mapping[str, Origin], factors: Mapping[str, float]
) -> dict[float, list[nn.Parameter]]:
    """Group the trained parameters by the factor of their learning rate."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in operator.named_parameters():
        if parameter.requires_grad:
            factor = _rate_factor(name, origins[name], factors)
            groups.setdefault(factor, []).append(parameter)
    return groups


def _rate_factor(name: str, origin: Origin, factors: Mapping[str, float]) -> float:
    """Return the factor of the first pattern that fits; "new" fits what is not loaded as it is."""
    for pattern, factor in factors.items():
        if (pattern == "new" and origin != "loaded") or matches(name, [pattern]):
            return factor
    return 1.0


def table_of_fates(
    operator: NeuralOperator, origins: Mapping[str, Origin], optimizer: torch.optim.Optimizer
) -> str:
    """Format one line a tensor: name, shape, origin, whether it is trained, learning rate."""
    return "\n".join(_fates(operator, origins, optimizer))


def _fates(
    operator: NeuralOperator, origins: Mapping[str, Origin], optimizer: torch.optim.Optimizer
) -> Iterator[str]:
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    parameters = dict(operator.named_parameters())
    yield f"{'tensor':52s} {'shape':22s} {'origin':8s} learning rate"
    for name, tensor in operator.state_dict().items():
        rate = rates.get(id(parameters.get(name)))
        told = "frozen" if rate is None else f"trained at {rate:g}"
        shape = "×".join(map(str, tensor.shape)) or "scalar"
        yield f"{name:52s} {shape:22s} {origins[name]:8s} {told}"
