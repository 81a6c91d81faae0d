"""Check that a checkpoint holds only values that are read back without running code."""

import io
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, nn

from lightning_sciml.errors import InputError


class ReadableState(Callback):
    """Checks before the first step that the run's checkpoints can be read back."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Make the state that would be written, and check it.

        Raises:
            InputError: a class or a function is part of it.
        """
        optimizers = trainer.strategy.optimizers
        if isinstance(trainer.strategy, ModelParallelStrategy):
            trainer.strategy.optimizers = []  # torch makes a missing sharded state by a step
        try:
            state = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
        finally:
            trainer.strategy.optimizers = optimizers
        reject_unreadable(state)


def reject_unreadable(state: Any, place: str = "") -> None:
    """Reject a state that ``torch.load(weights_only=True)`` does not read.

    Milliseconds, whatever the size of the tensors: their numbers are left out.

    Args:
        state: a tree of dictionaries, lists and values.
        place: its keys joined by dots, where it is part of another.

    Raises:
        InputError: naming the first value, by its keys, that cannot be read back.
    """
    if is_readable(_without_numbers(state)):
        return
    if isinstance(state, dict | list | tuple):
        items = state.items() if isinstance(state, dict) else enumerate(state)
        for key, value in items:
            reject_unreadable(value, f"{place}.{key}" if place else str(key))
    raise InputError(
        f"{place} would be part of a checkpoint and cannot be read back without running "
        f"code, got {type(state).__module__}.{type(state).__qualname__}; keep plain "
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


def _without_numbers(state: Any) -> Any:
    """Replace plain tensors in a tree by empty ones."""
    if type(state) in (Tensor, nn.Parameter):
        return torch.empty(0)
    if type(state) is dict:
        return {key: _without_numbers(value) for key, value in state.items()}
    if type(state) in (list, tuple):
        return type(state)(map(_without_numbers, state))
    return state
