"""Steps of a window, each from the prediction before it: which have gradients, what is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from lightning_sciml.operators.channels import Channels
from lightning_sciml.operators.network_frame import Fields, NetworkFrame

Steps = Float[Tensor, "B K F H W"]
Gradients = Literal["all", "last"]
FrameOf = Callable[[Tensor, Tensor, Tensor], NetworkFrame]
"""Calls the network: (inputs, coefficients, problem) to its frame."""


@dataclass(frozen=True, kw_only=True)
class Unrolling:
    """How the steps of a window are trained on.

    Attributes:
        gradients: "all" compares every step and takes gradients through all of them. "last" makes
            the steps before the last without gradients, and compares that one alone (pushforward,
            Brandstetter et al. 2022); it takes the memory of one step.
        checkpoint_steps: keep the inputs of every step alone and compute the step again for its
            gradients, which takes the memory of one step and about a third more time.
    """

    gradients: Gradients = "all"
    checkpoint_steps: bool = False


EVERY_STEP = Unrolling()


def compared_steps(
    frame_of: FrameOf,
    channels: Channels,
    given: tuple[Float[Tensor, "B S H W"], Float[Tensor, "B c"], Int[Tensor, " B"]],
    outputs: Steps,
    unrolling: Unrolling = EVERY_STEP,
) -> tuple[Steps, Steps]:
    """Return outputs of the network and what they should be, at the steps that are compared.

    Args:
        frame_of: calls the network.
        channels: feeds predictions back.
        given: inputs, coefficients and problems of the first step.
        outputs: reference.
        unrolling: which steps are compared, and have gradients.
    """
    inputs, coefficients, problem = given
    references = outputs.unbind(dim=1)
    befores = (None, *references[:-1])
    first, last = 0, len(references) - 1
    if unrolling.gradients == "last" and last:
        inputs = _without_gradients(frame_of, channels, given, last)
        first = last

    def one_step(
        inputs: Tensor, reference: Tensor, before: Tensor | None
    ) -> tuple[Fields, Fields, Fields]:
        frame = frame_of(inputs, coefficients, problem)
        return *frame.pair(reference, before), frame.prediction()

    pairs: list[tuple[Fields, Fields]] = []
    for step in range(first, last):
        arguments = inputs, references[step], befores[step]
        if unrolling.checkpoint_steps:
            *pair, prediction = checkpoint(one_step, *arguments, use_reentrant=False)
        else:
            *pair, prediction = one_step(*arguments)
        pairs.append((pair[0], pair[1]))
        inputs = channels.next_inputs(inputs, prediction, problem)
    frame = frame_of(inputs, coefficients, problem)  # the step whose gradients are taken first
    pairs.append(frame.pair(references[last], befores[last]))
    found, wanted = zip(*pairs, strict=True)
    return stacked(found), stacked(wanted)


def _without_gradients(
    frame_of: FrameOf, channels: Channels, given: tuple[Tensor, Tensor, Tensor], num_steps: int
) -> Tensor:
    """Return the inputs after so many steps."""
    inputs, coefficients, problem = given
    with torch.no_grad():
        for _ in range(num_steps):
            prediction = frame_of(inputs, coefficients, problem).prediction()
            inputs = channels.next_inputs(inputs, prediction, problem)
    # Autocast of torch 2.8 keeps the weights that it has rounded, here without gradients.
    torch.clear_autocast_cache()
    return inputs


def stacked(steps: Sequence[Fields]) -> Steps:
    """Put steps behind each other; one step is a view."""
    return torch.stack(tuple(steps), dim=1) if len(steps) > 1 else steps[0][:, None]
