"""Normalisation by medians over the training samples: the paper's, and that of any channels."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.operators.network_contract import ChannelAxis, ChannelNames
from lightning_sciml.operators.normalization import Field, Normalization, Numbers
from lightning_sciml.operators.problem import Problem
from lightning_sciml.operators.scales import Answer, Scales
from lightning_sciml.pde.steady import Equation
from lightning_sciml.streaming.training_statistics import TrainingStatistics
from lightning_sciml.streaming.windows import field_of

Scale = Float[Tensor, "B 1 1 1"]


class PaperNormalization(Normalization):
    """Subramanian et al. 2023: (f, c) → (f, c) / s with s = ‖f‖ / median‖f‖; then c / median|c|.

    Dividing both sides of Lu = f by s leaves u as it is. The target is not scaled.

    Raises:
        InputError: there are other fields than the f and u of Lu = f, which this rule is made for.
    """

    median_source_norm: Tensor

    def __init__(self, names: ChannelNames) -> None:
        super().__init__(names)
        if names.fields != ("source",) or len(names.outputs) > 1:
            raise InputError(
                "normalization paper takes problems Lu = f with the one field 'source' and one "
                f"output, got {list(names.fields)} and {list(names.outputs)}; set normalization to "
                "dimensionless, standard or medians"
            )
        self.register_buffer("median_source_norm", torch.ones(()))

    def bind(self, problems: Sequence[Problem]) -> None:
        """Reject data without an equation Lu = f, both sides of which this rule divides.

        Raises:
            InputError: naming the data sets.
        """
        unknown = [p.name for p in problems if not isinstance(p.equation, Equation)]
        if unknown:
            raise InputError(
                f"normalization paper uses the equation Lu = f, got {', '.join(unknown)} without "
                "one; import the data with --equation NAME, or set normalization to standard"
            )

    def fit(self, statistics: TrainingStatistics) -> None:
        """Take the medians."""
        self.median_source_norm.fill_(statistics.field_norms["source"])
        self._set_medians(statistics.coefficients)

    def scales(self, fields: Field, coefficients: Numbers, problem: Int[Tensor, " B"]) -> Scales:
        """(s, s, 1)."""
        s = _norm(fields) / self.median_source_norm
        return Scales(s, s[:, 0, 0], Answer(torch.ones_like(s)))


class MedianNormalization(Normalization):
    """(f, c) → (f / median‖f‖, c / median|c|), channel by channel; the target is not scaled.

    For data of which no equation is known: the size of their inputs cannot be divided out.
    """

    median_field_norms: Tensor

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

    def scales(self, fields: Field, coefficients: Numbers, problem: Int[Tensor, " B"]) -> Scales:
        """(median‖f‖, 1, 1)."""
        ones = fields.new_ones(fields.shape[0], 1, 1, 1)
        return Scales(self.median_field_norms[:, None, None], ones[:, 0, 0], Answer(ones))


def _norm(source: Field) -> Scale:
    """‖f‖, the L² norm on the unit square."""
    return source.square().mean(dim=(-3, -2, -1), keepdim=True).sqrt()
