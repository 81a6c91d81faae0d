"""Hold fine-tuned weights to pre-trained ones, as callbacks: frozen modes."""

import math
from collections.abc import Iterator
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.models.spectral import mode_radii
from lightning_sciml.training.parallelism import ShardedParameters


class FreezeModes(Callback):
    """Puts the spectral weights of low modes back after every step, whatever the optimizer does.

    Args:
        below: radius √(nx² + ny²), in periods a side, below which modes keep their values.
    """

    def __init__(self, below: float) -> None:
        self.below = below
        self._frozen: dict[str, tuple[Tensor, Tensor]] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember the rows of the modes: a resumed run has those that it started with.

        Raises:
            InputError: parameters are sharded, or no spectral weight is trained as a whole.
        """
        _require_whole_parameters(trainer, type(self).__name__)
        self._frozen = dict(self._rows(pl_module))
        if not self._frozen:
            raise InputError(
                f"FreezeModes below={self.below} fits no spectral weight that is trained as a "
                "whole; leave it out beside low_rank or frozen spectral weights"
            )

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Restore the rows."""
        with torch.no_grad():
            for name, (rows, values) in self._frozen.items():
                pl_module.get_parameter(name)[rows] = values

    def _rows(self, module: pl.LightningModule) -> Iterator[tuple[str, tuple[Tensor, Tensor]]]:
        for name, weight in module.named_parameters():
            if name.endswith(".spectral.weight") and weight.requires_grad:
                num_modes = math.isqrt(len(weight) // 2)
                rows = torch.nonzero(mode_radii(num_modes) < self.below)[:, 0].to(weight.device)
                if len(rows):
                    yield name, (rows, weight.detach()[rows].clone())


def _require_whole_parameters(trainer: pl.Trainer, wanted_by: str) -> None:
    """Raise an InputError where a rank holds only a part of each parameter."""
    if isinstance(trainer.strategy, ShardedParameters):
        raise InputError(
            f"{wanted_by} needs whole parameters on every rank; use --trainer.strategy ddp"
        )
