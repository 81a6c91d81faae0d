"""Decide whether torch.compile pays off, and try whether this machine can compile."""

import math
from functools import lru_cache
from typing import Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn
from torch import nn

from lightning_sciml.streaming.datamodule import pde_data
from lightning_sciml.training.parallelism import is_sharding_unit
from lightning_sciml.training.schedules import num_training_steps

Compile = bool | Literal["auto"]

WORTH_COMPILING = 1e9
"""Grid points a process passes in training, steps·samples·H·W, from which compilation pays.

Compiling a small network takes half a minute to a minute of a CPU; a compiled float32 step of the
64K model takes half as long as an eager one (docs/notebook/fno_step.md). This many points are 3,800
such steps of 16 samples at 128². It is a choice on the safe side, not measured on GPUs.
"""

MAX_COMPILED = 256


def compile_in_place(network: nn.Module, *, by_units: bool) -> None:
    """Compile, keeping names and parameters; each shape of batch gets code of its own.

    The bits of a result then depend on its shape alone and not on the shapes that came before, so a
    resumed run repeats them.

    Args:
        network: to compile.
        by_units: compile each sharding unit by itself: gathering parameters is not compiled.
    """
    # Every unit and shape counts; beyond the limit, 8 by default, code runs uncompiled, and whether
    # it does would depend on the shapes that came before.
    torch._dynamo.config.recompile_limit = MAX_COMPILED
    units = [m for m in network.modules() if is_sharding_unit(m)] if by_units else [network]
    for unit in units:
        unit.compile(dynamic=False)


def points_to_train(trainer: pl.Trainer) -> float:
    """Count the grid points that this process passes in all planned steps; 0 in evaluation."""
    if trainer.state.fn != TrainerFn.FITTING:
        return 0.0
    data = pde_data(trainer)
    mixture = data.mixtures["train"]
    num_points = sum(n * math.prod(group.shape) for group, n in mixture.group_sizes.items())
    num_samples = min(data.batch_size, len(mixture)) / trainer.world_size
    return num_samples * num_points / len(mixture) * num_training_steps(trainer)


@lru_cache(maxsize=2)
def can_compile(device_type: str) -> bool:
    """Compile and run a function of one line; log why this fails, and return whether it works."""
    try:
        torch.compile(_sum_of_squares)(torch.ones(64, device=device_type))
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        rank_zero_warn(
            f"the network is not compiled, for torch.compile does not work here ({reason}); "
            "install a C++ compiler and Python's headers, or set compile to false"
        )
        return False
    return True


def _sum_of_squares(x: torch.Tensor) -> torch.Tensor:
    return (x * x).sum()
