"""Reject invalid options of a run before anything is started."""

from typing import Any

from jsonargparse import Namespace

from lightning_sciml.errors import InputError, reject_below

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
