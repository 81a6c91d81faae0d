"""The trained operator û = N(f, c): a network and all that makes it a map from problems to fields.

It knows no trainer and no data set: training, tests, predictions and a script call this object.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_sciml.operators.array_operator import ArrayOperator
from lightning_sciml.operators.channels import Channels
from lightning_sciml.operators.conserved_means import ConservedMeans
from lightning_sciml.operators.coordinates import Coordinates, LatticeReduction, SquareSymmetries
from lightning_sciml.operators.description import (
    NetworkDescription,
    OperatorDescription,
    TrainedProblem,
)
from lightning_sciml.operators.increments import Predicts, increments_of
from lightning_sciml.operators.made_inputs import is_made
from lightning_sciml.operators.network_contract import (
    ANY_FIELD,
    ChannelAxis,
    channel_axes_of,
    channel_names_of,
    network_output,
    tensors_of,
)
from lightning_sciml.operators.network_frame import Fields, Moves, NetworkFrame
from lightning_sciml.operators.normalizations import NORMALIZATIONS
from lightning_sciml.operators.problem import Problem
from lightning_sciml.operators.standard_normalization import with_field
from lightning_sciml.operators.unrolling import EVERY_STEP, Steps, Unrolling, compared_steps
from lightning_sciml.pde.grid import Grid
from lightning_sciml.streaming.training_statistics import TrainingStatistics

NormalizationName = Literal["paper", "dimensionless", "medians", "standard"]


class NeuralOperator(ArrayOperator):
    """Predicts the solution of a problem, or the next state: û = T⁻¹ (m + s N(T f / …, T c / …)).

    T brings a problem into the coordinates in which the network N sees it, the normalisation
    divides out its scales, m and s are mean and scale of the answer.

    Args:
        network: maps (fields (B, S, H, W), coefficients (B, c)) to fields (B, F, H, W). Its
            attribute `coefficient_names` says which coefficients it takes, in order, `input_fields`
            and `output_fields` which fields, if they are others than source and solution. A network
            of the one output "solution" predicts any single field. The operator makes the inputs
            named x and y, the coordinates of the points in units of the sides, which problems that
            are not periodic need, mask_NAME, 1 where a problem has the field NAME and else 0, and
            amplitude_NAME, the logarithm of the unit of a state NAME whose equation gives none.
            Its attributes `options`, `channel_axes` and `output_channel_axes`, if it has them, are
            arguments that make another of this shape, and the axis of each parameter that runs
            over its input channels, and over its output fields.
        normalization: "paper" for the medians of Subramanian et al. 2023, "dimensionless" for each
            problem in units of its own, "medians" for data without an equation, and
            "standard" for mean zero and standard deviation one of every input and output field.
        coordinates: in which the network sees a problem; see ``Coordinates``.
        predicts: what s N is of an evolution: "state" for the next state beside its mean m,
            "increment" for what the newest state u of the inputs changes by: m = u, and s is the
            root of the mean square of such changes. Fields of steady problems have no increment.
        conserves_means: the mean over the grid of each field whose equation conserves it is that of
            the newest state, whatever the network is.

    Attributes:
        coefficient_names: of the c coefficients, in order.
        input_fields: of the S input channels, in order, without those that the operator makes.
        output_fields: of the F fields that it predicts, in order.
        channel_names: of the network: x, y and masks are among its fields.
        data_names: of the channels of data: those that the operator makes are not among them.
        problems: what it solves; `bind` sets them.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        normalization: NormalizationName = "paper",
        coordinates: Sequence[Coordinates] = (),
        predicts: Predicts = "state",
        conserves_means: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.channel_names = channel_names_of(network)
        fields, self.coefficient_names, self.output_fields = self.channel_names
        self.input_fields = tuple(name for name in fields if not is_made(name))
        self.data_names = self.channel_names._replace(fields=self.input_fields)
        self.normalization_name, self.coordinates = normalization, tuple(coordinates)
        self.normalization = NORMALIZATIONS[normalization](self.channel_names)
        self.predicts: Predicts = predicts
        self.increments = increments_of(predicts, self.output_fields)
        self.conserves_means = conserves_means
        self.conserved: ConservedMeans | None = None
        self.register_buffer("is_fitted", torch.zeros((), dtype=torch.bool))
        self.trained_on: tuple[TrainedProblem, ...] = ()
        self.lattice: LatticeReduction | None = None
        self.square: SquareSymmetries | None = None
        self.problems: tuple[Problem, ...] = ()
        self.channels = Channels([self._any_problem], self.channel_names)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return the tensors of the operator's state."""
        return tensors_of(super().state_dict(*args, **kwargs))

    def bind(self, problems: Sequence[Problem]) -> None:
        """Set the problems that samples refer to by number.

        Raises:
            InputError: the operator works by an equation, and one is not known; or a problem has
                fields, or symmetries of its grid, that do not fit.
        """
        self.problems = tuple(problems)
        self.normalization.bind(problems)
        device = self.is_fitted.device
        tables = Channels(problems or [self._any_problem], self.channel_names)
        self.channels = tables.to(device)
        if "lattice" in self.coordinates:
            self.lattice = LatticeReduction(problems, self.data_names).to(device)
        if {"square", "square_average"} & set(self.coordinates):
            self.square = SquareSymmetries(problems, self.data_names).to(device)
        if self.conserves_means:
            self.conserved = ConservedMeans(problems, self.output_fields).to(device)

    @property
    def _any_problem(self) -> Problem:
        """A problem that has all channels, for an operator that is bound to none."""
        return Problem(
            name="",
            equation=None,
            grid=Grid(shape=(1, 1)),
            columns=(),
            input_fields=self.input_fields,
            output_fields=self.output_fields,
            state_fields=() if self.increments is None else self.output_fields,
        )

    def fit(self, statistics: TrainingStatistics, trained_on: Sequence[TrainedProblem]) -> None:
        """Take the scales of the training samples, once: a loaded operator keeps its own."""
        self.trained_on = tuple(trained_on)
        if not self.is_fitted:
            targets = {name for p in trained_on for name in p.output_fields}
            if self.output_fields == ANY_FIELD and len(targets) == 1:
                statistics = with_field(statistics, ANY_FIELD[0], targets.pop())
            statistics = self.normalization.measured(statistics)
            self.normalization.fit(statistics)
            if self.increments is not None:
                self.increments.fit(statistics)
            self.is_fitted.fill_(True)

    def forward(
        self,
        inputs: Float[Tensor, "B S H W"],
        coefficients: Float[Tensor, "B c"],
        problem: Int[Tensor, " B"] | None = None,
    ) -> Fields:
        """Predict û, one step of an evolution.

        Args:
            inputs: channels in the order of `input_fields`.
            coefficients: in the order of `coefficient_names`.
            problem: number of each sample's problem; the first one by default.
        """
        if problem is None:
            problem = torch.zeros(inputs.shape[0], dtype=torch.long, device=inputs.device)
        if self.square is not None and "square_average" in self.coordinates and not self.training:
            return self.square.average(self._solve, inputs, coefficients, problem)
        return self._solve(inputs, coefficients, problem)

    def training_pair(
        self,
        inputs: Float[Tensor, "B S H W"],
        coefficients: Float[Tensor, "B c"],
        problem: Int[Tensor, " B"],
        outputs: Steps,
        unrolling: Unrolling = EVERY_STEP,
    ) -> tuple[Steps, Steps]:
        """Return the two fields that a loss compares, where the network works.

        These are its output at each step that is compared, and the reference in its coordinates and
        scale. Every step starts from the predictions before it.
        """
        given = inputs, coefficients, problem
        return compared_steps(self._network_frame, self.channels, given, outputs, unrolling)

    @property
    def channel_axes(self) -> dict[str, ChannelAxis]:
        """Return the tensors of network and normalisation that run over channels."""
        axes = {f"normalization.{n}": axis for n, axis in self.normalization.channel_axes.items()}
        axes |= {f"network.{n}": axis for n, axis in channel_axes_of(self.network).items()}
        if self.increments is not None:
            axes |= {f"increments.{n}": axis for n, axis in self.increments.channel_axes.items()}
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
            output_fields=self.output_fields,
            normalization=self.normalization_name,
            coordinates=self.coordinates,
            predicts=self.predicts,
            conserves_means=self.conserves_means,
            problems=self.trained_on,
        )

    def _solve(self, inputs: Tensor, coefficients: Tensor, problem: Tensor) -> Fields:
        return self._network_frame(inputs, coefficients, problem).prediction()

    def _network_frame(self, inputs: Tensor, coefficients: Tensor, problem: Tensor) -> NetworkFrame:
        """Call the network in its coordinates and scales."""
        moves: Moves = []
        for change in (self.lattice, self.square if "square" in self.coordinates else None):
            if change is not None:
                elements = change.elements(coefficients, problem)
                inputs = change.move_inputs(inputs, problem, elements)
                coefficients = change.move_coefficients(coefficients, problem, elements)
                moves.append((change, elements))
        fields = self.channels.network_fields(inputs, problem)
        fields, numbers, answer = self.normalization(fields, coefficients, problem)
        if self.normalization.moves_zero:
            fields = self.channels.without_absent(fields, problem)
        output = network_output(self.network, fields, numbers, len(self.output_fields))
        if self.increments is None and self.conserved is None:
            return NetworkFrame(output, answer, moves, problem)
        states, answer_after = self.channels.states_before(inputs, problem), None
        if self.increments is not None:
            is_state = self.channels.is_state(problem)
            answer_after = partial(self.increments.answer, answer, is_state)
            answer = answer_after(states)
        if self.conserved is not None:
            output = self.conserved(output, answer, states, problem)
        return NetworkFrame(output, answer, moves, problem, answer_after)
