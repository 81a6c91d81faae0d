"""Reject trainer options and callbacks that contradict those of every run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback, ModelCheckpoint, ProgressBar

from lightning_sciml.errors import InputError


def reject_conflicts(trainer: Any, checkpoints: Path) -> None:
    """Raise an InputError for trainer options that contradict what every run does.

    Args:
        trainer: options of the Trainer, with callbacks made.
        checkpoints: folder of last.ckpt and best.ckpt.
    """
    if trainer.enable_checkpointing is False:
        raise InputError(
            "trainer.enable_checkpointing must not be false: every run keeps last.ckpt and "
            "best.ckpt; leave the option out, or use --trainer.fast_dev_run true to keep nothing"
        )
    callbacks = trainer.callbacks or []
    bars = [type(c).__name__ for c in callbacks if isinstance(c, ProgressBar)]
    if bars and trainer.enable_progress_bar is False:
        raise InputError(
            f"trainer.enable_progress_bar is false and trainer.callbacks has a {bars[0]}; "
            "leave one of them out"
        )
    if len(bars) > 1:
        raise InputError(f"trainer.callbacks must have one progress bar at most, got {bars}")
    for callback in callbacks:
        if isinstance(callback, ModelCheckpoint):
            _reject_shared_folder(callback, trainer, checkpoints)


def _reject_shared_folder(callback: ModelCheckpoint, trainer: Any, checkpoints: Path) -> None:
    """Reject a ModelCheckpoint that would write last.ckpt and best.ckpt itself."""
    if callback.dirpath is None:  # Lightning's default is the logger's folder, or the run's
        is_shared = not trainer.logger
    else:
        is_shared = Path(callback.dirpath).resolve() == checkpoints.resolve()
    if is_shared:
        raise InputError(
            f"a ModelCheckpoint must not write to {checkpoints}, which is for last.ckpt and "
            "best.ckpt; give it another dirpath"
        )


def has_progress_bar(callbacks: Sequence[Callback] | None) -> bool:
    """Look for a progress bar among the callbacks of the configuration."""
    return any(isinstance(c, ProgressBar) for c in callbacks or ())
