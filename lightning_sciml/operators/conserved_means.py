"""Means that the equation conserves, kept by construction: whatever the network is."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.operators.channels import ProblemTable
from lightning_sciml.operators.network_contract import matched_outputs
from lightning_sciml.operators.problem import Problem
from lightning_sciml.operators.scales import Answer
from lightning_sciml.pde.named_equation import conserved_means

Fields = Float[Tensor, "B F H W"]


class ConservedMeans(nn.Module):
    """Gives the output of a network the mean with which the state keeps that of the newest one.

    Args:
        problems: whose equations say which means they conserve.
        outputs: names of the operator's output fields.
    """

    def __init__(self, problems: Sequence[Problem], outputs: Sequence[str]) -> None:
        super().__init__()
        rows = []
        for problem in problems:
            places = matched_outputs(problem.output_fields, outputs)
            names = conserved_means(problem.equation)
            kept = {places[problem.output_fields.index(name)] for name in names}
            rows.append([j in kept for j in range(len(outputs))])
        self.is_conserved = ProblemTable(rows or [[False] * len(outputs)])

    def forward(
        self, output: Fields, answer: Answer, states: Fields, problem: Int[Tensor, " B"]
    ) -> Fields:
        """w - mean(w) + mean(w₀), with w₀ the output that would leave the state as it is.

        Args:
            output: w of the network, of any precision.
            answer: from w to fields.
            states: newest state of each output field, in the network's coordinates.
            problem: number of each sample's problem.
        """
        output = output.to(states.dtype)
        lacking = (answer.network_output(states) - output).mean(dim=(-2, -1), keepdim=True)
        is_conserved = self.is_conserved.rows[problem][..., None, None]
        return output + torch.where(is_conserved > 0, lacking, torch.zeros_like(lacking))


def reject_unconserved(problems: Sequence[Problem]) -> None:
    """Reject problems of which none conserves a mean.

    Raises:
        InputError: naming them.
    """
    if not any(conserved_means(p.equation) for p in problems):
        raise InputError(
            "conserves_means keeps means that the equation of trajectories conserves, got "
            f"{', '.join(p.name for p in problems)} without any; leave it out"
        )
