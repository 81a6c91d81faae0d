"""Normalise inputs and outputs; scales are buffers, so they are in the checkpoint."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.operators.made_inputs import AMPLITUDE, amplitude_names
from lightning_sciml.operators.network_contract import ChannelAxis, ChannelNames
from lightning_sciml.operators.problem import Problem
from lightning_sciml.operators.scales import Answer, Scales
from lightning_sciml.streaming.training_statistics import TrainingStatistics

Field = Float[Tensor, "B S H W"]
Numbers = Float[Tensor, "B c"]


class Normalization(nn.Module, ABC):
    """Maps a problem (f, c) to the network's inputs, and its output back to u.

    Args:
        names: the network's channels.

    Raises:
        InputError: the rule is not made for these channels.
    """

    median_coefficients: Tensor
    takes_amplitudes: bool = False
    """Whether an amplitude among the network's inputs makes it the unit of its field."""
    amplitudes: tuple[str, ...] = ()
    """The fields whose amplitude is their unit where their equation has none."""
    moves_zero: bool = False
    """Whether a field of zeros becomes another one."""
    scales_outputs: bool = False
    """Whether the network's output is of order one, whatever the units of the data."""
    measures_units: bool = False
    """Whether statistics are to be measured in the units of each problem."""

    def __init__(self, names: ChannelNames) -> None:
        super().__init__()
        self.names = names
        self.amplitudes = amplitude_names(names.fields)
        told = ", ".join(AMPLITUDE + name for name in self.amplitudes)
        if told and not self.takes_amplitudes:
            raise InputError(
                f"{told} among input_fields are units of normalization dimensionless, which is "
                "another here; set it to dimensionless, or leave them out"
            )
        self.register_buffer("median_coefficients", torch.ones(len(names.coefficients)))

    @property
    def channel_axes(self) -> dict[str, ChannelAxis]:
        """The buffers that run over channels."""
        return {"median_coefficients": ChannelAxis(0, "coefficients")}

    def bind(self, problems: Sequence[Problem]) -> None:
        """Set the problems that samples refer to by number; by default they are all the same.

        Raises:
            InputError: the rule works by an equation that one of them does not have.
        """
        del problems

    def measured(self, statistics: TrainingStatistics) -> TrainingStatistics:
        """Return the statistics in the units that `fit`, and increments, take."""
        return statistics

    @abstractmethod
    def fit(self, statistics: TrainingStatistics) -> None:
        """Set the buffers from the training set's statistics."""

    @abstractmethod
    def scales(self, fields: Field, coefficients: Numbers, problem: Int[Tensor, " B"]) -> Scales:
        """Compute the scales of each problem."""

    def forward(
        self, fields: Field, coefficients: Numbers, problem: Int[Tensor, " B"]
    ) -> tuple[Field, Numbers, Answer]:
        """Inputs of the network (fields, coefficients), and the way from its output to u."""
        scales = self.scales(fields, coefficients, problem)
        scaled = coefficients / (scales.coefficients * self.median_coefficients)
        centred = fields if scales.offset is None else fields - scales.offset
        return centred / scales.field, scaled, scales.answer

    def _set_medians(self, medians: Mapping[str, float]) -> None:
        """Set the scales; a coefficient that the data lack keeps the scale one."""
        for i, name in enumerate(self.names.coefficients):
            self.median_coefficients[i] = medians.get(name, 0.0) or 1.0
