"""Plan the learning rate over a run: its number of steps, and the default schedule."""

import math

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.utilities import rank_zero_info
from torch.optim.lr_scheduler import LambdaLR

from lightning_sciml.streaming.datamodule import pde_data


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


def cosine(optimizer: torch.optim.Optimizer, num_steps: float) -> LambdaLR:
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
