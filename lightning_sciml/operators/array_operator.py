"""What an operator does beyond one step of a batch: rollouts, and predictions for arrays."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_sciml.errors import InputError, reject_below
from lightning_sciml.operators.array_prediction import (
    Array,
    Number,
    as_given,
    coefficients_in_order,
    fields_in_order,
    report_on,
    trained_problem_like,
)
from lightning_sciml.operators.channels import Channels
from lightning_sciml.operators.description import TrainedProblem
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.problem import Problem
from lightning_sciml.operators.unrolling import Steps, stacked


class ArrayOperator(nn.Module, ABC):
    """Applies what its call does, one step of a batch, to rollouts and to a user's arrays.

    Attributes:
        is_fitted: whether it has the scales of a training set.
        trained_on: the problems of that set.
        data_names: of the channels of data.
        channels: feed a prediction back.
        problems: what it solves; `bind` sets them.
    """

    is_fitted: Tensor
    trained_on: tuple[TrainedProblem, ...]
    data_names: ChannelNames
    channels: Channels
    problems: tuple[Problem, ...]

    @abstractmethod
    def bind(self, problems: Sequence[Problem]) -> None:
        """Set the problems that samples refer to by number."""

    def unroll(
        self,
        inputs: Float[Tensor, "B S H W"],
        coefficients: Float[Tensor, "B c"],
        problem: Int[Tensor, " B"] | None = None,
        *,
        num_steps: int = 1,
    ) -> Steps:
        """Predict K steps; each prediction becomes the newest state of the next step's history.

        Arguments as for a call. Inputs that are no states stay as they are.
        """
        if problem is None:
            problem = torch.zeros(inputs.shape[0], dtype=torch.long, device=inputs.device)
        predictions = [self(inputs, coefficients, problem)]
        while len(predictions) < num_steps:
            inputs = self.channels.next_inputs(inputs, predictions[-1], problem)
            predictions.append(self(inputs, coefficients, problem))
        return stacked(predictions)

    def predict(
        self,
        fields: Array | Mapping[str, Array],
        *,
        num_steps: int | None = None,
        report: bool = False,
        problem: str | None = None,
        batch_size: int = 128,
        **coefficients: Number,
    ) -> Any:
        """Predict û for a user's arrays, in evaluation mode and without gradients.

        Args:
            fields: the source, or the state, (H, W) or (B, H, W), [y, x], NumPy's or torch's, with
                points in the ratio of the training's; a mapping by name where the operator takes
                several channels: "u" and "u@-1" are the state and the one before it.
            num_steps: steps of an evolution; each prediction is the next step's state.
            report: also return a ``PredictionReport``.
            problem: the training problem that these are like, where the names of fields and
                coefficients do not tell.
            batch_size: samples that are computed at a time.
            coefficients: by name, a number or (B,); where the operator takes it, `lead_time` is the
                time of a step.

        Returns:
            û as float32, (H, W) or (B, H, W) as the fields are, and with `num_steps` (K, H, W) or
            (B, K, H, W); of their kind, on the CPU for NumPy and on the fields' device for torch. A
            mapping by name where the operator predicts several fields. With `report` a pair
            (û, report).

        Raises:
            InputError: names, shapes or values that the operator cannot use.
        """
        reject_below(1, batch_size=batch_size, num_steps=num_steps)
        if not self.is_fitted:
            raise InputError(
                "this operator has no normalisation: it was not trained, or its file holds none; "
                "give load_operator the medians of its training set"
            )
        trained = trained_problem_like(self.trained_on, fields, coefficients, problem)
        if num_steps is not None and not trained.state_fields:
            raise InputError(f"num_steps is for evolutions, {trained.name} is steady; leave it out")
        names = self.data_names
        inputs = fields_in_order(fields, names.fields, trained)
        numbers = coefficients_in_order(coefficients, names.coefficients, len(inputs))
        given = trained.among(names.coefficients, (inputs.shape[2], inputs.shape[3]))
        steps = self._in_batches(inputs, numbers, given, batch_size, num_steps or 1)
        result = as_given(steps if num_steps else steps[:, 0], names.outputs, given, fields)
        if not report:
            return result
        return result, report_on(steps, inputs, numbers, names, trained)

    def rollout(self, state: Array | Mapping[str, Array], num_steps: int, **options: Any) -> Any:
        """Predict `num_steps` steps of an evolution, each from the ones before.

        Args:
            state: last state, or states and static fields by name, as for `predict`.
            num_steps: K.
            options: coefficients by name, with `lead_time` where the operator takes it, and
                `report`, `problem` and `batch_size` as for `predict`.

        Returns:
            As `predict`: (K, H, W) or (B, K, H, W), a mapping of several fields.

        Raises:
            InputError: names, shapes or values that the operator cannot use, or it is of a steady
                problem.
        """
        return self.predict(state, num_steps=num_steps, **options)

    def _in_batches(
        self,
        inputs: Tensor,
        coefficients: Tensor,
        problem: Problem,
        batch_size: int,
        num_steps: int,
    ) -> Steps:
        device = self.is_fitted.device
        with self.evaluating(problem):
            parts = [
                self.unroll(fields.to(device), numbers.to(device), num_steps=num_steps)
                for fields, numbers in zip(
                    inputs.split(batch_size), coefficients.split(batch_size), strict=True
                )
            ]
            return torch.cat(parts).float()

    @contextmanager
    def evaluating(self, problem: Problem) -> Iterator[None]:
        """Solve one problem, in evaluation mode and without gradients, and nothing else after."""
        was_training, bound = self.training, self.problems
        self.eval()
        self.bind([problem])
        try:
            with torch.no_grad():
                yield
        finally:
            self.train(was_training)
            self.bind(bound)
