"""Normalisation to mean zero and standard deviation one, field by field."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lightning_sciml.operators.network_contract import ChannelAxis, ChannelNames
from lightning_sciml.operators.normalization import Field, Normalization, Numbers
from lightning_sciml.operators.scales import Answer, Scales, scale_of
from lightning_sciml.streaming.training_statistics import TrainingStatistics
from lightning_sciml.streaming.windows import field_of


class StandardNormalization(Normalization):
    """f → (f - mean f) / std f and u = mean u + std u · w, field by field; c / median|c|.

    Mean and standard deviation are over all training samples, states and points. All states of a
    history have those of their field.

    Args:
        names: the network's channels.
        is_kept: keep means and deviations in the checkpoint.
    """

    field_means: Tensor
    field_stds: Tensor
    output_means: Tensor
    output_stds: Tensor
    moves_zero = True
    scales_outputs = True

    def __init__(self, names: ChannelNames, *, is_kept: bool = True) -> None:
        super().__init__(names)
        for kind, channels in (("field", names.fields), ("output", names.outputs)):
            means, stds = torch.zeros(len(channels)), torch.ones(len(channels))
            self.register_buffer(f"{kind}_means", means, persistent=is_kept)
            self.register_buffer(f"{kind}_stds", stds, persistent=is_kept)

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

    def scales(self, fields: Field, coefficients: Numbers, problem: Int[Tensor, " B"]) -> Scales:
        """(std f, 1, mean u + std u · w), and mean f."""
        field_means, field_stds, output_means, output_stds = self.moments
        ones = fields.new_ones(fields.shape[0], 1)
        return Scales(field_stds, ones, Answer(output_stds, output_means), field_means)

    @property
    def moments(self) -> list[Float[Tensor, "C 1 1"]]:
        """Means and deviations of inputs, and of outputs, to broadcast over fields."""
        names = ("field_means", "field_stds", "output_means", "output_stds")
        return [getattr(self, name)[:, None, None] for name in names]


def with_field(statistics: TrainingStatistics, name: str, like: str) -> TrainingStatistics:
    """Give the field `name` moments and increments of the field `like`, in all units."""
    means, stds, increments = (
        {**values, name: values[like]} if like in values else values
        for values in (statistics.field_means, statistics.field_stds, statistics.increments)
    )
    in_units = statistics.in_units and with_field(statistics.in_units, name, like)
    return replace(
        statistics, field_means=means, field_stds=stds, increments=increments, in_units=in_units
    )
