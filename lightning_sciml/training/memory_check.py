"""Say before the start how much memory unrolled steps take, or that they do not fit.

Training on windows of one step is not looked at: its memory is that of any network. Nor is training
whose weights are of another type than float32, which they become only later.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.process_memory import available_memory
from lightning_sciml.streaming.datamodule import pde_data
from lightning_sciml.streaming.epoch_plan import Group
from lightning_sciml.streaming.mixture import Batch, Mixture
from lightning_sciml.training.step_memory import memory_fault, shown, step_memory

if TYPE_CHECKING:
    from lightning_sciml.training.module import OperatorModule


def reject_steps_beyond_memory(module: "OperatorModule") -> None:
    """Measure a step on one sample and on two, say what a batch takes, and compare.

    All processes come to the same end: where one has less memory free, that counts.

    Raises:
        InputError: it takes more than is free.
    """
    trainer = module.trainer
    data = pde_data(trainer)
    mixture = data.mixtures["train"]
    group, first = _largest(mixture)
    if group.num_steps == 1 or trainer.precision in ("16-true", "bf16-true", "64-true"):
        return
    batch = mixture.load(np.full(2, first), global_size=2).map(lambda tensor: tensor.cpu())
    is_mixed = str(trainer.precision).endswith("mixed")
    with _undisturbed(module), torch.autocast("cpu", torch.bfloat16, enabled=is_mixed):
        memory = step_memory(partial(_losses, module, batch), group.num_steps)
    num_samples = min(data.batch_size, mixture.group_sizes[group])
    num_samples = math.ceil(num_samples / trainer.world_size)
    device = trainer.strategy.root_device
    rank_zero_info(
        f"{group.num_steps} unrolled steps of {num_samples} samples take about "
        f"{shown(memory.of(num_samples))} on {device.type}, before compilation"
    )
    free = torch.tensor(free_memory(device, trainer.num_devices), device=device)
    unrolling = module.unrolling
    fault = memory_fault(
        memory,
        num_samples=num_samples,
        num_steps=group.num_steps,
        free=float(trainer.strategy.reduce(free, reduce_op="min")),
        is_bounded=unrolling.checkpoint_steps or unrolling.gradients == "last",
    )
    if fault:
        raise InputError(fault)


def free_memory(device: torch.device, num_processes: int) -> float:
    """Return the bytes that one of the processes of this machine can still have on its device."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return available_memory() / num_processes


def _largest(mixture: Mixture) -> tuple[Group, int]:
    """Find the group whose windows have most values, and the number of its first sample."""
    begins = np.cumsum([0, *mixture.group_sizes.values()]).tolist()
    places = zip(mixture.group_sizes, begins, strict=False)
    return max(places, key=lambda place: math.prod(place[0].shape) * place[0].num_steps)


def _losses(module: "OperatorModule", batch: Batch, num_samples: int, num_steps: int) -> Tensor:
    """Compute the losses of some samples and steps of a batch."""
    some = batch.map(lambda tensor: tensor[:num_samples])
    some = some._replace(outputs=some.outputs[:, :num_steps], global_size=num_samples)
    return module.training_losses(some)


@contextmanager
def _undisturbed(module: nn.Module) -> Iterator[None]:
    """Leave gradients, buffers and random numbers as they are."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode
        module.zero_grad()
