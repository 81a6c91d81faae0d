"""Normalise inputs and outputs; scales are buffers, so they are in the checkpoint."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.operators.network_contract import ChannelAxis, ChannelNames
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.steady import Equation
from lightning_sciml.streaming.training_statistics import TrainingStatistics
from lightning_sciml.streaming.windows import field_of

Field = Float[Tensor, "B S H W"]
Numbers = Float[Tensor, "B c"]
Scale = Float[Tensor, "B 1 1 1"]


class Answer(NamedTuple):
    """From the network's output w to the fields u: u = offset + scale · w.

    Attributes:
        scale: of each sample, or of each field.
        offset: of each field; none where it is zero.
    """

    scale: Float[Tensor, "..."]
    offset: Float[Tensor, "F 1 1"] | None = None

    def fields(self, output: Field) -> Field:
        """Return u."""
        scaled = self.scale * output
        return scaled if self.offset is None else scaled + self.offset

    def network_output(self, fields: Field) -> Field:
        """Return w."""
        centred = fields if self.offset is None else fields - self.offset
        return centred / self.scale


class Scales(NamedTuple):
    """Divisors of a problem (f, c), and its answer.

    Attributes:
        field: of f.
        coefficients: of c, beside the median of each.
        answer: from the network's output to u.
        offset: subtracted from f before; none where it is zero.
    """

    field: Float[Tensor, "..."]
    coefficients: Float[Tensor, "B 1"]
    answer: Answer
    offset: Float[Tensor, "S 1 1"] | None = None


class Normalization(nn.Module, ABC):
    """Maps a problem (f, c) to the network's inputs, and its output back to u.

    Args:
        names: the network's channels.

    Raises:
        InputError: there are other fields than the f and u of Lu = f, which this rule is made for.
    """

    median_coefficients: Tensor
    needs_equation: ClassVar[bool] = True
    moves_zero: ClassVar[bool] = False
    """Whether a field of zeros becomes another one."""

    def __init__(self, names: ChannelNames) -> None:
        super().__init__()
        if self.needs_equation and (names.fields != ("source",) or len(names.outputs) > 1):
            raise InputError(
                "this normalization takes problems Lu = f with the one field 'source' and one "
                f"output, got {list(names.fields)} and {list(names.outputs)}; set normalization to "
                "standard or medians"
            )
        self.names = names
        self.register_buffer("median_coefficients", torch.ones(len(names.coefficients)))

    @property
    def channel_axes(self) -> dict[str, ChannelAxis]:
        """The buffers that run over channels."""
        return {"median_coefficients": ChannelAxis(0, "coefficients")}

    @abstractmethod
    def fit(self, statistics: TrainingStatistics) -> None:
        """Set the buffers from the training set's statistics."""

    @abstractmethod
    def scales(self, source: Field, operator_scale: Float[Tensor, " B"]) -> Scales:
        """Compute the scales of each problem; `operator_scale` is that of its L."""

    def forward(
        self, source: Field, coefficients: Numbers, operator_scale: Float[Tensor, " B"]
    ) -> tuple[Field, Numbers, Answer]:
        """Inputs of the network (fields, coefficients), and the way from its output to u."""
        scales = self.scales(source, operator_scale)
        scaled = coefficients / (scales.coefficients * self.median_coefficients)
        centred = source if scales.offset is None else source - scales.offset
        return centred / scales.field, scaled, scales.answer

    def check(self, problems: Sequence[Problem]) -> None:
        """Reject data without an equation Lu = f, as this rule divides by the scale of L.

        Raises:
            InputError: naming the data sets.
        """
        unknown = [p.name for p in problems if not isinstance(p.equation, Equation)]
        if self.needs_equation and unknown:
            raise InputError(
                "normalization paper and dimensionless use the equation Lu = f, got "
                f"{', '.join(unknown)} without one; set normalization to standard or medians"
            )

    def _set_medians(self, medians: Mapping[str, float]) -> None:
        """Set the scales; a coefficient that the data lack keeps the scale one."""
        for i, name in enumerate(self.names.coefficients):
            self.median_coefficients[i] = medians.get(name, 0.0) or 1.0


class PaperNormalization(Normalization):
    """Subramanian et al. 2023: (f, c) → (f, c) / s with s = ‖f‖ / median‖f‖; then c / median|c|.

    Dividing both sides of Lu = f by s leaves u as it is. The target is not scaled.
    """

    median_source_norm: Tensor

    def __init__(self, names: ChannelNames) -> None:
        super().__init__(names)
        self.register_buffer("median_source_norm", torch.ones(()))

    def fit(self, statistics: TrainingStatistics) -> None:
        """Take the medians."""
        self.median_source_norm.fill_(statistics.field_norms["source"])
        self._set_medians(statistics.coefficients)

    def scales(self, source: Field, operator_scale: Float[Tensor, " B"]) -> Scales:
        """(s, s, 1)."""
        s = _norm(source) / self.median_source_norm
        return Scales(s, s[:, 0, 0], Answer(torch.ones_like(s)))


class DimensionlessNormalization(Normalization):
    """(f, c) → (f/‖f‖, c/β), u = ‖f‖/(4π²β) w, with β the operator's scale; then c / median|c/β|.

    u is linear in f, and dividing the operator by β multiplies u by it. So, whatever the network
    is, û(αf; γc) = (α/γ) û(f; c) where β(γc) = γ β(c); where β is a constant of the equation
    (κ of Helmholtz), û(αf; c) = α û(f; c). 4π² is -Δ on the lowest mode: w is of order one.
    """

    def fit(self, statistics: TrainingStatistics) -> None:
        """Take the medians of the scaled coefficients."""
        self._set_medians(statistics.scaled_coefficients)

    def scales(self, source: Field, operator_scale: Float[Tensor, " B"]) -> Scales:
        """(‖f‖, β, ‖f‖/(4π²β))."""
        norm, beta = _norm(source), operator_scale[:, None, None, None]
        positive = norm.clamp_min(torch.finfo(norm.dtype).tiny)
        answer = Answer(norm / (4 * math.pi**2 * beta))
        return Scales(positive, operator_scale[:, None], answer)


class MedianNormalization(Normalization):
    """(f, c) → (f / median‖f‖, c / median|c|), channel by channel; the target is not scaled.

    For data of which no equation is known: the size of their inputs cannot be divided out.
    """

    median_field_norms: Tensor
    needs_equation = False

    def __init__(self, names: ChannelNames) -> None:
        super().__init__(names)
        self.register_buffer("median_field_norms", torch.ones(len(names.fields)))

    @property
    def channel_axes(self) -> dict[str, ChannelAxis]:
        """The buffers that run over channels."""
        return {**super().channel_axes, "median_field_norms": ChannelAxis(0, "fields")}

    def fit(self, statistics: TrainingStatistics) -> None:
        """Take the medians; a field that is absent from the data keeps the scale one."""
        for i, name in enumerate(self.names.fields):
            self.median_field_norms[i] = statistics.field_norms.get(field_of(name), 0.0) or 1.0
        self._set_medians(statistics.coefficients)

    def scales(self, source: Field, operator_scale: Float[Tensor, " B"]) -> Scales:
        """(median‖f‖, 1, 1)."""
        ones = source.new_ones(len(source), 1, 1, 1)
        return Scales(self.median_field_norms[:, None, None], ones[:, 0, 0], Answer(ones))


class StandardNormalization(Normalization):
    """f → (f - mean f) / std f and u = mean u + std u · w, field by field; c / median|c|.

    Mean and standard deviation are over all training samples, states and points. All states of a
    history have those of their field.
    """

    field_means: Tensor
    field_stds: Tensor
    output_means: Tensor
    output_stds: Tensor
    needs_equation = False
    moves_zero = True

    def __init__(self, names: ChannelNames) -> None:
        super().__init__(names)
        for kind, channels in (("field", names.fields), ("output", names.outputs)):
            self.register_buffer(f"{kind}_means", torch.zeros(len(channels)))
            self.register_buffer(f"{kind}_stds", torch.ones(len(channels)))

    @property
    def channel_axes(self) -> dict[str, ChannelAxis]:
        """The buffers that run over channels."""
        inputs, outputs = ChannelAxis(0, "fields"), ChannelAxis(0, "outputs")
        own = {"field_means": inputs, "field_stds": inputs}
        own |= {"output_means": outputs, "output_stds": outputs}
        return {**super().channel_axes, **own}

    def fit(self, statistics: TrainingStatistics) -> None:
        """Take means and standard deviations; a constant field keeps the scale one."""
        means, stds = statistics.field_means, statistics.field_stds
        for i, name in enumerate(map(field_of, self.names.fields)):
            self.field_means[i] = means.get(name, 0.0)
            self.field_stds[i] = scale_of(means.get(name, 0.0), stds.get(name, 0.0))
        for j, name in enumerate(self.names.outputs):
            self.output_means[j] = means.get(name, 0.0)
            self.output_stds[j] = scale_of(means.get(name, 0.0), stds.get(name, 0.0))
        self._set_medians(statistics.coefficients)

    def scales(self, source: Field, operator_scale: Float[Tensor, " B"]) -> Scales:
        """(std f, 1, mean u + std u · w), and mean f."""
        field_stds, field_means, output_stds, output_means = (
            getattr(self, name)[:, None, None]
            for name in ("field_stds", "field_means", "output_stds", "output_means")
        )
        ones = source.new_ones(len(source), 1)
        return Scales(field_stds, ones, Answer(output_stds, output_means), field_means)


NORMALIZATIONS: dict[str, type[Normalization]] = {
    "paper": PaperNormalization,
    "dimensionless": DimensionlessNormalization,
    "medians": MedianNormalization,
    "standard": StandardNormalization,
}


def scale_of(size: float, std: float) -> float:
    """Return the deviation, or 1 where it is the rounding, in float32, of values of this size."""
    return std if std > 1e-6 * abs(size) else 1.0


def with_field(statistics: TrainingStatistics, name: str, like: str) -> TrainingStatistics:
    """Give the field `name` moments and increments of the field `like`."""
    means, stds, increments = (
        {**values, name: values[like]} if like in values else values
        for values in (statistics.field_means, statistics.field_stds, statistics.increments)
    )
    return replace(statistics, field_means=means, field_stds=stds, increments=increments)


def _norm(source: Field) -> Scale:
    """‖f‖, the L² norm on the unit square."""
    return source.square().mean(dim=(-3, -2, -1), keepdim=True).sqrt()
