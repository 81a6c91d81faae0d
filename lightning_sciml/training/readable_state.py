"""Reject a state that cannot be read back, before the first step."""

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from lightning_sciml.checkpoints.plain_state import reject_unreadable
from lightning_sciml.training.parallelism import ShardedParameters


class ReadableState(Callback):
    """Checks before the first step that the run's checkpoints can be read back."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Make the state that would be written, and check it.

        Raises:
            InputError: a class or a function is part of it.
        """
        optimizers = trainer.strategy.optimizers
        if isinstance(trainer.strategy, ShardedParameters):
            trainer.strategy.optimizers = []  # torch makes a missing sharded state by a step
        try:
            state = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
        finally:
            trainer.strategy.optimizers = optimizers
        reject_unreadable(state)
