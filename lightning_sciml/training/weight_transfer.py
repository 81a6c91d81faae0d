"""Take over weights from a pre-trained checkpoint, tensor by tensor."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.operators.made_inputs import AMPLITUDE, amplitude_names
from lightning_sciml.operators.network_contract import ANY_FIELD, ChannelAxis, ChannelNames
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.streaming.windows import field_of

Origin = Literal["loaded", "new", "resized"]
SCALES = ("normalization.", "increments.")
"""What names of the tensors that are measured on training samples begin with."""


@dataclass(frozen=True, kw_only=True)
class Channels:
    """Channels here and in the checkpoint.

    Attributes:
        own: of the operator.
        pretrained: of the checkpoint.
        axes: the tensors that run over channels.
        new_columns: what the network's weights start from in an input channel that the checkpoint
            lacks: zero, so that the function is the pre-trained one, or as they were initialised.
            New output fields start as they were initialised.
    """

    own: ChannelNames
    pretrained: ChannelNames
    axes: Mapping[str, ChannelAxis]
    new_columns: Literal["zero", "random"] = "zero"

    def mapped(self, name: str, own: Tensor, pretrained: Tensor) -> Tensor:
        """Order the tensor `name` of the checkpoint by the module's channels.

        A new channel keeps the scale that its own data gave it; another state of a known field
        has the scale of that field.
        """
        if name not in self.axes or self.own == self.pretrained:
            return pretrained
        axis, over = self.axes[name]
        here, there = self.own.of(over), self.pretrained.of(over)
        wanted = [*own.shape[:axis], len(there), *own.shape[axis + 1 :]]
        is_any_field = over == "outputs" and there == ANY_FIELD and len(here) == 1
        if here == there or is_any_field or list(pretrained.shape) != wanted:
            return pretrained  # of another size, which the caller rejects
        is_zero = name.startswith("network.") and self.new_columns == "zero" and over != "outputs"
        result = torch.zeros_like(own) if is_zero else own.clone()
        is_scale = name.startswith(SCALES)
        for to, channel in enumerate(here):
            known = channel if channel in there or not is_scale else _other_state(channel, there)
            if known in there:
                column = pretrained.select(axis, there.index(known))
                result.select(axis, to).copy_(column)
        return result


def _other_state(channel: str, there: Sequence[str]) -> str:
    """Find the same field at another time: all states of a history have one scale."""
    return next((name for name in there if field_of(name) == field_of(channel)), channel)


def take_over(
    module: nn.Module,
    weights: Mapping[str, Tensor],
    channels: Channels,
    *,
    reinitialize: Sequence[str] = (),
    ignore: Sequence[str] = (),
    origin: str | Path = "the checkpoint",
) -> dict[str, Origin]:
    """Load `weights` into `module`, channels matched by name; return each tensor's origin.

    Args:
        module: as it was initialised.
        weights: of the checkpoint.
        channels: names of the coefficients on both sides.
        reinitialize: patterns of names that are left as they are in `module`.
        ignore: patterns of names in `weights` for which `module` has no place.
        origin: of the weights, for messages.

    Raises:
        InputError: a tensor has no counterpart, or one of another shape; or a pattern fits none.
    """
    own = module.state_dict()
    reject_idle_patterns("reinitialize", reinitialize, own)
    anew = {name for name in own if _is_update(name) or matches(name, reinitialize)}
    lacking = [n for n in own if n not in anew and plain_name(n) not in weights]
    if lacking:
        raise InputError(
            f"the network wants {', '.join(lacking)}, which {origin} lacks; name "
            f"{_patterns(lacking, own)} in reinitialize, or use the network of the pre-training"
        )
    origins: dict[str, Origin] = {}
    result = dict(own)
    for name, tensor in own.items():
        if name in anew:
            origins[name] = "new"
            continue
        pretrained = weights[plain_name(name)]
        mapped = channels.mapped(name, tensor, pretrained)
        if mapped.shape != tensor.shape:
            raise InputError(
                f"the network wants {name} {tuple(tensor.shape)}, {origin} has "
                f"{tuple(pretrained.shape)}; use the size, modes and blocks of the pre-training, "
                "or name it in reinitialize"
            )
        origins[name] = "loaded" if mapped is pretrained else "resized"
        result[name] = mapped
    unused = set(weights) - {plain_name(name) for name in own}
    reject_idle_patterns("ignore", ignore, dict.fromkeys(unused))
    unused = {name for name in unused if not matches(name, ignore)}
    if unused:
        raise InputError(
            f"the network has no place for {', '.join(sorted(unused))} of {origin}; use the "
            "network of the pre-training, or name it in ignore"
        )
    module.load_state_dict(result)
    return origins


def plain_name(name: str) -> str:
    """Return the name of a tensor as it is without a low-rank update beside it."""
    return name.replace(".parametrizations.weight.original", ".weight")


def _is_update(name: str) -> bool:
    """Tell whether a tensor is a low-rank update beside a weight."""
    return "parametrizations" in name and not name.endswith("original")


def _patterns(lacking: Collection[str], own: Collection[str]) -> str:
    """Name tensors that are lacking, by their layer where it lacks all: network.modulation.*."""
    patterns = []
    for name in lacking:
        layer = name.rpartition(".")[0] + "."
        lacks_all = all(other in lacking for other in own if other.startswith(layer))
        patterns.append(layer + "*" if lacks_all else name)
    return ", ".join(dict.fromkeys(patterns))


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Return whether one of the patterns (``network.blocks.[01].*``) fits the name."""
    return any(fnmatch(plain_name(name), pattern) for pattern in patterns)


def reject_idle_patterns(option: str, patterns: Sequence[str], names: Mapping[str, object]) -> None:
    """Raise an InputError for a pattern that fits no name."""
    for pattern in patterns:
        if not any(matches(name, [pattern]) for name in names):
            raise InputError(
                f"{option} names {pattern}, no tensor fits; there are {', '.join(names) or 'none'}"
            )


def joined_names(pretrained: ChannelNames, data: ChannelNames) -> ChannelNames:
    """Return the names of the checkpoint's channels, and after them what only the data have.

    A network of the one output "solution" predicts any single field: it gets none more.
    """
    outputs = pretrained.outputs
    if outputs != ANY_FIELD or len(data.outputs) > 1:
        outputs = (*outputs, *data.outputs)
    return ChannelNames(
        *(
            tuple(dict.fromkeys(names))
            for names in (
                (*pretrained.fields, *data.fields),
                (*pretrained.coefficients, *data.coefficients),
                outputs,
            )
        )
    )


def reject_renamed_fields(
    pretrained: ChannelNames, data: ChannelNames, left_alone: Sequence[str], origin: str
) -> None:
    """Raise an InputError if the data have none of the checkpoint's input or output fields.

    Their weights would start anew, though the fields may be the same ones under other names.

    Args:
        pretrained: of the checkpoint.
        data: of this run.
        left_alone: patterns of tensors that are to start anew.
        origin: of the checkpoint.
    """
    is_any_field = pretrained.outputs == ANY_FIELD and len(data.outputs) == 1
    for kind, before, now, part in (
        ("input", pretrained.fields, data.fields, "network.lifting.weight"),
        ("output", pretrained.outputs, data.outputs, "network.projection.output.weight"),
    ):
        known = is_any_field and kind == "output"
        if set(before).isdisjoint(now) and not known and not matches(part, left_alone):
            raise InputError(
                f"the data have the {kind} fields {list(now)}, {origin} was trained with "
                f"{list(before)}; name them alike, or name {part} in reinitialize"
            )


def reject_other_scales(
    weights: Mapping[str, Tensor],
    scales: str,
    operator: NeuralOperator,
    pretrained: ChannelNames,
    origin: str,
) -> None:
    """Raise an InputError if a checkpoint does not hold the scales of the operator's inputs.

    Args:
        weights: of the checkpoint.
        scales: its normalization.
        operator: that is to use them.
        pretrained: channels of the checkpoint.
        origin: of the weights.
    """
    if not any(name.startswith("normalization.") for name in weights):
        raise InputError(f"{origin} holds no normalisation; set statistics to downstream")
    if scales != operator.normalization_name:
        raise InputError(
            f"{origin} holds the scales of normalization={scales}, this run has "
            f"{operator.normalization_name}; set statistics to downstream, or leave "
            "normalization out"
        )
    now = operator.channel_names.fields
    common = {*map(field_of, now)} & {*map(field_of, pretrained.fields)}
    before, after = (common.intersection(amplitude_names(f)) for f in (pretrained.fields, now))
    for name in sorted(before ^ after):
        kinds, remedy = ("of amplitude one", "as it is"), "add {} to"
        if name in after:
            kinds, remedy = kinds[::-1], "drop {} from"
        raise InputError(
            f"{origin} holds the scales of {name} {kinds[0]}, this run has {name} {kinds[1]}; "
            f"{remedy.format(AMPLITUDE + name)} model.network.input_fields, or set statistics to "
            "downstream"
        )


def reject_other_prediction(before: str, now: str, origin: str) -> None:
    """Raise an InputError where weights have learnt increments and are to predict states, or so."""
    if before != now:
        raise InputError(
            f"{origin} was trained with predicts={before}, this run has {now}; leave predicts out"
        )


def warn_of_other_coordinates(before: Sequence[str], now: Sequence[str], origin: str) -> None:
    """Warn where weights have learnt from problems in other coordinates."""
    trained, wanted = (sorted({*names} - {"square_average"}) for names in (before, now))
    if trained != wanted:
        rank_zero_warn(
            f"{origin} was trained with coordinates {trained}, this run has {wanted}: its "
            "network sees problems in other coordinates"
        )
