"""Reject invalid options of a run, and those that contradict what every run does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from jsonargparse import Namespace
from lightning.pytorch.callbacks import (
    Callback,
    ModelCheckpoint,
    ProgressBar,
    StochasticWeightAveraging,
)

from lightning_sciml.errors import InputError, reject_below
from lightning_sciml.training.module import PretrainingModule

LEAST_OF_TRAINER = {
    "check_val_every_n_epoch": 1,
    "accumulate_grad_batches": 1,
    "log_every_n_steps": 0,
    "gradient_clip_val": 0,
}
NOT_ZERO = ("max_epochs", "max_steps", "limit_train_batches", "val_check_interval")
# They choose a value while the run trains, which is then not the one that its config.yaml says.
TUNERS = ("LearningRateFinder", "BatchSizeFinder")


def reject_null_groups(config: Any, *groups: str) -> None:
    """Raise an InputError for a group that holds a value instead of options."""
    for group in groups:
        if not isinstance(config[group], Namespace):
            raise InputError(f"{group}: wanted options as `name: value`, got {config[group]}")


def name_devices(config: Any) -> None:
    """Write the torch devices among the options as text, in place, as config.yaml can hold them."""
    for key, value in list(config.items()):
        for item in value if isinstance(value, list) else ():
            if hasattr(item, "class_path"):  # one of several loggers or callbacks
                name_devices(item)
        if isinstance(value, torch.device):  # a default of StochasticWeightAveraging
            config[key] = str(value)


def reject_invalid(config: Any) -> None:
    """Raise an InputError for an invalid value."""
    reject_below(
        0,
        seed_everything=config.seed_everything,
        poll_s=config.poll_s,
        checkpoint_every_minutes=config.checkpoint_every_minutes,
    )
    reject_below(
        1,
        checkpoint_every_n_steps=config.checkpoint_every_n_steps,
        stop_after_step=config.stop_after_step,
        collective_timeout_s=config.collective_timeout_s,
    )
    for name, least in LEAST_OF_TRAINER.items():
        reject_below(least, **{f"trainer.{name}": config.trainer[name]})
    for name in NOT_ZERO:
        if config.trainer[name] in (0, 0.0):
            no_end = ", or -1 for no end to it" if name.startswith("max_") else ""
            raise InputError(f"trainer.{name} must be at least 1{no_end}, got 0")
    if config.trainer.barebones:
        raise InputError(
            "trainer.barebones must be false, got true: a run needs the logs and checkpoints that "
            "it forbids; `sciml data bench` measures speed"
        )
    _reject_tuners(config.trainer.callbacks)


def _reject_tuners(callbacks: Any) -> None:
    for callback in callbacks if isinstance(callbacks, list) else [callbacks]:
        name = str(getattr(callback, "class_path", "")).rpartition(".")[2]
        if name in TUNERS:
            raise InputError(
                f"trainer.callbacks: {name} would train with another value than config.yaml says; "
                "compare rates and batch sizes as runs of their own, or in a study"
            )


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
