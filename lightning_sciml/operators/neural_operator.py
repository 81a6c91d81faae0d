"""The trained operator û = N(f, c): a network and all that makes it a map from problems to fields.

It knows no trainer and no data set: training, tests, predictions and a script call this object.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

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
from lightning_sciml.operators.coordinates import (
    CoordinateChanges,
    Coordinates,
    LatticeReduction,
    SquareSymmetries,
)
from lightning_sciml.operators.description import (
    NetworkDescription,
    OperatorDescription,
    TrainedProblem,
)
from lightning_sciml.operators.network_contract import (
    ChannelAxis,
    channel_names_of,
    network_input,
    network_output,
    tensors_of,
)
from lightning_sciml.operators.normalization import NORMALIZATIONS, TrainingStatistics
from lightning_sciml.operators.problem import Problem, by_problem

NormalizationName = Literal["paper", "dimensionless", "medians"]
Field = Float[Tensor, "B 1 H W"]
Moves = list[tuple[CoordinateChanges, Int[Tensor, " B"]]]


class NeuralOperator(nn.Module):
    """Predicts the solution of a problem: û = s T⁻¹ N(T f / …, T c / …).

    T brings a problem into the coordinates in which the network N sees it, the normalisation
    divides out its scales, s is the scale of the answer.

    Args:
        network: maps (fields (B, S, H, W), coefficients (B, c)) to a field (B, 1, H, W). Its
            attribute `coefficient_names` says which coefficients it takes, in order, and
            `input_fields` which fields, if there are others than the source. Those named x and y
            are the coordinates of the grid points, which problems that are not periodic need. Its
            attributes `options` and `channel_axes`, if it has them, are arguments that make another
            of this shape, and the axis of each parameter that runs over its channels.
        normalization: "paper" for the medians of Subramanian et al. 2023, "dimensionless" for the
            problem without its physical dimensions, "medians" for data without an equation.
        coordinates: in which the network sees a problem; see ``Coordinates``.

    Attributes:
        coefficient_names: of the c coefficients, in order.
        input_fields: of the S fields, in order, without x and y.
        channel_names: of the network: x and y are among its fields.
        problems: what it solves; `bind` sets them.
    """

    is_fitted: Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        normalization: NormalizationName = "paper",
        coordinates: Sequence[Coordinates] = (),
    ) -> None:
        super().__init__()
        self.network = network
        self.channel_names = channel_names_of(network)
        fields, self.coefficient_names = self.channel_names
        self.input_fields = tuple(name for name in fields if name not in ("x", "y"))
        self.normalization_name, self.coordinates = normalization, tuple(coordinates)
        self.normalization = NORMALIZATIONS[normalization](self.channel_names)
        self.register_buffer("is_fitted", torch.zeros((), dtype=torch.bool))
        self.problems: tuple[Problem, ...] = ()
        self.trained_on: tuple[TrainedProblem, ...] = ()
        self.num_points = 0
        self.lattice: LatticeReduction | None = None
        self.square: SquareSymmetries | None = None

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return the tensors of the operator's state."""
        return tensors_of(super().state_dict(*args, **kwargs))

    def bind(self, problems: Sequence[Problem]) -> None:
        """Set the problems that samples refer to by number.

        Raises:
            InputError: the operator works by an equation, and one is not known.
        """
        self.problems = tuple(problems)
        self.normalization.check(problems)
        num_coefficients, device = len(self.coefficient_names), self.is_fitted.device
        if "lattice" in self.coordinates:
            self.lattice = LatticeReduction(problems, num_coefficients).to(device)
        if {"square", "square_average"} & set(self.coordinates):
            self.square = SquareSymmetries(problems, num_coefficients).to(device)

    def fit(
        self,
        statistics: TrainingStatistics,
        trained_on: Sequence[TrainedProblem],
        num_points: int,
    ) -> None:
        """Take the scales of the training samples, once: a loaded operator keeps its own."""
        self.trained_on, self.num_points = tuple(trained_on), num_points
        if not self.is_fitted:
            self.normalization.fit(statistics)
            self.is_fitted.fill_(True)

    def forward(
        self,
        inputs: Float[Tensor, "B S H W"],
        coefficients: Float[Tensor, "B c"],
        problem: Int[Tensor, " B"] | None = None,
    ) -> Field:
        """Predict û.

        Args:
            inputs: fields in the order of `input_fields`.
            coefficients: in the order of `coefficient_names`.
            problem: number of each sample's problem; the first one by default.
        """
        if problem is None:
            problem = torch.zeros(len(inputs), dtype=torch.long, device=inputs.device)
        if self.square is not None and "square_average" in self.coordinates and not self.training:
            return self.square.average(self._solve, inputs, coefficients, problem)
        return self._solve(inputs, coefficients, problem)

    def training_pair(
        self,
        inputs: Float[Tensor, "B S H W"],
        coefficients: Float[Tensor, "B c"],
        problem: Int[Tensor, " B"],
        outputs: Field,
    ) -> tuple[Field, Field]:
        """Return the two fields that a loss compares, where the network works.

        These are its output, and the solution in its coordinates and scale.
        """
        output, scale, moves = self._in_network_frame(inputs, coefficients, problem)
        for change, elements in moves:
            outputs = change.move_field(outputs, elements)
        return output, outputs / scale

    def predict(
        self,
        fields: Array | Mapping[str, Array],
        *,
        report: bool = False,
        problem: str | None = None,
        batch_size: int = 128,
        **coefficients: Number,
    ) -> Any:
        """Predict û for a user's arrays, in evaluation mode and without gradients.

        Args:
            fields: the source, (N, N) or (B, N, N), [y, x] on the periodic unit square, NumPy's or
                torch's; a mapping by name where the operator takes several fields.
            report: also return a ``PredictionReport``.
            problem: the training problem that these are like, where the names of the coefficients
                do not tell.
            batch_size: samples that are computed at a time.
            coefficients: by name, a number or (B,).

        Returns:
            û as float32 in the shape of the source and of its kind, on the CPU for NumPy and on the
            source's device for torch; with `report` a pair (û, report).

        Raises:
            InputError: names, shapes or values that the operator cannot use.
        """
        reject_below(1, batch_size=batch_size)
        if not self.is_fitted:
            raise InputError(
                "this operator has no normalisation: it was not trained, or its file holds none; "
                "give load_operator the medians of its training set"
            )
        inputs = fields_in_order(fields, self.input_fields)
        trained = trained_problem_like(self.trained_on, coefficients, problem)
        numbers = coefficients_in_order(coefficients, self.coefficient_names, len(inputs))
        given = trained.among(self.coefficient_names)
        solution = self._in_batches(inputs, numbers, given, batch_size)
        result = as_given(solution, fields)
        if not report:
            return result
        return result, report_on(solution, inputs, numbers[:, list(given.columns)], trained)

    def _in_batches(
        self, inputs: Tensor, coefficients: Tensor, problem: Problem, batch_size: int
    ) -> Float[Tensor, "B H W"]:
        was_training, bound, device = self.training, self.problems, self.is_fitted.device
        self.eval()
        self.bind([problem])
        try:
            with torch.no_grad():
                parts = [
                    self(fields.to(device), numbers.to(device))
                    for fields, numbers in zip(
                        inputs.split(batch_size), coefficients.split(batch_size), strict=True
                    )
                ]
                return torch.cat(parts)[:, 0].float()
        finally:
            self.train(was_training)
            self.bind(bound)

    @property
    def channel_axes(self) -> dict[str, ChannelAxis]:
        """Return the tensors of network and normalisation that run over channels."""
        of_network: dict[str, int] = getattr(self.network, "channel_axes", {})
        axes = {f"network.{name}": ChannelAxis(axis, "all") for name, axis in of_network.items()}
        for name, axis in self.normalization.channel_axes.items():
            axes[f"normalization.{name}"] = axis
        return axes

    def describe(self) -> OperatorDescription:
        """Describe the operator in plain values."""
        cls = type(self.network)
        return OperatorDescription(
            network=NetworkDescription(
                class_path=f"{cls.__module__}.{cls.__qualname__}",
                options=dict(getattr(self.network, "options", {})),
            ),
            coefficient_names=self.coefficient_names,
            input_fields=self.channel_names.fields,
            normalization=self.normalization_name,
            coordinates=self.coordinates,
            problems=self.trained_on,
            num_points=self.num_points,
        )

    def _solve(self, inputs: Tensor, coefficients: Tensor, problem: Tensor) -> Field:
        output, scale, moves = self._in_network_frame(inputs, coefficients, problem)
        solution = scale * output
        for change, elements in reversed(moves):
            solution = change.move_field_back(solution, elements)
        return solution

    def _in_network_frame(
        self, inputs: Tensor, coefficients: Tensor, problem: Tensor
    ) -> tuple[Field, Float[Tensor, "B 1 1 1"], Moves]:
        """Call the network in its coordinates; return its output, its scale and the moves there."""
        moves: Moves = []
        for change in (self.lattice, self.square if "square" in self.coordinates else None):
            if change is not None:
                elements = change.elements(coefficients, problem)
                inputs = change.move_field(inputs, elements)
                coefficients = change.move_coefficients(coefficients, problem, elements)
                moves.append((change, elements))
        operator_scale = by_problem(
            lambda equation, c: equation.operator_scale(c), coefficients, problem, self.problems
        )
        fields = network_input(inputs, self.input_fields, self.channel_names.fields)
        fields, numbers, scale = self.normalization(fields, coefficients, operator_scale)
        return network_output(self.network, fields, numbers), scale, moves
