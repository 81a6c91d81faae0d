"""Make and step learning rate schedules of torch so that they fit the run."""

import math
import sys
from collections.abc import Callable
from typing import Any, Literal

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lightning_sciml.errors import InputError

VALIDATION_ERROR = "val/relative_l2"
NEVER = sys.maxsize


def made_schedule(
    make: Callable[[Optimizer], Any],
    optimizer: Optimizer,
    *,
    interval: Literal["step", "epoch"],
    trainer: pl.Trainer,
    num_steps: float,
) -> dict[str, Any]:
    """Describe a schedule as Lightning wants it.

    ReduceLROnPlateau is never stepped by Lightning, which wants a validation error at the end of
    every epoch, but by ``step_plateaus`` after every validation.

    Args:
        make: the schedule's class with its options.
        optimizer: whose rates it moves.
        interval: when it moves.
        trainer: of the run.
        num_steps: steps that are planned; infinite if there is no end.

    Raises:
        InputError: it cannot be made of its options, or needs a validation and there is none.
    """
    try:
        scheduler = make(optimizer)
    except (TypeError, ValueError, KeyError) as error:
        planned = f"this run takes {num_steps:.0f}" if math.isfinite(num_steps) else "no end is set"
        raise InputError(
            f"the scheduler cannot be made: {error}; change scheduler.init_args "
            f"(total numbers of steps are of optimizer steps, {planned})"
        ) from error
    if not isinstance(scheduler, ReduceLROnPlateau):
        return {"scheduler": scheduler, "interval": interval}
    if trainer.limit_val_batches == 0:
        raise InputError(
            "ReduceLROnPlateau needs the validation error, and limit_val_batches is 0; "
            "validate, or take another scheduler"
        )
    monitor = getattr(scheduler, "monitor", VALIDATION_ERROR)  # Lightning's subclass names one
    return {"scheduler": scheduler, "frequency": NEVER, "monitor": monitor}


class PlateauSteps(Callback):
    """Passes the error of each validation to ReduceLROnPlateau."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Step ReduceLROnPlateau after a validation in training."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            step_plateaus(trainer)


def step_plateaus(trainer: pl.Trainer) -> None:
    """Pass the validation error to schedules that wait for plateaus.

    Raises:
        InputError: the metric that one looks at is not there.
    """
    for config in trainer.lr_scheduler_configs:
        if config.reduce_on_plateau:
            value = trainer.callback_metrics.get(str(config.monitor))
            if value is None:
                raise InputError(
                    f"ReduceLROnPlateau needs {config.monitor}, validation gives "
                    f"{', '.join(sorted(trainer.callback_metrics)) or 'nothing'}; name one of these"
                )
            config.scheduler.step(value)  # type: ignore[arg-type]


def step_schedule(scheduler: LRScheduler) -> None:
    """Step a schedule that takes no error.

    Raises:
        InputError: it has no rate for this step: it was made for fewer.
    """
    try:
        scheduler.step()
    except ValueError as error:  # of OneCycleLR
        raise InputError(
            f"{type(scheduler).__name__} has no learning rate for the next step ({error}); make "
            "scheduler.init_args cover all steps, in a new --run_dir"
        ) from error
