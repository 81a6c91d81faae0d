"""Check a network: its output has the solution's shape, its state is tensors."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from lightning_sciml.errors import InputError


def network_output(
    network: nn.Module,
    source: Float[Tensor, "B S H W"],
    coefficients: Float[Tensor, "B c"],
) -> Float[Tensor, "B 1 H W"]:
    """Return the network's output; reject another shape, which would be broadcast.

    Raises:
        InputError: it is no real field with one channel on the grid of the source.
    """
    output = network(source, coefficients)
    wanted = (len(source), 1, *source.shape[2:])
    if not isinstance(output, Tensor):
        got = f"a {type(output).__name__}"
    elif output.shape == wanted and output.is_floating_point():
        return output
    else:
        got = f"{tuple(output.shape)} of {output.dtype}"
    raise InputError(
        f"the network must return a real field {wanted} for a source "
        f"{tuple(source.shape)} and coefficients {tuple(coefficients.shape)}, "
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
