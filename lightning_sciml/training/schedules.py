"""Plan the learning rate over a run: its number of steps, the default cosine, others of torch."""

import math
import sys
from collections.abc import Callable
from typing import Any, Literal

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, GradientAccumulationScheduler
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from lightning_sciml.errors import InputError
from lightning_sciml.streaming.datamodule import pde_data

VALIDATION_ERROR = "val/relative_l2"
NEVER = sys.maxsize


def num_training_steps(trainer: pl.Trainer) -> float:
    """Count the planned optimizer steps; infinite if neither steps nor epochs are limited.

    `trainer.estimated_stepping_batches` would do, but it fixes the loader before a checkpoint gives
    it its position, and the run would resume at the wrong sample.
    """
    num_steps = math.inf if trainer.max_steps == -1 else trainer.max_steps
    if trainer.max_epochs in (None, -1):
        return num_steps
    plan, limit = pde_data(trainer).train_plan, trainer.limit_train_batches
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, GradientAccumulationScheduler):
            accumulated = map(callback.get_accumulate_grad_batches, range(trainer.max_epochs))
            return min(num_steps, sum(plan.num_steps(limit, batches) for batches in accumulated))
    steps_per_epoch = plan.num_steps(limit, trainer.accumulate_grad_batches)
    return min(num_steps, steps_per_epoch * trainer.max_epochs)


def cosine(optimizer: Optimizer, num_steps: float) -> LambdaLR:
    """Plan half a cosine from the full rate to zero over `num_steps` steps.

    A function of the step and the planned end alone, so a resumed run with another end follows the
    new plan.
    """
    return LambdaLR(
        optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * min(1.0, step / num_steps)))
    )


def follow_plan(schedule: LambdaLR) -> None:
    """Set the rate that `schedule` plans for its current step, and log a jump."""
    groups = schedule.optimizer.param_groups
    before = [group["lr"] for group in groups]
    plans = zip(groups, schedule.base_lrs, schedule.lr_lambdas, strict=True)
    for group, base_rate, factor in plans:
        group["lr"] = base_rate * factor(schedule.last_epoch)
    now = [group["lr"] for group in groups]
    schedule._last_lr = now
    if now != before:
        rank_zero_info(
            f"the learning rate jumps from {before[0]:.3g} to {now[0]:.3g}: the end of training, "
            "where it is 0, has moved since the checkpoint"
        )


def made_schedule(
    make: Callable[[Optimizer], Any],
    optimizer: Optimizer,
    *,
    interval: Literal["step", "epoch"],
    trainer: pl.Trainer,
) -> dict[str, Any]:
    """Describe a schedule as Lightning wants it.

    ReduceLROnPlateau is never stepped by Lightning, which wants a validation error at the end of
    every epoch, but by ``PlateauSteps`` after every validation.

    Args:
        make: the schedule's class with its options.
        optimizer: whose rates it moves.
        interval: when it moves.
        trainer: of the run.

    Raises:
        InputError: it cannot be made of its options, or needs a validation and there is none.
    """
    try:
        scheduler = make(optimizer)
    except (TypeError, ValueError, KeyError) as error:
        num_steps = num_training_steps(trainer)
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
        """Step ReduceLROnPlateau after a validation in training.

        Raises:
            InputError: the metric that it looks at is not there.
        """
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        for config in trainer.lr_scheduler_configs:
            if not config.reduce_on_plateau:
                continue
            value = trainer.callback_metrics.get(str(config.monitor))
            if value is None:
                raise InputError(
                    f"ReduceLROnPlateau needs {config.monitor}, validation gives "
                    f"{', '.join(sorted(trainer.callback_metrics)) or 'nothing'}; name one of these"
                )
            config.scheduler.step(value)  # type: ignore[arg-type]
