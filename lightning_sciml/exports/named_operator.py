"""A trained operator for one problem as a map from named inputs to named outputs."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.operators.array_prediction import are_alike
from lightning_sciml.operators.description import TrainedProblem
from lightning_sciml.operators.network_contract import matched_outputs
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.streaming.windows import field_of, lagged

NEXT = "@+1"
"""Behind the name of a state in the inputs: the same field one step later, in the outputs."""


class NamedOperator(nn.Module):
    """û of one problem: fields and numbers by name ↦ fields by name, all of a batch.

    Normalisation, coordinates and all else that the operator does is inside; channels of other
    problems are zero.

    Args:
        operator: trained, and bound to `problem` while it is called.
        problem: one that it was trained on.

    Attributes:
        fields: names of the input fields (B, H, W); of a history NAME, NAME@-1 and so on.
        numbers: names of the coefficients (B,), with lead_time where the operator takes it.
        outputs: names of the predicted fields (B, H, W): NAME@+1 of a state NAME.
    """

    def __init__(self, operator: NeuralOperator, problem: TrainedProblem) -> None:
        super().__init__()
        self.operator, self.problem = operator, problem
        self.fields, self.numbers = problem.input_fields, problem.asked_names
        self.outputs = tuple(
            f"{name}{NEXT}" if name in problem.input_fields else name
            for name in problem.output_fields
        )
        self._places = matched_outputs(problem.output_fields, operator.output_fields)

    def forward(self, given: Mapping[str, Tensor]) -> dict[str, Float[Tensor, "B H W"]]:
        """Predict one step."""
        operator, some = self.operator, given[self.fields[0]]
        zeros = torch.zeros_like(some)
        inputs = torch.stack([given.get(n, zeros) for n in operator.input_fields], dim=1)
        zero = torch.zeros_like(some[:, 0, 0])
        columns = [given.get(name, zero) for name in operator.coefficient_names]
        empty = some.new_empty(some.shape[0], 0)
        coefficients = torch.stack(columns, dim=1) if columns else empty
        predicted = operator(inputs, coefficients)
        return {
            name: predicted[:, place]
            for name, place in zip(self.outputs, self._places, strict=True)
        }

    def following(self, name: str) -> str:
        """Name what an input field is at the next step: an output, an input, or itself."""
        field, _, lag = name.partition("@-")
        if field_of(name) not in self.problem.state_fields:
            return name
        return lagged(field, int(lag) - 1) if lag else f"{field}{NEXT}"


def problem_to_export(operator: NeuralOperator, name: str | None) -> TrainedProblem:
    """Find the training problem of this name; without one that of all, if they are alike.

    Raises:
        InputError: there is none, or there are several that differ; or the operator is not trained.
    """
    if not operator.is_fitted or not operator.trained_on:
        raise InputError(
            "an export needs a trained operator, this one has no normalisation or names no "
            "problem; name a checkpoint of sciml fit"
        )
    choices = " or ".join(p.name for p in operator.trained_on)
    found = [p for p in operator.trained_on if name in (None, p.name)]
    if not found:
        raise InputError(f"--problem must be {choices}, got {name}")
    if not all(are_alike(found[0], other) for other in found):
        raise InputError(
            "a graph is of one problem, the operator was trained on several that differ; give "
            f"--problem {choices}"
        )
    return found[0]
