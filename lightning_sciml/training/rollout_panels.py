"""Rollouts of validation trajectories while a network is trained: their errors and frames."""

from dataclasses import dataclass, replace

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from matplotlib.figure import Figure
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.metrics import relative_l2
from lightning_sciml.evaluation.rollout_frames import rollout_frames
from lightning_sciml.evaluation.sample_fields import SampleFields
from lightning_sciml.evaluation.solution_panels import Panel
from lightning_sciml.streaming.datamodule import pde_data
from lightning_sciml.streaming.mixture import Batch, Mixture
from lightning_sciml.streaming.mixture_member import MixtureMember
from lightning_sciml.streaming.rollouts import NumSteps, rollout_of
from lightning_sciml.streaming.windows import WindowOptions
from lightning_sciml.training.module import OperatorModule
from lightning_sciml.training.tracking import log_figure
from lightning_sciml.training.validation_panels import predicted


@dataclass(frozen=True)
class _Trajectory:
    """A trajectory to be rolled out.

    Attributes:
        name: of its metric and figure, behind "val/".
        member: its data set, with the windows of the rollout.
        batch: that trajectory alone.
    """

    name: str
    member: MixtureMember
    batch: Batch


class RolloutPanels(Callback):
    """Rolls the first validation trajectory of each data set out after each validation.

    Logs the relative L2 error, its mean over steps and fields, as val/rollout_relative_l2, of
    several data sets with /NAME, and every few validations draws frames for the loggers. All ranks
    predict the same; nothing random is drawn.

    Args:
        every_n_validations: how often frames are drawn.
    """

    def __init__(self, every_n_validations: int = 5) -> None:
        self.every_n_validations = every_n_validations
        self._num_validations = 0
        self._trajectories: list[_Trajectory] = []

    def state_dict(self) -> dict[str, int]:
        """Save the number of validations, so that a resumed run keeps the interval."""
        return {"num_validations": self._num_validations}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Restore the number of validations."""
        self._num_validations = state_dict["num_validations"]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read the trajectories.

        Raises:
            InputError: no data set has trajectories, or they are too short, or their steps are of
                several lengths and the network is told one.
        """
        data = pde_data(trainer)
        self._trajectories = []
        if data.val_rollout is not None:
            self._trajectories = _trajectories(data.mixtures["val"], data.windows, data.val_rollout)
        if isinstance(pl_module, OperatorModule):
            for member in (one.member for one in self._trajectories):
                pl_module.reject_uneven_times(member)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Predict and log on all ranks, whose parameters may be shared; draw on rank 0."""
        if trainer.sanity_checking or not isinstance(pl_module, OperatorModule):
            return
        is_due = self._num_validations % self.every_n_validations == 0
        self._num_validations += 1
        for one in self._trajectories:
            prediction = predicted(trainer, pl_module, one.batch)
            name, error = f"val/rollout_relative_l2{one.name}", _error(prediction, one)
            pl_module.log(name, error, on_epoch=True, sync_dist=True, batch_size=1)
            if is_due and trainer.loggers and trainer.is_global_zero:
                log_figure(trainer, f"val/rollout{one.name}", _frames(prediction, one))


def _trajectories(
    mixture: Mixture, options: WindowOptions, num_steps: NumSteps
) -> list[_Trajectory]:
    members = [(d, m) for d, m in enumerate(mixture.members) if m.dataset.is_evolution]
    if not members:
        names = ", ".join(member.name for member in mixture.members)
        raise InputError(
            f"val_rollout={num_steps} needs trajectories, {names} is steady; leave "
            "data.val_rollout out"
        )
    found = []
    for d, member in members:
        windows = rollout_of(member.dataset.manifest, options, num_steps, option="val_rollout")
        own = replace(member, windows=windows, samples_per_epoch=1)
        batch = Mixture([own], mixture.names).load(np.zeros(1, np.int64), global_size=1)
        name = f"/{member.name}" if len(members) > 1 else ""
        found.append(_Trajectory(name, own, batch._replace(dataset=torch.full((1,), d))))
    return found


def _error(prediction: Tensor, one: _Trajectory) -> Tensor:
    """Mean over steps and fields of the relative L2 error."""
    fields = list(one.member.output_channels)
    reference = one.batch.outputs.to(prediction.device)[:, :, fields]
    return relative_l2(prediction[:, :, fields].float(), reference.float()).mean()


def _frames(prediction: Tensor, one: _Trajectory) -> Figure:
    sample = SampleFields.of(prediction, one.batch, 0, one.member)
    return rollout_frames(
        Panel(f"{one.member.name} {sample.sample_index}", one.member.grid, sample)
    )
