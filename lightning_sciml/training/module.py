"""Train a neural operator û = N(f, c) on pairs of problem (f, c) and solution u."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import lightning.pytorch as pl
import torch
from jaxtyping import Float, Int
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import MeanMetric

from lightning_sciml.checkpoints.files import OPERATOR, read_checkpoint
from lightning_sciml.checkpoints.operator_files import operator_of, reject_other_tensors
from lightning_sciml.errors import InputError, reject_repeated
from lightning_sciml.evaluation.metrics import relative_l2
from lightning_sciml.operators.augmentation import Augmentation, Augmentations
from lightning_sciml.operators.coordinates import Coordinates
from lightning_sciml.operators.description import trained_problem
from lightning_sciml.operators.network_contract import matched, reject_lost_state
from lightning_sciml.operators.neural_operator import NeuralOperator, NormalizationName
from lightning_sciml.operators.problem import Problem
from lightning_sciml.streaming.datamodule import Split, pde_data
from lightning_sciml.streaming.mixture import Batch, Mixture, MixtureMember
from lightning_sciml.training.compilation import (
    WORTH_COMPILING,
    Compile,
    can_compile,
    compile_in_place,
)
from lightning_sciml.training.finite_losses import LossWatch, NonFiniteError, Suspects
from lightning_sciml.training.optimization import cosine, follow_plan, num_training_steps
from lightning_sciml.training.parallelism import ShardedParameters
from lightning_sciml.training.schedules import PlateauSteps, made_schedule, step_schedule

Field = Float[Tensor, "B 1 H W"]


def sum_of_squares(prediction: Field, reference: Field) -> Float[Tensor, " B"]:
    """‖û - u‖² summed over grid points: the loss of Subramanian et al. 2023."""
    return (prediction - reference).square().sum(dim=(-3, -2, -1))


LossName = Literal["sum_of_squares", "relative_l2"]
LOSSES: dict[LossName, Callable[[Field, Field], Float[Tensor, " B"]]] = {
    "sum_of_squares": sum_of_squares,
    "relative_l2": relative_l2,
}


class OperatorModule(pl.LightningModule):
    """Trains a neural operator.

    Args:
        optimizer: any torch optimizer by class_path; Adam at 1e-3 as in the paper.
        scheduler: any scheduler by class_path; by default one cosine from the first step to the
            last. ReduceLROnPlateau gets the error of each validation.
        scheduler_interval: when `scheduler` moves.
        compile: run the network through torch.compile; `auto` does for runs that are long enough
            to win back the time it takes. Where it does not work, a notice says so.

    Attributes:
        operator: what is trained.
    """

    operator: NeuralOperator

    def __init__(
        self,
        *,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
        scheduler_interval: Literal["step", "epoch"] = "step",
        compile: Compile = "auto",
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
        self.mean_errors = nn.ModuleDict()

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

    def evaluate(self, operator: NeuralOperator) -> None:
        """Take a trained operator for ``test``, ``validate`` and ``predict``.

        Whether its answers are averaged over the square is chosen here, by the configuration.
        """
        if (coordinates := self.given_coordinates()) is not None:
            operator.coordinates = tuple(coordinates)
        self.operator = operator

    def given_network(self) -> nn.Module | None:
        """Return the network of the configuration, None where it names none."""
        return self.operator.network

    def given_coordinates(self) -> Sequence[Coordinates] | None:
        """Return the coordinates of the configuration, None where it names none."""
        return self.operator.coordinates

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
        checkpoint = read_checkpoint(checkpoint_path)
        operator = operator_of(checkpoint, checkpoint_path, network=network)
        told = checkpoint.operator
        module.train_as(operator, told.loss, told.augmentations)  # type: ignore
        return module.eval()

    def configure_model(self) -> None:
        """Compile and shard in place, so that names in checkpoints stay as they are."""
        wanted, self._compile = self._compile, False
        if wanted == "auto":
            wanted = self._points_to_train() >= WORTH_COMPILING
        strategy = self.trainer.strategy
        is_sharded = isinstance(strategy, ShardedParameters)
        if wanted and can_compile(strategy.root_device.type):
            compile_in_place(self.operator.network, by_units=is_sharded)
        if isinstance(strategy, ShardedParameters) and not self._is_sharded:
            strategy.shard(self.operator.network)
            self._is_sharded = True

    def _points_to_train(self) -> float:
        """Count the grid points that this process passes in all planned steps."""
        if self.trainer.state.fn != TrainerFn.FITTING:
            return 0.0
        mixture = self._mixtures["train"]
        num_samples = min(pde_data(self.trainer).batch_size, len(mixture))
        points = num_samples / self.trainer.world_size * mixture.num_points**2
        return points * num_training_steps(self.trainer)

    def setup(self, stage: str) -> None:
        """Match the data's channels to the operator's, and fit its normalisation once."""
        data = pde_data(self.trainer)
        operator = self.operator
        self._columns = matched(
            data.coefficient_names, operator.coefficient_names, "coefficient_names"
        )
        self._channels = matched(data.input_fields, operator.input_fields, "input_fields")
        mixture = next(iter(self._mixtures.values()))  # of any split: the data sets are the same
        problems = [self._problem(member) for member in mixture.members]
        operator.bind(problems)
        if stage == "fit":
            reject_lost_state(self)
            self.augment = Augmentations(
                self.augmentation_names, problems, len(operator.coefficient_names)
            ).to(self.device)
            trained_on = [trained_problem(member) for member in self._mixtures["train"].members]
            operator.fit(data.train_statistics(), trained_on, mixture.num_points)
        self._make_metrics()

    def _problem(self, member: MixtureMember) -> Problem:
        names = member.dataset.coefficient_names
        return Problem(
            name=member.name,
            equation=member.equation,
            columns=tuple(self.operator.coefficient_names.index(n) for n in names),
        )

    def in_operator_order(self, batch: Batch) -> Batch:
        """Order the batch's channels as the operator's; channels that the data lack are zero."""
        # column by column: indices in a list would be copied to the device, which waits for that
        coefficients = batch.coefficients.new_zeros(
            len(batch.coefficients), len(self.operator.coefficient_names)
        )
        for from_data, column in enumerate(self._columns):
            coefficients[:, column] = batch.coefficients[:, from_data]
        fields, num_fields = batch.source, len(self.operator.input_fields)
        if self._channels != list(range(num_fields)):
            B, _, H, W = fields.shape
            fields = fields.new_zeros(B, num_fields, H, W)
            for from_data, channel in enumerate(self._channels):
                fields[:, channel] = batch.source[:, from_data]
        return batch._replace(source=fields, coefficients=coefficients)

    def forward(
        self,
        inputs: Float[Tensor, "B S H W"],
        coefficients: Float[Tensor, "B c"],
        problem: Int[Tensor, " B"] | None = None,
    ) -> Field:
        """Predict û as the operator does."""
        return cast(Field, self.operator(inputs, coefficients, problem))

    def predict_batch(self, batch: Batch) -> Field:
        """Predict û for a batch in the data's order of channels."""
        batch = self.in_operator_order(batch)
        return self(batch.source, batch.coefficients, batch.dataset)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the mean loss over the global batch: DDP averages ranks, so weigh samples."""
        self._require_finite_losses()
        seed, step = pde_data(self.trainer).seed, self.global_step
        batch = self.augment(self.in_operator_order(batch), seed=seed, step=step)
        pair = self.operator.training_pair(
            batch.source, batch.coefficients, batch.dataset, batch.solution
        )
        losses = self.loss(*pair)
        loss = losses.sum() * (self.trainer.world_size / batch.global_size)
        self._watch.put(Suspects.among(losses, batch, "loss", self._now))
        self.log("train/loss", loss.detach(), prog_bar=True, batch_size=len(losses))
        return loss

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

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Accumulate val/relative_l2."""
        self._evaluate(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> Field:
        """Accumulate test/relative_l2, and return û for the test report."""
        return self._evaluate(batch, "test")

    def predict_step(self, batch: Batch, batch_idx: int) -> Field:
        """Return û."""
        return self.predict_batch(batch)

    def _make_metrics(self) -> None:
        """Make a mean error for each evaluated split, and for each data set of a mixture.

        In float64: the sum over samples then does not depend on how ranks share them.
        """
        for stage, mixture in self._mixtures.items():
            names = [f"{stage}_all"]
            if len(mixture.members) > 1:
                names += [f"{stage}_{d}" for d in range(len(mixture.members))]
            for name in names:
                if name not in self.mean_errors:
                    metric = MeanMetric(nan_strategy="disable").set_dtype(torch.float64)
                    self.mean_errors[name] = metric.to(self.device)

    @property
    def _mixtures(self) -> dict[Split, Mixture]:
        return pde_data(self.trainer).mixtures

    def _evaluate(self, batch: Batch, stage: Literal["val", "test"]) -> Field:
        prediction = self.predict_batch(batch)
        errors = relative_l2(prediction.double(), batch.solution.double())
        suspects = Suspects.among(errors, batch, f"{stage} error", self._now)
        if suspects.is_bad.any():
            raise suspects.error(self._mixtures[stage].members)
        self._log_mean(f"{stage}/relative_l2", f"{stage}_all", errors, prog_bar=True)
        members = self._mixtures[stage].members
        for d, member in enumerate(members if len(members) > 1 else ()):
            name = f"{stage}/relative_l2/{member.name}"
            self._log_mean(name, f"{stage}_{d}", errors[batch.dataset == d], prog_bar=False)
        return prediction

    def _log_mean(
        self, name: str, metric_name: str, errors: Float[Tensor, " B"], *, prog_bar: bool
    ) -> None:
        metric = cast(MeanMetric, self.mean_errors[metric_name])
        if len(errors):
            metric.update(errors)
        self.log(name, metric, prog_bar=prog_bar, on_epoch=True, batch_size=len(errors))

    @property
    def _now(self) -> str:
        return f"epoch {self.current_epoch}, step {self.global_step}"

    def _require_finite_losses(self, *, on_all_ranks: bool = False) -> None:
        """Raise a NonFiniteError if a loss of the last step was not finite."""
        if not self._watch.is_waiting:
            return
        suspects = self._watch.take()
        is_bad = suspects is not None
        if on_all_ranks:  # gradients are shared: what one rank met is in the weights of all
            is_bad = self.trainer.strategy.reduce_boolean_decision(is_bad, all=False)
        if suspects is not None:
            raise suspects.error(self._mixtures["train"].members)
        if is_bad:
            raise NonFiniteError("the loss of another process is not finite; see its message")

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Make the optimizer over all trained parameters."""
        return self._optimizer([p for p in self.parameters() if p.requires_grad])

    def configure_optimizers(self) -> Any:
        """Make the optimizer over all trained parameters, and its schedule."""
        optimizer = self.make_optimizer()
        num_steps = num_training_steps(self.trainer)
        if self._scheduler is None:
            return {
                "optimizer": optimizer,
                "lr_scheduler": {"scheduler": cosine(optimizer, num_steps), "interval": "step"},
            }
        schedule = made_schedule(
            self._scheduler,
            optimizer,
            interval=self._scheduler_interval,
            trainer=self.trainer,
            num_steps=num_steps,
        )
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Step a schedule of Lightning's list; ReduceLROnPlateau is stepped elsewhere."""
        step_schedule(scheduler)

    def configure_callbacks(self) -> list[PlateauSteps]:
        """Step plateaus before a checkpoint is written after a validation."""
        return [PlateauSteps()]


class PretrainingModule(OperatorModule):
    """Trains a network from random weights.

    Args:
        network: maps (fields (B, S, H, W), coefficients (B, c)) to a field (B, 1, H, W); its
            attribute `coefficient_names` says which channels it takes, in order, and
            `input_fields` which fields, if there are others than the source. Those named x and y
            are the coordinates of the points, which problems that are not periodic need.
        loss: of a sample, between the network's output and the solution that it stands for; the
            mean over the global batch is minimised. `relative_l2` does not depend on that scale.
        normalization: what the network sees of inputs and coefficients, and what its output is
            multiplied with: the paper's medians, or the problem without its physical dimensions,
            or the medians of each channel, for imported data of which no equation is known.
        coordinates: in which the network sees a problem; its prediction is moved back. lattice: the
            coordinates of the torus, of those that integer matrices give, in which the diffusion is
            least anisotropic. square: one of the eight images under the symmetries of the square,
            the same for all of them. square_average: in evaluation, the mean of all eight.
        augmentations: what is drawn anew from every training sample in every step. square: a random
            symmetry of the square. superposition: the sum with a random multiple of a random
            translate, which is exact for linear equations with constant coefficients.
        kwargs: as for OperatorModule.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        loss: LossName = "sum_of_squares",
        normalization: NormalizationName = "paper",
        coordinates: Sequence[Coordinates] = (),
        augmentations: Sequence[Augmentation] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        operator = NeuralOperator(network, normalization=normalization, coordinates=coordinates)
        self.train_as(operator, loss, augmentations)
