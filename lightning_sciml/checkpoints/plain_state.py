"""Check that a checkpoint holds only values that are read back without running code."""

import io
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lightning_sciml.errors import InputError


def reject_unreadable(state: Any) -> None:
    """Reject a state that ``torch.load(weights_only=True)`` does not read.

    Milliseconds, whatever the size of the tensors: their numbers are left out.

    Raises:
        InputError: naming the first value, by its keys, that cannot be read back.
    """
    if is_readable(without_numbers(state)):
        return
    for place, value in leaves(state):
        if not is_readable(value):
            raise InputError(
                f"{place} would be part of a checkpoint and cannot be read back without running "
                f"code, got {type(value).__module__}.{type(value).__qualname__}; keep plain "
                "values and tensors in the state of networks, optimizers, schedulers and callbacks"
            )


def is_readable(state: Any) -> bool:
    """Return whether a saved value can be loaded without running code."""
    file = io.BytesIO()
    try:
        torch.save(state, file)
        file.seek(0)
        torch.load(file, weights_only=True)
    except Exception:  # of pickling, of __reduce__, of unpickling
        return False
    return True


def without_numbers(state: Any) -> Any:
    """Replace plain tensors in a tree by empty ones."""
    if type(state) in (Tensor, nn.Parameter):
        return torch.empty(0)
    if type(state) is dict:
        return {key: without_numbers(value) for key, value in state.items()}
    if type(state) in (list, tuple):
        return type(state)(map(without_numbers, state))
    return state


def leaves(state: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """List the values of a tree with their keys joined by dots, without plain tensors."""
    if isinstance(state, dict):
        children = [(str(key), value) for key, value in state.items()]
    elif isinstance(state, list | tuple):
        children = [(str(index), value) for index, value in enumerate(state)]
    else:
        if type(state) not in (Tensor, nn.Parameter):
            yield place, state
        return
    for key, value in children:
        yield from leaves(value, f"{place}.{key}" if place else key)
