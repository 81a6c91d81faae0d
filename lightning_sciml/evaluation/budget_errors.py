"""Drift of energy and enstrophy in rollouts, and how far predictions violate their budgets."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lightning_sciml.evaluation.lead_times import lead_times
from lightning_sciml.pde.budgets import INVARIANTS, Budget, budgets
from lightning_sciml.pde.evolution_equation import EvolutionEquation
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.mixture_member import ChannelNames, MixtureMember

KINDS = ("error", "budget", "budget_of_reference")
BUDGET_ERRORS = tuple(f"{name}_{kind}" for name in INVARIANTS for kind in KINDS)
"""What is measured of rollouts where an equation has such a budget."""


def budgeted(members: Sequence[MixtureMember]) -> list[str]:
    """Name what is measured of some of these data sets, the same on all ranks."""
    equations = [m.equation for m in members if isinstance(m.equation, EvolutionEquation)]
    known = {name for equation in equations for name in equation.invariant_names}
    return [f"{name}_{kind}" for name in INVARIANTS if name in known for kind in KINDS]


def budget_errors(
    prediction: Float[Tensor, "B K F H W"], batch: Batch, member: MixtureMember
) -> dict[str, Float[Tensor, "B K"]]:
    """Measure the rollouts of one data set, in float64; nothing without a budget.

    With Q the energy or the enstrophy of a state, and Δ the time of a step:

    - `Q_error`: |Q(û) - Q(u)| / Q(u) at each step;
    - `Q_budget`: |Q(û(t + Δ)) - Q(û(t)) - ∫ dQ/dt| / Q(u(0)) over each step. The integral is by the
      trapezoidal rule of the rates that the equation gives at both ends, so it is off by
      Δ³/12 |d³Q/dt³| even for a solution;
    - `Q_budget_of_reference`: the same of the reference, which shows how large that is.

    Args:
        prediction: û, fields in the order of the batch.
        batch: the references, and the last input states.
        member: the data set of all samples of the batch.
    """
    equation = member.equation
    if not isinstance(equation, EvolutionEquation) or not equation.invariant_names:
        return {}
    names = ChannelNames.of(member.dataset, member.windows)
    states = equation.state_fields
    inputs = [member.input_channels[names.inputs.index(name)] for name in states]
    outputs = [member.output_channels[names.outputs.index(name)] for name in states]
    initial = batch.inputs[:, inputs][:, None].double()
    coefficients = batch.coefficients[:, list(member.columns)].double().cpu().numpy()
    own, of_reference = (
        budgets(
            equation,
            torch.cat([initial, steps[:, :, outputs].double()], dim=1),
            coefficients,
            member.grid,
            xp=torch,
        )
        for steps in (prediction, batch.outputs)
    )
    ends = lead_times(member, batch.time_index.cpu().numpy())
    durations = initial.new_tensor(np.diff(ends, axis=1, prepend=0.0))
    found = {}
    for name, budget in own.items():
        reference = of_reference[name]
        found[f"{name}_error"] = (budget.amount / reference.amount - 1).abs()[:, 1:]
        scale = reference.amount[:, :1]
        found[f"{name}_budget"] = _violation(budget, durations) / scale
        found[f"{name}_budget_of_reference"] = _violation(reference, durations) / scale
    return found


def _violation(budget: Budget, durations: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
    rates = (budget.rate[:, 1:] + budget.rate[:, :-1]) / 2
    return (budget.amount.diff(dim=1) - durations * rates).abs()
