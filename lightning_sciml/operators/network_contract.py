"""Check what a network says of its channels, what it returns, and that its state is tensors."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from lightning_sciml.errors import InputError

Over = Literal["fields", "coefficients", "all", "outputs"]
ANY_FIELD = ("solution",)
"""The output fields of a network that predicts any single field."""


class ChannelNames(NamedTuple):
    """Names of the fields and coefficients that a network takes, and of the fields it predicts.

    Attributes:
        fields: input fields, which vary in space.
        coefficients: numbers of a sample.
        outputs: output fields.
    """

    fields: tuple[str, ...]
    coefficients: tuple[str, ...]
    outputs: tuple[str, ...] = ANY_FIELD

    def of(self, over: Over) -> tuple[str, ...]:
        """Return the names of a part of the channels, or of all inputs: fields first."""
        parts = {
            "fields": self.fields,
            "coefficients": self.coefficients,
            "outputs": self.outputs,
        }
        return parts.get(over, self.fields + self.coefficients)


class ChannelAxis(NamedTuple):
    """The axis of a tensor that runs over channels.

    Attributes:
        axis: its number.
        over: which channels.
    """

    axis: int
    over: Over


def channel_names_of(network: nn.Module) -> ChannelNames:
    """Return the fields and coefficients that a network takes and predicts, in order.

    Raises:
        InputError: it does not say which coefficients, or names are no sequence of different texts.
    """
    return ChannelNames(
        _names(network, "input_fields", ("source",)),
        _names(network, "coefficient_names", None),
        _names(network, "output_fields", ANY_FIELD),
    )


def channel_axes_of(network: nn.Module) -> dict[str, ChannelAxis]:
    """Return the parameters that a network says to run over its input or output channels."""
    kinds: tuple[tuple[str, Over], ...] = (
        ("channel_axes", "all"),
        ("output_channel_axes", "outputs"),
    )
    return {
        name: ChannelAxis(axis, over)
        for attribute, over in kinds
        for name, axis in getattr(network, attribute, {}).items()
    }


def _names(network: nn.Module, attribute: str, default: tuple[str, ...] | None) -> tuple[str, ...]:
    names = getattr(network, attribute, default)
    if isinstance(names, list | tuple) and len(set(names)) == len(names):
        return tuple(names)
    raise InputError(
        f"network {type(network).__name__} needs an attribute {attribute}, a tuple of those that "
        f"it takes in order, each once, such as {default or ('k11', 'k22', 'k12')}, got {names}"
    )


def matched(
    names: Sequence[str], wanted: Sequence[str], option: str, *, made: Sequence[str] = ()
) -> list[int]:
    """Find the positions of the data's channels among the operator's.

    Args:
        names: of the data.
        wanted: of the operator.
        option: of the network, that names its channels.
        made: other channels of the network, which no data have; they may be among `wanted`.

    Raises:
        InputError: the operator does not have one of them; `option` is to name it.
    """
    missing = [name for name in names if name not in wanted]
    if missing:
        others = [name for name in wanted if name not in made]
        kept = [] if set(names).isdisjoint(others) else others
        raise InputError(
            f"the network has {option} {list(wanted)}, the data has {list(names)}; "
            f"set model.network.{option} to [{', '.join([*kept, *missing, *made])}]"
        )
    return [list(wanted).index(name) for name in names]


def matched_outputs(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Find the positions of the data's output fields; "solution" alone stands for any one field.

    Raises:
        InputError: the operator does not predict one of them.
    """
    if tuple(wanted) == ANY_FIELD and len(names) == 1:
        return [0]
    return matched(names, wanted, "output_fields")


def all_matched(*matches: Callable[[], list[int]]) -> list[list[int]]:
    """Return the positions that each match finds.

    Raises:
        InputError: what is wrong with any of them, in one line.
    """
    found, faults = [], []
    for match in matches:
        try:
            found.append(match())
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise InputError("; ".join(faults))
    return found


def network_output(
    network: nn.Module,
    inputs: Float[Tensor, "B S H W"],
    coefficients: Float[Tensor, "B c"],
    num_outputs: int,
) -> Float[Tensor, "B F H W"]:
    """Return the network's output; reject another shape, which would be broadcast.

    Raises:
        InputError: it is no real field with F channels on the grid of the inputs.
    """
    output = network(inputs, coefficients)
    wanted = (inputs.shape[0], num_outputs, *inputs.shape[2:])
    if not isinstance(output, Tensor):
        got = f"a {type(output).__name__}"
    elif output.shape == wanted and output.is_floating_point():
        return output
    else:
        got = f"{tuple(output.shape)} of {output.dtype}"
    raise InputError(
        f"the network must return a real field {wanted} for inputs "
        f"{tuple(inputs.shape)} and coefficients {tuple(coefficients.shape)}, "
        f"got {got}; change the forward of {type(network).__qualname__}"
    )


def tensors_of(state: dict[str, Any]) -> dict[str, Any]:
    """Remove what is no tensor from the state of a module, and return it.

    Some networks add their constructor's arguments, with functions among them: these cannot be
    read back without running code, and loading does not need them.
    """
    for name in [name for name, value in state.items() if not isinstance(value, Tensor)]:
        del state[name]
    return state


def reject_lost_state(module: nn.Module) -> None:
    """Reject a module that cannot be restored from the tensors of its state.

    Raises:
        InputError: it keeps something else, by ``get_extra_state``.
    """
    missing = module.load_state_dict(tensors_of(module.state_dict()), strict=False).missing_keys
    if missing:
        raise InputError(
            f"checkpoints hold tensors alone, the network's {missing[0]} (of get_extra_state) "
            "is lost with them; register it as a buffer"
        )
