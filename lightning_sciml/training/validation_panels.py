"""Pictures of predictions of validation samples, for the loggers."""

from collections.abc import Iterator

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from lightning_sciml.evaluation.sample_fields import SampleFields
from lightning_sciml.evaluation.solution_panels import Panel, solution_panels
from lightning_sciml.shards.field_panels import spread
from lightning_sciml.streaming.datamodule import pde_data
from lightning_sciml.streaming.mixture import Batch, Mixture
from lightning_sciml.training.module import OperatorModule
from lightning_sciml.training.tracking import log_figure


class SolutionPanels(Callback):
    """Draws the same validation samples every few epochs: inputs, reference, prediction, error.

    Args:
        num_samples: of the figure, spread over the validation set, one of each grid at least.
        every_n_validations: how often it is drawn.
    """

    def __init__(self, num_samples: int = 3, every_n_validations: int = 5) -> None:
        self.num_samples, self.every_n_validations = num_samples, every_n_validations
        self._num_validations = 0

    def state_dict(self) -> dict[str, int]:
        """Save the number of validations, so that a resumed run keeps the interval."""
        return {"num_validations": self._num_validations}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Restore the number of validations."""
        self._num_validations = state_dict["num_validations"]

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Predict on all ranks, whose parameters may be shared among them; draw on rank 0."""
        if trainer.sanity_checking:
            return
        is_due = self._num_validations % self.every_n_validations == 0
        self._num_validations += 1
        if not (is_due and trainer.loggers and isinstance(pl_module, OperatorModule)):
            return
        mixture = pde_data(trainer).mixtures["val"]
        panels: list[Panel] = []
        for batch in self._batches(mixture):
            panels += _panels(mixture, batch, predicted(trainer, pl_module, batch))
        if trainer.is_global_zero:
            log_figure(trainer, "val/samples", solution_panels(panels))

    def _batches(self, mixture: Mixture) -> Iterator[Batch]:
        """Load some samples of each grid, which no batch mixes."""
        number, first = -(-self.num_samples // len(mixture.group_sizes)), 0
        for num_there in mixture.group_sizes.values():
            indices = first + np.array(spread(num_there, number))
            yield mixture.load(indices, global_size=len(indices))
            first += num_there


def predicted(trainer: pl.Trainer, module: OperatorModule, batch: Batch) -> torch.Tensor:
    """Predict a batch beside those of the trainer, on all ranks: they may share parameters."""
    on_device = batch.map(lambda tensor: tensor.to(module.device))
    on_device = trainer.precision_plugin.convert_input(on_device)
    with torch.no_grad():
        prediction: torch.Tensor = trainer.strategy.predict_step(on_device, 0)
    return prediction


def _panels(mixture: Mixture, batch: Batch, prediction: torch.Tensor) -> Iterator[Panel]:
    for row, d in enumerate(batch.dataset.tolist()):
        member = mixture.members[d]
        sample, dataset = SampleFields.of(prediction, batch, row, member), member.dataset
        label = f"{member.name} {sample.sample_index}"
        if dataset.is_evolution:
            label += f", t = {dataset.times[sample.time_index]:.3g}"
        yield Panel(label, member.grid, sample)
