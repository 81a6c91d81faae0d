"""Losses of training, and the report of those that are not finite with the samples they are of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from lightning.pytorch.strategies import Strategy
from torch import Tensor

from lightning_sciml.errors import ReportedError
from lightning_sciml.evaluation.metrics import mean_over_fields, relative_l2
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.mixture_member import MixtureMember

Steps = Float[Tensor, "B K F H W"]
Present = Float[Tensor, "B F"]
"""1 for the fields that a sample's data set has, else 0; None where all have all."""


def sum_of_squares(
    prediction: Steps, reference: Steps, present: Present | None = None
) -> Float[Tensor, " B"]:
    """‖û - u‖² summed over grid points, fields and steps: the loss of Subramanian et al. 2023."""
    squares = (prediction - reference).square()
    if present is not None:
        squares = squares * present[:, None, :, None, None]
    return squares.sum(dim=(-4, -3, -2, -1))


def mean_relative_l2(
    prediction: Steps, reference: Steps, present: Present | None = None
) -> Float[Tensor, " B"]:
    """‖û - u‖₂ / ‖u‖₂ of each field at each step; the mean over steps and fields."""
    if present is not None:  # what is left out then has the error 0/1, and no gradient
        is_present = present[:, None, :, None, None] > 0
        prediction, reference = (
            torch.where(is_present, fields, 1.0) for fields in (prediction, reference)
        )
    return mean_over_fields(relative_l2(prediction, reference), present)


LossName = Literal["sum_of_squares", "relative_l2"]
LOSSES: dict[LossName, Callable[[Steps, Steps, Present | None], Float[Tensor, " B"]]] = {
    "sum_of_squares": sum_of_squares,
    "relative_l2": mean_relative_l2,
}


class NonFiniteError(ReportedError):
    """A loss or an error is not finite; the message names the step and the samples."""


@dataclass(frozen=True)
class Suspects:
    """The samples of a batch whose loss or error is not finite.

    Attributes:
        is_bad: which values are not finite.
        dataset: as in ``Batch``.
        sample_index: as in ``Batch``.
        quantity: what the values are.
        when: epoch and step.
    """

    is_bad: Bool[Tensor, " B"]
    dataset: Int[Tensor, " B"]
    sample_index: Int[Tensor, " B"]
    quantity: str
    when: str

    @classmethod
    def among(
        cls, values: Float[Tensor, " B"], batch: Batch, quantity: str, when: str
    ) -> "Suspects":
        """Collect the samples of this batch whose value is not finite."""
        is_bad = ~torch.isfinite(values.detach())
        return cls(is_bad, batch.dataset, batch.sample_index, quantity, when)

    def error(self, members: Sequence[MixtureMember], zero: Sequence[str] = ()) -> NonFiniteError:
        """Make the error that names the samples.

        Args:
            members: data sets by their numbers.
            zero: fields whose reference is zero somewhere, which no relative error is defined of.
        """
        datasets, indices = self.dataset[self.is_bad], self.sample_index[self.is_bad]
        pairs = zip(datasets.tolist(), indices.tolist(), strict=True)
        samples = [f"{members[d].name}:{i}" for d, i in pairs]
        remedy = "lower the learning rate or check these samples with `sciml data verify`"
        if zero:
            remedy = (
                f"{', '.join(zero)} is zero at all points there, which no relative error can be "
                "divided by; make the data set anew without this field or these samples"
            )
        return NonFiniteError(
            f"the {self.quantity} is not finite at {self.when}, on {len(samples)} of "
            f"{len(self.is_bad)} samples (data set:index): "
            f"{', '.join(samples[:8])}{', …' if len(samples) > 8 else ''}; {remedy}"
        )


def zero_fields(batch: Batch, fields: Sequence[str], present: Present | None) -> list[str]:
    """List the output fields that are zero at all points of a sample that has them, at a step."""
    is_zero = (batch.outputs == 0).all(dim=(-2, -1)).any(dim=1)
    if present is not None:
        is_zero = is_zero & (present > 0)
    return [name for name, some in zip(fields, is_zero.any(dim=0).tolist(), strict=True) if some]


class LossWatch:
    """Checks the losses of a step when the next one begins, so no step waits for the GPU.

    Reading a loss at once would make the process wait until the GPU is done.
    """

    def __init__(self) -> None:
        self._suspects: Suspects | None = None
        self._answer = torch.zeros((), dtype=torch.bool)
        self._copied: torch.cuda.Event | None = None

    @property
    def is_waiting(self) -> bool:
        """Return whether losses wait to be checked."""
        return self._suspects is not None

    def put(self, suspects: Suspects) -> None:
        """Remember the losses of this step."""
        self._suspects, self._answer, self._copied = suspects, suspects.is_bad.any(), None
        if self._answer.is_cuda:
            on_host = torch.empty((), dtype=torch.bool, pin_memory=True)
            self._answer = on_host.copy_(self._answer, non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record()

    def require_finite(
        self, members: Sequence[MixtureMember], strategy: Strategy | None = None
    ) -> None:
        """Raise a NonFiniteError if a loss of the last step was not finite; once.

        Args:
            members: data sets of the samples.
            strategy: by which all ranks ask together. Gradients are shared: what one rank met is in
                the weights of all.
        """
        if self._suspects is None:
            return
        suspects, self._suspects = self._suspects, None
        if self._copied is not None:
            self._copied.synchronize()
        is_bad = is_bad_anywhere = bool(self._answer)
        if strategy is not None:
            is_bad_anywhere = strategy.reduce_boolean_decision(is_bad, all=False)
        if is_bad:
            raise suspects.error(members)
        if is_bad_anywhere:
            raise NonFiniteError("the loss of another process is not finite; see its message")
