"""Evaluate a neural operator û = N(f, c) on the data sets of a trainer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import lightning.pytorch as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torchmetrics import MeanMetric

from lightning_sciml.checkpoints.files import Checkpoint
from lightning_sciml.checkpoints.operator_files import operator_of
from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.metrics import mean_over_fields, relative_l2
from lightning_sciml.operators.description import problem_of
from lightning_sciml.operators.network_contract import all_matched, matched, matched_outputs
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.operators.problem import Problem
from lightning_sciml.streaming.datamodule import Split, pde_data
from lightning_sciml.streaming.mixture import Batch, Mixture
from lightning_sciml.streaming.mixture_member import MixtureMember
from lightning_sciml.streaming.windows import LEAD_TIME, reject_uneven_times, short_history_fault
from lightning_sciml.training.losses import Present, Steps, Suspects, zero_fields
from lightning_sciml.training.unknown_equations import reject_unknown_equations


class EvaluatedModule(pl.LightningModule):
    """Validates, tests and predicts.

    Attributes:
        operator: what is evaluated.
        given: network and coordinates of the configuration, None where it leaves them out; a
            module that starts from a checkpoint has further entries.
    """

    operator: NeuralOperator

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, Any] = {"network": None, "coordinates": None}
        self.mean_errors = nn.ModuleDict()

    def evaluate(self, checkpoint: Checkpoint, origin: str | Path) -> None:
        """Take a trained operator for ``test``, ``validate`` and ``predict``.

        Whether its answers are averaged over the square is chosen here, by the configuration.

        Raises:
            InputError: the checkpoint does not describe an operator, or one of another network.
        """
        self.operator = operator_of(checkpoint, origin, network=self.given["network"])
        if self.given["coordinates"] is not None:
            self.operator.coordinates = tuple(self.given["coordinates"])

    def setup(self, stage: str) -> None:
        """Match the data's channels to the operator's."""
        data, operator = pde_data(self.trainer), self.operator
        mixture = next(iter(self._mixtures.values()))  # of any split: the data sets are the same
        names = operator.coefficient_names
        fields, all_fields = operator.input_fields, operator.channel_names.fields
        made = [name for name in all_fields if name not in fields]
        made_numbers = [name for name in names if name == LEAD_TIME]
        self._columns, self._channels, self._outputs = all_matched(
            lambda: matched(data.coefficient_names, names, "coefficient_names", made=made_numbers),
            lambda: matched(data.input_fields, fields, "input_fields", made=made),
            lambda: matched_outputs(mixture.output_fields, operator.output_fields),
        )
        _reject_short_history(mixture, operator.input_fields)
        for member in (m for of_split in self._mixtures.values() for m in of_split.members):
            self.reject_uneven_times(member)
        problems = [problem_of(member, names) for member in mixture.members]
        self.reject_unknown(problems, stage)
        operator.bind(problems)
        self._make_metrics()

    def reject_unknown(self, problems: Sequence[Problem], stage: str) -> None:
        """Reject problems without the equation that the operator works by.

        Raises:
            InputError: naming the data sets.
        """
        del stage
        reject_unknown_equations(problems, self.operator, is_training=False)

    def reject_uneven_times(self, member: MixtureMember) -> None:
        """Reject windows whose steps are of several lengths, where the network is told one.

        Raises:
            InputError: naming the data set.
        """
        if LEAD_TIME in self.operator.coefficient_names:
            reject_uneven_times(member.dataset.manifest, member.windows.num_steps)

    def _make_metrics(self) -> None:
        """Make a mean error for each evaluated split, each data set of several, each field of some.

        In float64: the sum over samples then does not depend on how ranks share them.
        """
        for stage, mixture in self._mixtures.items():
            num_sets, num_fields = len(mixture.members), len(mixture.output_fields)
            names = [f"{stage}_all"]
            names += [f"{stage}_{d}" for d in range(num_sets) if num_sets > 1]
            names += [f"{stage}_field_{j}" for j in range(num_fields) if num_fields > 1]
            for name in names:
                if name not in self.mean_errors:
                    metric = MeanMetric(nan_strategy="disable").set_dtype(torch.float64)
                    self.mean_errors[name] = metric.to(self.device)

    @property
    def _mixtures(self) -> dict[Split, Mixture]:
        return pde_data(self.trainer).mixtures

    def in_operator_order(self, batch: Batch) -> Batch:
        """Order the batch's channels as the operator's; channels that the data lack are zero."""
        operator = self.operator
        outputs = batch.outputs
        if self._outputs != list(range(len(operator.output_fields))):
            steps = _placed(outputs.flatten(0, 1), self._outputs, len(operator.output_fields))
            outputs = steps.unflatten(0, outputs.shape[:2])
        names = operator.coefficient_names
        numbers = _placed(batch.coefficients, self._columns, len(names))
        if LEAD_TIME in names:  # no data set has it: the numbers are new memory
            numbers[:, names.index(LEAD_TIME)] = batch.lead_time
        return batch._replace(
            inputs=_placed(batch.inputs, self._channels, len(operator.input_fields)),
            outputs=outputs,
            coefficients=numbers,
        )

    def forward(
        self,
        inputs: Float[Tensor, "B S H W"],
        coefficients: Float[Tensor, "B c"],
        problem: Int[Tensor, " B"] | None = None,
    ) -> Float[Tensor, "B F H W"]:
        """Predict û as the operator does, one step."""
        return cast(Tensor, self.operator(inputs, coefficients, problem))

    def predict_batch(self, batch: Batch) -> Steps:
        """Predict û at all steps of a batch; the channels of both are in the data's order."""
        num_steps = batch.outputs.shape[1]
        batch = self.in_operator_order(batch)
        prediction = self.operator.unroll(
            batch.inputs, batch.coefficients, batch.dataset, num_steps=num_steps
        )
        if self._outputs == list(range(prediction.shape[2])):
            return prediction
        return torch.stack([prediction[:, :, j] for j in self._outputs], dim=2)

    def present_outputs(self, problem: Int[Tensor, " B"]) -> Present | None:
        """Tell which output fields the samples of these data sets have, in the data's order."""
        present = self.operator.channels.predicted_fields(problem)
        return None if present is None else present[:, self._outputs]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Accumulate val/relative_l2."""
        self._evaluate(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> Steps:
        """Accumulate test/relative_l2, and return û for the test report.

        The report alone measures a rollout: one that leaves all bounds is a result there.
        """
        if self._mixtures["test"].members[0].windows.is_rollout:
            return self.predict_batch(batch)
        return self._evaluate(batch, "test")

    def predict_step(self, batch: Batch, batch_idx: int) -> Steps:
        """Return û."""
        return self.predict_batch(batch)

    def _evaluate(self, batch: Batch, stage: Literal["val", "test"]) -> Steps:
        prediction = self.predict_batch(batch)
        by_field = relative_l2(prediction.double(), batch.outputs.double())
        present = self.present_outputs(batch.dataset)
        errors = mean_over_fields(by_field, present)
        mixture = self._mixtures[stage]
        members, fields = mixture.members, mixture.output_fields
        suspects = Suspects.among(errors, batch, f"{stage} error", self._now)
        if suspects.is_bad.any():
            raise suspects.error(members, zero_fields(batch, fields, present))
        self._log_mean(f"{stage}/relative_l2", f"{stage}_all", errors, prog_bar=True)
        for d, member in enumerate(members if len(members) > 1 else ()):
            name = f"{stage}/relative_l2/{member.name}"
            self._log_mean(name, f"{stage}_{d}", errors[batch.dataset == d], prog_bar=False)
        sets = [member.name for member in members]
        evaluated = sorted({j for member in members for j in member.output_channels})
        for j in evaluated if len(fields) > 1 else ():  # not what replayed sets alone have
            field = fields[j]
            own = by_field[:, :, j].mean(dim=1)
            own = own if present is None else own[present[:, j] > 0]
            name = f"{stage}/relative_l2/{field}{'_field' if field in sets else ''}"
            self._log_mean(name, f"{stage}_field_{j}", own, prog_bar=False)
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


def _reject_short_history(mixture: Mixture, taken: Sequence[str]) -> None:
    """Reject trajectories without earlier states that the operator takes of their fields."""
    history = max(member.windows.history for member in mixture.members)
    if fault := short_history_fault(history, mixture.input_fields, taken):
        raise InputError(fault)


def _placed(
    values: Float[Tensor, "B D *grid"], places: Sequence[int], num_channels: int
) -> Float[Tensor, "B C *grid"]:
    """Put channel i at places[i] among `num_channels`; the others are zero."""
    if list(places) == list(range(num_channels)):
        return values
    result = values.new_zeros(len(values), num_channels, *values.shape[2:])
    # one by one: indices in a list would be copied to the device, which waits for that
    for channel, place in enumerate(places):
        result[:, place] = values[:, channel]
    return result
