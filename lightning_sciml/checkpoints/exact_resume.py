"""Set Lightning's counters to where a checkpoint was written: no batch is lost or repeated."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import (
    Callback,
    GradientAccumulationScheduler,
    StochasticWeightAveraging,
)

ACCUMULATED = "accumulate_grad_batches"  # in the checkpoint; another start may have another number


class ExactResume(Callback):
    """Resumes at the batch after the last optimizer step of a checkpoint.

    Lightning leaves its counters in one of several states, depending on the hook that wrote the
    checkpoint, and guesses from them where to resume. With `max_steps` it enters a finished epoch
    again, where it takes one batch more or none, depending on whether that batch is validated; an
    epoch that `max_steps` or `max_time` cut short counts as finished. This callback brings each
    loaded checkpoint into one of two states before Lightning reads it: between two epochs, or
    within an epoch after a step.
    """

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Note how many batches make up a step."""
        checkpoint[ACCUMULATED] = trainer.accumulate_grad_batches

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Correct the counters that Lightning restores next."""
        settle(
            checkpoint["loops"]["fit_loop"],
            num_steps=checkpoint["global_step"],
            accumulate=checkpoint.get(ACCUMULATED, trainer.accumulate_grad_batches),
        )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start an epoch without batches as a new one."""
        loop = trainer.fit_loop
        loop._restarting = False  # else ReduceLROnPlateau is left out after the first epoch
        epoch: Any = loop.epoch_progress.current
        if epoch.ready == epoch.processed:
            loop.epoch_loop.restarting = False  # `max_steps` makes Lightning set it here, too
            return
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, GradientAccumulationScheduler | StochasticWeightAveraging):
                # not called by Lightning within an epoch
                callback.on_train_epoch_start(trainer, pl_module)


def settle(loops: dict[str, Any], *, num_steps: int, accumulate: int) -> None:
    """Rewrite the saved state of Lightning's loops as that of a step boundary, in place.

    Batches after the last optimizer step, whose gradients are not in a checkpoint, are taken again.

    Args:
        loops: state of the fit loop.
        num_steps: optimizer steps so far.
        accumulate: batches of an optimizer step.
    """
    epoch, batch = loops["epoch_progress"], loops["epoch_loop.batch_progress"]
    num_started, num_batches = epoch["current"]["started"], batch["current"]["ready"]
    if batch["is_last_batch"]:
        _place_loader(loops, epoch=num_started, next_batch=0)
        if epoch["current"]["processed"] == num_started:  # else Lightning finishes the epoch first
            _count(epoch, finished=num_started, started=num_started)
        return
    leftover = num_batches % accumulate
    num_batches -= leftover
    _place_loader(loops, epoch=num_started - 1, next_batch=num_batches)
    _count(epoch, finished=num_started - 1, started=num_started - (num_batches == 0))
    for progress in (batch["total"], batch["current"]):
        num_taken = progress["ready"] - leftover
        progress |= dict.fromkeys(("ready", "started", "processed", "completed"), num_taken)
        if num_batches:  # in this state Lightning completes the batch, and counts its step
            progress["completed"] -= 1
    loops["epoch_loop.state_dict"]["_batches_that_stepped"] = num_steps - (num_batches > 0)


def _count(epoch: dict[str, Any], *, finished: int, started: int) -> None:
    counts = {"ready": started, "started": started, "processed": finished, "completed": finished}
    for progress in (epoch["total"], epoch["current"]):
        progress |= counts


def _place_loader(loops: dict[str, Any], *, epoch: int, next_batch: int) -> None:
    for loader in loops["state_dict"].get("combined_loader", []):
        loader |= {"epoch": epoch, "next_batch": next_batch}
