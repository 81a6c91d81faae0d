"""Call callbacks between optimizer steps, where a run can be resumed exactly."""

from abc import ABC, abstractmethod
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint


class StepBoundary(Checkpoint, ABC):
    """Calls `between_steps` after completed optimizer steps, on all ranks at the same ones.

    Lightning resumes a checkpoint that was written after a batch which validation follows, or after
    the last batch of an epoch, *behind* that validation: its errors would be missing from the
    curve, and a best checkpoint with them. Such a moment is put off until after the validation, or
    to the start of the next epoch. There is none once the last step is done: training ends by
    itself then.

    A Checkpoint in Lightning's eyes, so that it follows the callback that keeps the best one.
    """

    _step = -1
    _has_stepped = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start to count at the step where the run resumes."""
        self._step, self._has_stepped = trainer.global_step, False

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Act if the optimizer has just stepped, not while gradients accumulate."""
        self._has_stepped = trainer.global_step != self._step
        self._step = trainer.global_step
        if not _is_validated(trainer, batch_idx):
            self._boundary_within_epoch(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Act after a validation within an epoch, unless gradients accumulate."""
        if not trainer.sanity_checking:
            self._boundary_within_epoch(trainer)

    def _boundary_within_epoch(self, trainer: pl.Trainer) -> None:
        if self._has_stepped and not (trainer.is_last_batch or _reached_max_steps(trainer)):
            self.between_steps(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Act between epochs, after ReduceLROnPlateau has got the last validation error."""
        if self._has_stepped:
            self.between_steps(trainer)

    @abstractmethod
    def between_steps(self, trainer: pl.Trainer) -> None:
        """Do what the subclass does between steps."""


def is_last_step(trainer: pl.Trainer) -> bool:
    """Return whether training ends after this batch."""
    is_last_epoch = trainer.current_epoch + 1 == trainer.max_epochs
    ends_here = trainer.should_stop or (is_last_epoch and trainer.is_last_batch)
    return ends_here or _reached_max_steps(trainer)


def _reached_max_steps(trainer: pl.Trainer) -> bool:
    return trainer.max_steps != -1 and trainer.global_step >= trainer.max_steps


def _is_validated(trainer: pl.Trainer, batch_idx: int) -> bool:
    """Return whether validation follows this batch; one by the clock cannot be foreseen."""
    interval, every_n_epochs = trainer.val_check_batch, trainer.check_val_every_n_epoch
    if interval is None or not trainer.enable_validation:
        return False
    if every_n_epochs is None:
        return (trainer.fit_loop.total_batch_idx + 1) % interval == 0
    is_in_epoch = (trainer.current_epoch + 1) % every_n_epochs == 0
    return is_in_epoch and (batch_idx + 1) % interval == 0
