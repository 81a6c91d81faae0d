"""The increment of a state as what a network predicts: û(t + Δ) = u(t) + s w."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.operators.network_contract import ChannelAxis
from lightning_sciml.operators.scales import Answer, scale_of
from lightning_sciml.streaming.training_statistics import TrainingStatistics

Predicts = Literal["state", "increment"]
Field = Float[Tensor, "B F H W"]


class Increments(nn.Module):
    """Scales of the increments of states; they are in the checkpoint.

    Args:
        outputs: names of the fields that the network predicts.

    Attributes:
        scales: s of each field: √(mean (u(t + Δ) - u(t))²) over training windows, in the unit of
            each sample where it has one.
    """

    scales: Float[Tensor, " F"]

    def __init__(self, outputs: Sequence[str]) -> None:
        super().__init__()
        self.outputs = tuple(outputs)
        self.register_buffer("scales", torch.ones(len(self.outputs)))

    @property
    def channel_axes(self) -> dict[str, ChannelAxis]:
        """The buffers that run over channels."""
        return {"scales": ChannelAxis(0, "outputs")}

    def fit(self, statistics: TrainingStatistics) -> None:
        """Take the scales; a field that never changes, and one of no evolution, keeps 1."""
        for j, name in enumerate(self.outputs):
            mean, std = (
                values.get(name, 0.0) for values in (statistics.field_means, statistics.field_stds)
            )
            self.scales[j] = scale_of(abs(mean) + std, statistics.increments.get(name, 0.0))

    def answer(
        self, of_state: Answer, is_state: Float[Tensor, "B F 1 1"] | None, states: Field
    ) -> Answer:
        """Return the way from the network's output to u, where the output is an increment.

        Args:
            of_state: the way where it is none: of fields of steady problems.
            is_state: 1 for the fields that are states of a sample's problem; None where all are.
            states: u(t) of each output field, where there is one.
        """
        scales = self.scales[:, None, None]
        if of_state.unit is not None:
            scales = of_state.unit * scales
        if is_state is None:
            return Answer(scales, states)
        offset = states.new_zeros(()) if of_state.offset is None else of_state.offset
        return Answer(
            torch.where(is_state > 0, scales, of_state.scale),
            torch.where(is_state > 0, states, offset),
        )


def increments_of(predicts: str, outputs: Sequence[str]) -> Increments | None:
    """Make the scales for what is predicted; None for the state itself.

    Raises:
        InputError: it is neither a state nor an increment.
    """
    if predicts not in get_args(Predicts):
        raise InputError(f"predicts must be state or increment, got {predicts!r}; set one of them")
    return Increments(outputs) if predicts == "increment" else None
