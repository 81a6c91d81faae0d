"""Train a neural operator û = N(f, c) on pairs of problem (f, c) and solution u."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from lightning_sciml.checkpoints.files import OPERATOR, read_checkpoint
from lightning_sciml.checkpoints.operator_files import reject_other_tensors
from lightning_sciml.errors import InputError, reject_repeated
from lightning_sciml.operators.augmentation import Augmentation, Augmentations
from lightning_sciml.operators.conserved_means import reject_unconserved
from lightning_sciml.operators.coordinates import Coordinates
from lightning_sciml.operators.description import trained_problem
from lightning_sciml.operators.increments import Predicts
from lightning_sciml.operators.input_noise import InputNoise
from lightning_sciml.operators.made_inputs import amplitude_names
from lightning_sciml.operators.network_contract import reject_lost_state
from lightning_sciml.operators.neural_operator import NeuralOperator, NormalizationName
from lightning_sciml.operators.problem import Problem
from lightning_sciml.operators.unrolling import Gradients, Unrolling
from lightning_sciml.streaming.datamodule import pde_data
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.windows import LEAD_TIME
from lightning_sciml.training.compilation import (
    WORTH_COMPILING,
    Compile,
    can_compile,
    compile_in_place,
    points_to_train,
)
from lightning_sciml.training.evaluated_module import EvaluatedModule
from lightning_sciml.training.losses import LOSSES, LossName, LossWatch, Suspects
from lightning_sciml.training.memory_check import reject_steps_beyond_memory
from lightning_sciml.training.parallelism import ShardedParameters
from lightning_sciml.training.schedules import (
    PlateauSteps,
    cosine,
    follow_plan,
    made_schedule,
    num_training_steps,
)
from lightning_sciml.training.unknown_equations import reject_unknown_equations


class OperatorModule(EvaluatedModule):
    """Trains a neural operator.

    Args:
        optimizer: any torch optimizer by class_path; Adam at 1e-3 as in the paper.
        scheduler: any scheduler by class_path; by default one cosine from the first step to the
            last. ReduceLROnPlateau gets the error of each validation.
        scheduler_interval: when `scheduler` moves.
        compile: run the network through torch.compile; `auto` does for runs that are long enough
            to win back the time it takes. Where it does not work, a notice says so.
        gradients: of the steps of a window. all: every step is compared, with gradients through all
            of them. last: the steps before the last are made without gradients, and that one alone
            is compared (pushforward); the memory is that of one step.
        checkpoint_steps: keep only the inputs of each step of a window and compute the step again
            for its gradients: the memory of one step, for about a third more time.
        input_noise: white noise on the input states of training samples, drawn anew in every step,
            as a part of the standard deviation of each field, or of a state's amplitude where that
            is its unit.
    """

    def __init__(
        self,
        *,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
        scheduler_interval: Literal["step", "epoch"] = "step",
        compile: Compile = "auto",
        gradients: Gradients = "all",
        checkpoint_steps: bool = False,
        input_noise: float = 0.0,
    ) -> None:
        super().__init__()
        if scheduler is None and scheduler_interval == "epoch":
            raise InputError(
                "scheduler_interval=epoch needs a scheduler, got none: the default cosine moves in "
                "every step; name one, or leave scheduler_interval out"
            )
        self._optimizer, self._scheduler = optimizer, scheduler
        self._scheduler_interval = scheduler_interval
        self._compile, self._is_sharded = compile, False
        self._watch = LossWatch()
        self.unrolling = Unrolling(gradients=gradients, checkpoint_steps=checkpoint_steps)
        self.input_noise = input_noise

    def train_as(
        self, operator: NeuralOperator, loss: LossName, augmentations: Sequence[Augmentation]
    ) -> None:
        """Set what is trained, and how."""
        if loss not in LOSSES:  # of a checkpoint
            raise InputError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")
        reject_repeated(coordinates=operator.coordinates, augmentations=augmentations)
        self.operator = operator
        self.loss_name, self.loss = loss, LOSSES[loss]
        self.augmentation_names = tuple(augmentations)

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | Path, *, network: nn.Module | None = None, **kwargs: Any
    ) -> "OperatorModule":
        """Load a trained operator as a module that evaluates and predicts.

        Args:
            checkpoint_path: as for ``load_operator``.
            network: of a class that is not of this library.
            kwargs: as for OperatorModule, for further training.

        Raises:
            InputError: the checkpoint cannot be used.
        """
        module = OperatorModule(**kwargs)
        module.given["network"] = network
        checkpoint = read_checkpoint(checkpoint_path)
        module.evaluate(checkpoint, checkpoint_path)
        told = checkpoint.operator
        module.train_as(module.operator, told.loss, told.augmentations)  # type: ignore
        return module.eval()

    def configure_model(self) -> None:
        """Compile and shard in place, so that names in checkpoints stay as they are."""
        if self.trainer.state.fn == TrainerFn.FITTING and not self._is_sharded:
            reject_steps_beyond_memory(self)
        wanted, self._compile = self._compile, False
        strategy, network = self.trainer.strategy, self.operator.network
        if wanted == "auto":
            wanted = points_to_train(self.trainer) >= WORTH_COMPILING
        if wanted and can_compile(strategy.root_device.type):
            compile_in_place(network, by_units=isinstance(strategy, ShardedParameters))
        if isinstance(strategy, ShardedParameters) and not self._is_sharded:
            strategy.shard(network)
            self._is_sharded = True

    def setup(self, stage: str) -> None:
        """Match the data's channels to the operator's, and fit its normalisation once."""
        super().setup(stage)
        if stage != "fit":
            return
        reject_lost_state(self)
        if self.given.get("conserves_means"):
            reject_unconserved(self.operator.problems)
        self._say_untold_strides()
        if self.given.get("network") is not None:
            self._say_absent_fields()
        operator, mixture = self.operator, self._mixtures["train"]
        self.augment = Augmentations(
            self.augmentation_names, operator.problems, operator.data_names
        ).to(self.device)
        names = operator.coefficient_names
        trained_on = [trained_problem(member, names) for member in mixture.members]
        statistics = pde_data(self.trainer).train_statistics(
            with_increments=operator.increments is not None,
            in_units=operator.normalization.measures_units,
            amplitudes=operator.normalization.amplitudes,
        )
        operator.fit(statistics, trained_on)
        self.add_noise = InputNoise(self.input_noise, operator.channels, statistics.field_stds).to(
            self.device
        )

    def reject_unknown(self, problems: Sequence[Problem], stage: str, **pretrained: Any) -> None:
        """Reject problems without the equation that the recipe of training works by.

        Args:
            problems: of the data.
            stage: of the trainer; recipes can be changed before they train.
            pretrained: see ``reject_unknown_equations``.
        """
        if stage == "fit":  # before it trains, a module of a checkpoint has no augmentations
            pretrained["augmentations"] = self.augmentation_names
            reject_unknown_equations(problems, self.operator, **pretrained)
        else:
            reject_unknown_equations(problems, self.operator, is_training=False)

    def _say_untold_strides(self) -> None:
        """Say that the network cannot know which of several steps a window asks for."""
        strides, operator = pde_data(self.trainer).windows.strides, self.operator
        is_told = LEAD_TIME in operator.coefficient_names
        if len(strides) > 1 and operator.channels.has_states and not is_told:
            rank_zero_info(
                f"data.stride={list(strides)} has steps of several lengths, which the network is "
                f"not told: add {LEAD_TIME} to model.network.coefficient_names, or set one stride"
            )

    def _say_absent_fields(self) -> None:
        """Say which inputs of the given network are zero in all data sets, as misspelt ones are."""
        channels = self.operator.channels
        present = channels.present.rows.any(dim=0).tolist()
        absent = [
            n for n, is_there in zip(channels.names.fields, present, strict=True) if not is_there
        ]
        if absent:
            of_amplitudes = ", or that state in an equation without a scaling group"
            rank_zero_info(
                f"{', '.join(absent)} among the network's input_fields are zero in this run: no "
                f"data set has that field{of_amplitudes if amplitude_names(absent) else ''}"
            )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the mean loss over the global batch: DDP averages ranks, so weigh samples."""
        self._require_finite_losses()
        losses = self.training_losses(batch)
        loss = losses.sum() * (self.trainer.world_size / batch.global_size)
        self._watch.put(Suspects.among(losses, batch, "loss", self._now))
        self.log("train/loss", loss.detach(), prog_bar=True, batch_size=len(losses))
        return loss

    def training_losses(self, batch: Batch) -> Float[Tensor, " B"]:
        """Compute the loss of each sample, moved and disturbed as in this step of training."""
        seed, step = pde_data(self.trainer).seed, self.global_step
        batch = self.augment(self.in_operator_order(batch), seed=seed, step=step)
        batch = self.add_noise(batch, seed=seed, step=step)
        pair = self.operator.training_pair(
            batch.inputs, batch.coefficients, batch.dataset, batch.outputs, self.unrolling
        )
        return self.loss(*pair, self.operator.channels.predicted_fields(batch.dataset))

    def on_train_start(self) -> None:
        """Take the first step at the rate of this plan, which may end later than the saved one."""
        schedule = self.lr_schedulers()
        if self._scheduler is None and isinstance(schedule, LambdaLR):  # not that of an average
            follow_plan(schedule)

    def on_validation_start(self) -> None:
        """Check for non-finite losses before validation starts."""
        self._require_finite_losses(on_all_ranks=True)

    def on_train_epoch_end(self) -> None:
        """Check for non-finite losses before an epoch ends."""
        self._require_finite_losses(on_all_ranks=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check for non-finite losses before a checkpoint is written."""
        self._require_finite_losses(on_all_ranks=True)
        described = replace(
            self.operator.describe(), augmentations=self.augmentation_names, loss=self.loss_name
        )
        checkpoint[OPERATOR] = described.plain()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Reject the state of another network in one line, before any of it is loaded.

        Sharded weights are loaded before this hook, which then does not see them.
        """
        if "state_dict" in checkpoint:
            reject_other_tensors(self.state_dict(), checkpoint["state_dict"], "the checkpoint")

    def _require_finite_losses(self, *, on_all_ranks: bool = False) -> None:
        if self._watch.is_waiting:
            strategy = self.trainer.strategy if on_all_ranks else None
            self._watch.require_finite(self._mixtures["train"].members, strategy)

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Make the optimizer over all trained parameters."""
        return self._optimizer([p for p in self.parameters() if p.requires_grad])

    def try_optimizer(self) -> None:
        """Make optimizer and schedule of a single weight: they reject the options that they lack.

        Schedules whose length is not known yet are not made.
        """
        optimizer = self._optimizer([nn.Parameter(torch.zeros(1, 1))])
        if self._scheduler is not None:
            self._scheduler(optimizer)

    def configure_optimizers(self) -> Any:
        """Make the optimizer over all trained parameters, and its schedule."""
        optimizer = self.make_optimizer()
        make = self._scheduler or partial(cosine, num_steps=num_training_steps(self.trainer))
        schedule = made_schedule(
            make, optimizer, interval=self._scheduler_interval, trainer=self.trainer
        )
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Step a schedule of Lightning's list; ReduceLROnPlateau is stepped elsewhere.

        Raises:
            InputError: it has no rate for this step: it was made for fewer.
        """
        try:
            scheduler.step()
        except ValueError as error:  # of OneCycleLR
            raise InputError(
                f"{type(scheduler).__name__} has no learning rate for the next step ({error}); "
                "make scheduler.init_args cover all steps, in a new --run_dir"
            ) from error

    def configure_callbacks(self) -> list[PlateauSteps]:
        """Step plateaus before a checkpoint is written after a validation."""
        return [PlateauSteps()]


class PretrainingModule(OperatorModule):
    """Trains a network from random weights.

    Args:
        network: maps (fields (B, S, H, W), coefficients (B, c)) to fields (B, F, H, W); its
            attribute `coefficient_names` says which coefficients it takes, in order, `input_fields`
            and `output_fields` which fields, if they are others than source and solution. The
            coefficient lead_time is the time of a step of trajectories. Inputs named x and y are
            the coordinates of the points, which problems that are not periodic need; mask_NAME is 1
            where a data set has the field NAME, and else 0; amplitude_NAME makes the root mean
            square of a state NAME its unit where its equation has no scaling group.
        loss: of a sample, between the network's output and the fields that it stands for, over all
            steps; the mean over the global batch is minimised. `relative_l2` is the mean of that of
            each field at each step, which does not depend on the scale of the output.
        normalization: what the network sees of inputs and coefficients, and what its output is
            multiplied with: the paper's medians, or units of each problem that its equation gives,
            or the medians of each channel, for imported data of which no equation is known, or mean
            and standard deviation of each field, of inputs and outputs.
        coordinates: in which the network sees a problem; its prediction is moved back. lattice: the
            coordinates of the torus, of those that integer matrices give, in which the diffusion is
            least anisotropic. square: one of the images under the symmetries of the square, the
            same for all of them. square_average: in evaluation, the mean of all of them. There are
            eight; of a grid that is no square four.
        predicts: of an evolution the next state, or its increment from the newest state of the
            inputs, in units of the root of the mean square of increments. Losses compare what is
            predicted.
        conserves_means: keep by construction the mean over the grid of each field whose equation
            conserves it (vorticity, u of heat and Kuramoto-Sivashinsky, u_t of waves), so that of a
            rollout is that of its first state.
        augmentations: what is drawn anew from every training sample in every step. square: a random
            symmetry of the square. superposition: the sum with a random multiple of a random
            translate, which is exact for linear equations with constant coefficients. sign: u or
            -u, where both solve the equation. boost: a frame at a random velocity, where the
            equation has one. A data set whose equation is another one is rejected.
        kwargs: as for OperatorModule.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        loss: LossName = "sum_of_squares",
        normalization: NormalizationName = "paper",
        coordinates: Sequence[Coordinates] = (),
        predicts: Predicts = "state",
        conserves_means: bool = False,
        augmentations: Sequence[Augmentation] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.given = {
            "network": network,
            "coordinates": coordinates,
            "conserves_means": conserves_means,
        }
        operator = NeuralOperator(
            network,
            normalization=normalization,
            coordinates=coordinates,
            predicts=predicts,
            conserves_means=conserves_means,
        )
        self.train_as(operator, loss, augmentations)

    def setup(self, stage: str) -> None:
        """Reject increments where nothing evolves; a mixture is tested on steady sets as well."""
        super().setup(stage)
        is_idle = self.operator.increments is not None and not self.operator.channels.has_states
        if stage == "fit" and is_idle:
            names = ", ".join(problem.name for problem in self.operator.problems)
            raise InputError(
                f"predicts=increment is for trajectories, {names} is steady; set predicts to state"
            )
