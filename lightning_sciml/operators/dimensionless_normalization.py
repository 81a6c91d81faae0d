"""Normalisation by the units of each problem: what is exact under the scaling of its equation."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.operators.network_contract import ChannelNames, matched_outputs
from lightning_sciml.operators.normalization import Field, Numbers
from lightning_sciml.operators.problem import Problem
from lightning_sciml.operators.scales import Answer, Scales
from lightning_sciml.operators.standard_normalization import StandardNormalization
from lightning_sciml.pde.evolution_equation import EvolutionEquation
from lightning_sciml.pde.units import SOLUTION, Units, amplitudes
from lightning_sciml.streaming.training_statistics import TrainingStatistics
from lightning_sciml.streaming.windows import LEAD_TIME, field_of


class ChannelUnits(NamedTuple):
    """The units of the channels of each sample, 1 where a problem has none."""

    inputs: Float[Tensor, "B S"]
    coefficients: Float[Tensor, "B c"]
    outputs: Float[Tensor, "B F"]


class DimensionlessNormalization(StandardNormalization):
    """(f, c, Δt) → (f/U, c/U_c, Δt/U_t) and u = U_u w, with the units U of each problem.

    See ``pde.units``: problems that differ by a scale become the same one, so whatever the network
    is, its prediction for a scaled problem is the scaled prediction. Fields in their units, or as
    they are where the equation has no scaling group, are then brought to mean zero and standard
    deviation one over the training samples, and coefficients divided by their medians m. Of numbers
    of an evolution that are positive, which may range over decades, the network sees 1 + ln(c/m).
    Where the source of Lu = f is the only field, it stays of norm one.

    A state u of an evolution without a scaling group is in units of √(mean u²) where the network is
    told its logarithm, the input amplitude_u: nothing is lost, and small states are seen and
    stepped as accurately, relative to their size, as large ones.
    """

    takes_amplitudes = True

    def __init__(self, names: ChannelNames) -> None:
        is_standardized = names.fields != ("source",)
        super().__init__(names, is_kept=is_standardized)
        self.measures_units = self.moves_zero = is_standardized
        self._kinds: list[Problem] = []
        self.register_buffer("kind", torch.zeros(1, dtype=torch.long), persistent=False)
        nothing = torch.zeros(1, len(names.coefficients), dtype=torch.bool)
        self.register_buffer("is_positive", nothing, persistent=False)

    kind: Int[Tensor, " P"]
    """Which of the problems that differ in their units each one is."""
    is_positive: Bool[Tensor, "P c"]
    """Which numbers of a problem the network sees the logarithms of."""

    def bind(self, problems: Sequence[Problem]) -> None:
        """Set the problems that samples refer to by number.

        Raises:
            InputError: the equation of a problem is not known, or its time has a unit and the
                network does not take the lead time.
        """
        _reject_unknown(problems)
        if timeless := [p.name for p in problems if p.state_fields and p.has_units]:
            self._require_lead_time(timeless)
        keys = [(p.equation, p.columns, p.input_fields, p.output_fields) for p in problems]
        self._kinds = list(dict(zip(keys[::-1], problems[::-1], strict=True)).values())
        order = list(dict.fromkeys(keys[::-1]))
        kind = torch.tensor([order.index(key) for key in keys] or [0])
        device = self.median_coefficients.device
        self.kind = kind.to(device)
        if self.measures_units and problems:
            rows = [_positive_numbers(p, self.names.coefficients) for p in problems]
            self.is_positive = torch.tensor(rows, dtype=torch.bool, device=device)

    def _require_lead_time(self, names: Sequence[str]) -> None:
        if LEAD_TIME not in self.names.coefficients:
            raise InputError(
                f"normalization dimensionless scales the time of {', '.join(names)}, so the "
                f"network must take {LEAD_TIME}, its coefficients are "
                f"{list(self.names.coefficients)}; add {LEAD_TIME} to "
                "model.network.coefficient_names"
            )

    def measured(self, statistics: TrainingStatistics) -> TrainingStatistics:
        """Return what is measured in the units of each problem, if anything is."""
        if self.measures_units and statistics.in_units is None:
            raise ValueError("statistics in units are needed; compute them with in_units=True")
        return statistics.in_units or statistics

    def fit(self, statistics: TrainingStatistics) -> None:
        """Take moments and medians; of Lu = f the medians of scaled coefficients."""
        if self.measures_units:
            super().fit(statistics)
        else:
            self._set_medians(statistics.scaled_coefficients)

    def forward(
        self, fields: Field, coefficients: Numbers, problem: Int[Tensor, " B"]
    ) -> tuple[Field, Numbers, Answer]:
        """Inputs of the network (fields, coefficients), and the way from its output to u."""
        fields, numbers, answer = super().forward(fields, coefficients, problem)
        if self.measures_units:
            is_positive = self.is_positive[problem] & (numbers > 0)
            tiny = torch.finfo(numbers.dtype).tiny
            numbers = torch.where(is_positive, 1 + numbers.clamp_min(tiny).log(), numbers)
        return fields, numbers, answer

    def scales(self, fields: Field, coefficients: Numbers, problem: Int[Tensor, " B"]) -> Scales:
        """(U, U_c, U_u w), around the means and by the deviations of training samples."""
        units = self._units(fields, coefficients, problem)
        inputs, outputs = units.inputs[..., None, None], units.outputs[..., None, None]
        if not self.measures_units:
            return Scales(inputs, units.coefficients, Answer(outputs))
        means, stds, output_means, output_stds = self.moments
        answer = Answer(outputs * output_stds, outputs * output_means, outputs)
        return Scales(inputs * stds, units.coefficients, answer, inputs * means)

    def _units(
        self, fields: Field, coefficients: Numbers, problem: Int[Tensor, " B"]
    ) -> ChannelUnits:
        if not self._kinds:
            ones = coefficients.new_ones
            sizes = map(len, (self.names.fields, self.names.coefficients, self.names.outputs))
            return ChannelUnits(*(ones(fields.shape[0], size) for size in sizes))
        channels = dict(zip(self.names.fields, fields.unbind(dim=1), strict=True))
        numbers = {name: coefficients[:, c] for c, name in enumerate(self.names.coefficients)}
        units, *others = (self._units_of(one, channels, numbers) for one in self._kinds)
        for index, own in enumerate(others, start=1):
            is_own = (self.kind[problem] == index)[:, None]
            pairs = zip(own, units, strict=True)
            units = ChannelUnits(*(torch.where(is_own, mine, so_far) for mine, so_far in pairs))
        return units

    def _units_of(
        self,
        problem: Problem,
        channels: Mapping[str, Float[Tensor, "B H W"]],
        numbers: Mapping[str, Float[Tensor, " B"]],
    ) -> ChannelUnits:
        """Compute the units of one problem for all samples."""
        names, some = self.names, next(iter(channels.values()))
        ones = some.new_ones(some.shape[0])
        own, units = [names.coefficients[j] for j in problem.columns], Units({}, ones)
        newest = {n: channels[n] for n in problem.input_fields if n == field_of(n)}
        if problem.equation is not None and problem.has_units:
            given = _columns([numbers[n] for n in own], ones)
            units = problem.equation.units(newest, given, numbers.get(LEAD_TIME), xp=torch)
        elif problem.state_fields:
            units = Units(amplitudes(newest, self.amplitudes, xp=torch), ones)
        of_numbers = dict.fromkeys(own, units.coefficients)
        if units.time is not None:
            of_numbers[LEAD_TIME] = units.time
        of_fields = {n: units.fields.get(field_of(n), ones) for n in problem.input_fields}
        of_outputs = [ones] * len(names.outputs)
        places = matched_outputs(problem.output_fields, names.outputs)
        for place, name in zip(places, problem.output_fields, strict=True):
            key = name if problem.state_fields else SOLUTION
            of_outputs[place] = units.fields.get(key, ones)
        return ChannelUnits(
            _columns([of_fields.get(n, ones) for n in names.fields], ones),
            _columns([of_numbers.get(n, ones) for n in names.coefficients], ones),
            _columns(of_outputs, ones),
        )


def _columns(
    numbers: Sequence[Float[Tensor, " B"]], like: Float[Tensor, " B"]
) -> Float[Tensor, "B n"]:
    return torch.stack([*numbers], dim=1) if numbers else like.new_empty(like.shape[0], 0)


def _positive_numbers(problem: Problem, names: Sequence[str]) -> list[bool]:
    """Tell which numbers of an evolution are positive."""
    equation = problem.equation
    if not isinstance(equation, EvolutionEquation):
        return [False] * len(names)
    return [name in (LEAD_TIME, *equation.positive_coefficients) for name in names]


def _reject_unknown(problems: Sequence[Problem]) -> None:
    unknown = [p.name for p in problems if p.equation is None]
    if unknown:
        raise InputError(
            "normalization dimensionless takes its units from an equation, got "
            f"{', '.join(unknown)} without one; import the data with --equation NAME, or set "
            "normalization to standard"
        )
