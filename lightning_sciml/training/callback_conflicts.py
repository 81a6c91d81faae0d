"""Reject trainer options and callbacks that contradict those of every run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import (
    Callback,
    ModelCheckpoint,
    ProgressBar,
    StochasticWeightAveraging,
)

from lightning_sciml.errors import InputError
from lightning_sciml.training.module import PretrainingModule


def reject_conflicts(trainer: Any, module: pl.LightningModule, checkpoints: Path) -> None:
    """Raise an InputError for trainer options that contradict what every run does.

    Args:
        trainer: options of the Trainer, with callbacks made.
        module: that is trained.
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
        _reject_unsound_average(callback, module)


def _reject_unsound_average(callback: Callback, module: pl.LightningModule) -> None:
    """Reject averages of weights that Lightning would take or resume wrongly without a word.

    Both callbacks copy the module before its scales are fitted and pre-trained weights taken over.
    Stochastic weight averaging then overwrites all parameters that the copy has; the other one, of
    Lightning 2.6, swaps scales too.
    """
    kinds = {cls.__name__ for cls in type(callback).__mro__}
    is_stochastic = isinstance(callback, StochasticWeightAveraging)
    if "WeightAveraging" in kinds or (is_stochastic and not isinstance(module, PretrainingModule)):
        raise InputError(
            f"trainer.callbacks: {type(callback).__name__} would average a copy of the "
            f"{type(module).__name__} from before its scales and weights are set; leave it out, or "
            "use StochasticWeightAveraging with a PretrainingModule"
        )
    if is_stochastic and StochasticWeightAveraging.pl_module_contains_batch_norm(module):
        raise InputError(
            "trainer.callbacks: StochasticWeightAveraging measures batch norms anew in an epoch "
            "that cannot be resumed; leave it out, or use a network without batch norm"
        )


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
