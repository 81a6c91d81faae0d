"""Match channels by name: positions of the data's channels among an operator's."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from torch import nn

from lightning_sciml.errors import InputError

Over = Literal["fields", "coefficients", "all"]


class ChannelNames(NamedTuple):
    """Names of the fields and coefficients that a network takes.

    Attributes:
        fields: fields that vary in space.
        coefficients: numbers of a sample.
    """

    fields: tuple[str, ...]
    coefficients: tuple[str, ...]

    def of(self, over: Over) -> tuple[str, ...]:
        """Return the names of a part of the channels, or of all: fields first."""
        return {
            "fields": self.fields,
            "coefficients": self.coefficients,
            "all": (*self.fields, *self.coefficients),
        }[over]


class ChannelAxis(NamedTuple):
    """The axis of a tensor that runs over channels.

    Attributes:
        axis: its number.
        over: which channels.
    """

    axis: int
    over: Over


def matched(names: Sequence[str], wanted: Sequence[str], option: str) -> list[int]:
    """Find the positions of the data's channels among the operator's.

    Raises:
        InputError: the operator does not take one of them; `option` is where to add it.
    """
    missing = [name for name in names if name not in wanted]
    if missing:
        raise InputError(
            f"the network takes {option} {list(wanted)}, the data also has {missing}; "
            f"add them to network.{option}"
        )
    return [list(wanted).index(name) for name in names]


def channel_names_of(network: nn.Module) -> ChannelNames:
    """Return the fields and coefficients that a network takes, in order.

    Raises:
        InputError: it does not say which coefficients, or names are no sequence of different texts.
    """
    example = ("k11", "k22", "k12")
    return ChannelNames(
        _names(network, "input_fields", ("source",), example=("source",)),
        _names(network, "coefficient_names", None, example=example),
    )


def _names(
    network: nn.Module, attribute: str, default: tuple[str, ...] | None, example: tuple[str, ...]
) -> tuple[str, ...]:
    names = getattr(network, attribute, default)
    if isinstance(names, list | tuple) and len(set(names)) == len(names):
        return tuple(names)
    raise InputError(
        f"network {type(network).__name__} needs an attribute {attribute}, a tuple of those that "
        f"it takes in order, each once, such as {example}, got {names}"
    )
