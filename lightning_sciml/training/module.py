"""Training of a neural operator û = N(f, c) on pairs of problem (f, c) and solution u."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import lightning.pytorch as pl
import torch
from jaxtyping import Float
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import MeanMetric

from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.metrics import relative_l2
from lightning_sciml.operators.coordinates import (
    CoordinateChanges,
    LatticeReduction,
    SquareSymmetries,
    known_equation,
    superposed,
)
from lightning_sciml.operators.normalization import NORMALIZATIONS, Inputs
from lightning_sciml.streaming.mixture import Batch, Mixture, by_equation
from lightning_sciml.training.compilation import (
    WORTH_COMPILING,
    Compile,
    can_compile,
    compile_in_place,
)
from lightning_sciml.training.finite_losses import LossWatch, NonFiniteError, Suspects
from lightning_sciml.training.network_contract import (
    network_output,
    refuse_lost_state,
    tensors_of,
)
from lightning_sciml.training.parallelism import ShardedParameters
from lightning_sciml.training.schedules import PlateauSteps, made_schedule, step_schedule
from lightning_sciml.training.weight_transfer import refuse_other_tensors

Field = Float[Tensor, "B 1 H W"]


def sum_of_squares(prediction: Field, reference: Field) -> Float[Tensor, " B"]:
    """‖û - u‖² summed over grid points: the loss of Subramanian et al. 2023."""
    return (prediction - reference).square().sum(dim=(-3, -2, -1))


LOSSES: dict[str, Callable[[Field, Field], Float[Tensor, " B"]]] = {
    "sum_of_squares": sum_of_squares,
    "relative_l2": relative_l2,
}


def channel_names(network: nn.Module) -> tuple[str, ...]:
    """The coefficients that a network takes, in order.

    Raises:
        InputError: it does not say which.
    """
    names = getattr(network, "coefficient_names", None)
    if names is None or isinstance(names, str):
        raise InputError(
            f"network {type(network).__name__} needs an attribute coefficient_names, a tuple of "
            f"the coefficients that it takes in order, such as ('k11', 'k22', 'k12'), got {names}"
        )
    return tuple(names)


class PretrainingModule(pl.LightningModule):
    """Trains a network from random weights.

    Args:
        network: maps (source (B, S, H, W), coefficients (B, c)) to a field (B, 1, H, W); its
            attribute `coefficient_names` says which channels it takes, in order, and
            `input_fields` which fields, if there are others than the source. Those named x and y
            are the coordinates of the points, which problems that are not periodic need.
        loss: of a sample, between the network's output and the solution that it stands for; the
            mean over the global batch is minimised. `relative_l2` does not depend on that scale.
        normalization: what the network sees of source and coefficients, and what its output is
            multiplied with: the paper's medians, or the problem without its physical dimensions,
            or the medians of each channel, for imported data of which no equation is known.
        augment: move every training sample by a random symmetry of the square in every step.
        superpose: add to every training sample a random multiple of a random translate of it in
            every step: exact for linear equations with constant coefficients.
        canonicalize: the network sees one of the eight images of a problem under the symmetries of
            the square, the same for all of them, and its prediction is moved back.
        reduce_anisotropy: the network sees a problem in the coordinates of the torus, of those that
            integer matrices give, in which its diffusion is least anisotropic; its prediction is
            moved back.
        symmetrize: in evaluation, average the prediction over the symmetries of the square.
        optimizer: any torch optimizer by class_path; Adam at 1e-3 as in the paper.
        scheduler: any scheduler by class_path; by default one cosine from the first step to the
            last. ReduceLROnPlateau looks at the error of each validation, whenever there is one.
        scheduler_interval: when `scheduler` moves.
        compile: run the network through torch.compile; `auto` does for runs that are long enough
            to win back the time it takes. Where it does not work, a notice says so.
    """

    _is_fitted: Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        loss: Literal["sum_of_squares", "relative_l2"] = "sum_of_squares",
        normalization: Literal["paper", "dimensionless", "medians"] = "paper",
        augment: bool = False,
        superpose: bool = False,
        canonicalize: bool = False,
        reduce_anisotropy: bool = False,
        symmetrize: bool = False,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
        scheduler_interval: Literal["step", "epoch"] = "step",
        compile: Compile = "auto",
    ) -> None:
        super().__init__()
        self.network = network
        self.coefficient_names: tuple[str, ...] = channel_names(network)
        self.input_fields: tuple[str, ...] = tuple(getattr(network, "input_fields", ("source",)))
        self.normalization = NORMALIZATIONS[normalization](
            self.coefficient_names, self.input_fields
        )
        self.register_buffer("_is_fitted", torch.zeros((), dtype=torch.bool))
        self.loss = LOSSES[loss]
        self.augment, self.superpose, self.symmetrize = augment, superpose, symmetrize
        self.canonicalize, self.reduce_anisotropy = canonicalize, reduce_anisotropy
        self._optimizer, self._scheduler = optimizer, scheduler
        self._scheduler_interval = scheduler_interval
        self._compile, self._is_sharded = compile, False
        self._watch = LossWatch()
        self.mean_errors = nn.ModuleDict()

    def configure_model(self) -> None:
        """Compile and shard in place, so that names in checkpoints stay as they are."""
        wanted, self._compile = self._compile, False
        if wanted == "auto":
            wanted = self._points_to_train() >= WORTH_COMPILING
        strategy = self.trainer.strategy
        is_sharded = isinstance(strategy, ShardedParameters)
        if wanted and can_compile(strategy.root_device.type):
            compile_in_place(self.network, by_units=is_sharded)
        if isinstance(strategy, ShardedParameters) and not self._is_sharded:
            strategy.shard(self.network)
            self._is_sharded = True

    def _points_to_train(self) -> float:
        """Grid points this process will pass from the first to the last planned step."""
        if self.trainer.state.fn != TrainerFn.FITTING:
            return 0.0
        mixture = self._mixtures["train"]
        num_samples = min(self.trainer.datamodule.batch_size, len(mixture))  # type: ignore[attr-defined]
        points = num_samples / self.trainer.world_size * mixture.num_points**2
        return points * num_training_steps(self.trainer)

    def setup(self, stage: str) -> None:
        """Match the data's channels to the network's, and fit the normalisation once."""
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        self._columns = matched(data.coefficient_names, self.coefficient_names, "coefficient_names")
        self._channels = matched(data.input_fields, self.input_fields, "input_fields")
        mixture = next(iter(self._mixtures.values()))  # of any split: the data sets are the same
        self._members = mixture.members
        self.normalization.check(mixture)
        if self.augment or self.canonicalize or self.symmetrize:
            self.symmetries = SquareSymmetries(mixture).to(self.device)
        if self.superpose:  # known equations are linear, with constant coefficients
            for member in self._members:
                known_equation(member)
        if self.reduce_anisotropy:
            self.reduction = LatticeReduction(mixture).to(self.device)
        self._make_metrics()
        if stage == "fit":
            refuse_lost_state(self)
        if stage == "fit" and not self._is_fitted:
            self.normalization.fit(data.train_statistics())
            self._is_fitted.fill_(True)

    def predict_batch(self, batch: Batch) -> Field:
        """û for a batch in the data's channel order; averaged over symmetries in evaluation."""
        if self.symmetrize and not self.training:
            return self.symmetries.average(self._predict, batch)
        return self._predict(batch)

    def _predict(self, batch: Batch) -> Field:
        batch, moves = self._standard_form(batch)
        source, coefficients, scale = self._inputs(batch)
        solution = scale * network_output(self.network, source, coefficients, batch.solution)
        for changes, elements in reversed(moves):
            solution = changes.move_field_back(solution, elements)
        return solution

    def _standard_form(self, batch: Batch) -> tuple[Batch, list[tuple[CoordinateChanges, Tensor]]]:
        """The problems in the coordinates in which the network sees them, and the way there."""
        moves: list[tuple[CoordinateChanges, Tensor]] = []
        if self.reduce_anisotropy:
            moves.append((self.reduction, self.reduction.elements(batch)))
            batch = self.reduction.move(batch, moves[-1][1])
        if self.canonicalize:
            moves.append((self.symmetries, self.symmetries.canonical_elements(batch)))
            batch = self.symmetries.move(batch, moves[-1][1])
        return batch, moves

    def _inputs(self, batch: Batch) -> Inputs:
        """What the network sees, in its channel order; channels that the data lacks are zero."""
        # column by column: indices in a list would be copied to the device, which waits for that
        coefficients = batch.coefficients.new_zeros(
            len(batch.coefficients), len(self.coefficient_names)
        )
        for from_data, column in enumerate(self._columns):
            coefficients[:, column] = batch.coefficients[:, from_data]
        source = self._placed(batch.source)
        scales = by_equation(
            lambda equation, c: equation.operator_scale(c),
            batch.coefficients,
            batch.dataset,
            self._members,
        )
        inputs: Inputs = self.normalization(source, coefficients, scales)
        return inputs

    def _placed(self, source: Float[Tensor, "B D H W"]) -> Float[Tensor, "B S H W"]:
        """The data's fields among the network's; those that the data lacks are zero, or x and y."""
        if self._channels == list(range(len(self.input_fields))):
            return source
        B, _, H, W = source.shape
        placed = source.new_zeros(B, len(self.input_fields), H, W)
        x, y = (torch.arange(n, device=source.device) / n for n in (W, H))
        coordinates = {"x": x, "y": y[:, None]}
        for name in set(coordinates) & set(self.input_fields):
            placed[:, self.input_fields.index(name)] = coordinates[name].to(placed.dtype)
        for from_data, channel in enumerate(self._channels):
            placed[:, channel] = source[:, from_data]
        return placed

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean loss over the global batch: DDP averages ranks, so a rank weighs by its samples."""
        self._require_finite_losses()
        seed, step = self.trainer.datamodule.seed, self.global_step  # type: ignore[attr-defined]
        if self.augment:
            batch = self.symmetries.move_at_random(batch, seed=seed, step=step)
        if self.superpose:
            batch = superposed(batch, seed=seed, step=step)
        batch, _ = self._standard_form(batch)
        source, coefficients, scale = self._inputs(batch)
        output = network_output(self.network, source, coefficients, batch.solution)
        losses = self.loss(output, batch.solution / scale)
        loss = losses.sum() * (self.trainer.world_size / batch.global_size)
        self._watch.put(Suspects.among(losses, batch, "loss", self._now))
        self.log("train/loss", loss.detach(), prog_bar=True, batch_size=len(losses))
        return loss

    def on_train_start(self) -> None:
        """Take the first step at the rate of this plan, which may end later than the saved one."""
        if self._scheduler is None:
            follow_plan(cast(LambdaLR, self.lr_schedulers()))

    def on_validation_start(self) -> None:
        """What is evaluated is to be the state after losses that are finite."""
        self._require_finite_losses(on_all_ranks=True)

    def on_train_epoch_end(self) -> None:
        """As before a validation."""
        self._require_finite_losses(on_all_ranks=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Nor is any other state kept."""
        self._require_finite_losses(on_all_ranks=True)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """The tensors of the module's state."""
        return tensors_of(super().state_dict(*args, **kwargs))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Reject the state of another network in one line, before any of it is loaded.

        Sharded weights are loaded before this hook, which then does not see them.
        """
        if "state_dict" in checkpoint:
            refuse_other_tensors(self.state_dict(), checkpoint["state_dict"], "the checkpoint")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Accumulate val/relative_l2."""
        self._evaluate(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> Field:
        """Accumulate test/relative_l2; returns û for what else is measured of it."""
        return self._evaluate(batch, "test")

    def predict_step(self, batch: Batch, batch_idx: int) -> Field:
        """Return û."""
        return self.predict_batch(batch)

    def _make_metrics(self) -> None:
        """A mean error for each evaluated split, and in a mixture for each of its data sets.

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
    def _mixtures(self) -> dict[str, Mixture]:
        return dict(self.trainer.datamodule.mixtures)  # type: ignore[attr-defined]

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
        """The optimizer over all trained parameters."""
        return self._optimizer([p for p in self.parameters() if p.requires_grad])

    def configure_optimizers(self) -> Any:
        """The optimizer over all trained parameters, and its schedule."""
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
        """Move a schedule of Lightning's list; plateaus are not in it."""
        step_schedule(scheduler)

    def configure_callbacks(self) -> list[PlateauSteps]:
        """Step plateaus before a checkpoint is written after a validation."""
        return [PlateauSteps()]


def matched(names: Sequence[str], wanted: Sequence[str], option: str) -> list[int]:
    """Where the data's channels stand among the network's.

    Raises:
        InputError: the network does not take one of them; `option` is where to add it.
    """
    missing = [name for name in names if name not in wanted]
    if missing:
        raise InputError(
            f"the network takes {option} {list(wanted)}, the data also has {missing}; "
            f"add them to network.{option}"
        )
    return [list(wanted).index(name) for name in names]


def num_training_steps(trainer: pl.Trainer) -> float:
    """Optimizer steps from the first to the last one planned; infinite if neither is limited.

    `trainer.estimated_stepping_batches` would do, but it fixes the loader before a checkpoint gives
    it its position, and the run would go on at the wrong sample.
    """
    num_steps = math.inf if trainer.max_steps == -1 else trainer.max_steps
    if trainer.max_epochs in (None, -1):
        return num_steps
    num_batches = len(trainer.datamodule.train_dataloader())  # type: ignore[attr-defined]
    limit = trainer.limit_train_batches
    limited = min(num_batches, limit) if isinstance(limit, int) else int(num_batches * limit)
    steps_per_epoch = math.ceil(limited / trainer.accumulate_grad_batches)
    return min(num_steps, steps_per_epoch * trainer.max_epochs)


def cosine(optimizer: torch.optim.Optimizer, num_steps: float) -> LambdaLR:
    """Half a cosine from the full rate to zero over `num_steps` steps.

    A function of the step and the planned end alone, so a resumed run with another end follows the
    new plan.
    """
    return LambdaLR(
        optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * min(1.0, step / num_steps)))
    )


def follow_plan(schedule: LambdaLR) -> None:
    """Set the rate that `schedule` plans for its current step, and say so if that is another."""
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
