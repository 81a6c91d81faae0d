"""The moments between two optimizer steps from which a run can be resumed exactly."""

from abc import ABC, abstractmethod
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint


class StepBoundary(Checkpoint, ABC):
    """Calls `between_steps` after completed optimizer steps, on all ranks at the same ones.

    Lightning resumes a checkpoint that was written after a batch which validation follows, or after
    the last batch of an epoch, *behind* that validation: its errors would be missing from the
    curve, and a best checkpoint with them. Such a moment is put off until after the validation: to
    the end of the epoch, or to the next step. Nor is there one once the last step is done: training
    ends by itself then.

    A Checkpoint in Lightning's eyes, so that it follows the callback that keeps the best one.
    """

    _step = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start counting where the run goes on."""
        self._step = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """A boundary if the optimizer has just stepped: it has not while gradients add up."""
        has_stepped = trainer.global_step != self._step
        self._step = trainer.global_step
        if has_stepped and not (_reached_max_steps(trainer) or _is_validated(trainer, batch_idx)):
            self.between_steps(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A boundary after the validation of the epoch."""
        is_last_epoch = trainer.current_epoch + 1 == trainer.max_epochs
        if not (_reached_max_steps(trainer) or is_last_epoch):
            self.between_steps(trainer)

    @abstractmethod
    def between_steps(self, trainer: pl.Trainer) -> None:
        """What is done there."""


def _reached_max_steps(trainer: pl.Trainer) -> bool:
    return trainer.max_steps != -1 and trainer.global_step >= trainer.max_steps


def _is_validated(trainer: pl.Trainer, batch_idx: int) -> bool:
    """Whether validation may follow this batch; the last of an epoch counts as such."""
    interval = trainer.val_check_batch
    if trainer.is_last_batch or interval is None:  # None: by the clock, so any batch may be the one
        return True
    if trainer.check_val_every_n_epoch is None:
        batch_idx = trainer.fit_loop.total_batch_idx
    return (batch_idx + 1) % interval == 0
