"""The channels of an operator for the problems it solves: what is made, present and fed back."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_sciml.operators.made_inputs import AMPLITUDE, MASK, is_made
from lightning_sciml.operators.network_contract import ChannelNames, matched_outputs
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.units import amplitude
from lightning_sciml.streaming.windows import field_of, lagged

Field = Float[Tensor, "B C H W"]
Numbers = Int[Tensor, " B"]


class ProblemTable(nn.Module):
    """A row of numbers for each problem, looked up by the samples' problems.

    It is a constant, made anew by every run, which does not belong into a checkpoint.

    Args:
        rows: of the problems, all of one length.

    Attributes:
        shared: the row of all problems where they have one, which needs no looking up.
    """

    rows: Float[Tensor, "P n"]

    def __init__(self, rows: Sequence[Sequence[float]]) -> None:
        super().__init__()
        different = {tuple(map(float, row)) for row in rows}
        self.shared = next(iter(different)) if len(different) == 1 else None
        table = torch.tensor([list(map(float, row)) for row in rows])
        self.register_buffer("rows", table, persistent=False)

    def column(self, index: int, problem: Numbers) -> float | Float[Tensor, "B 1 1"]:
        """Look up a number of each sample's problem, ready to be broadcast over fields."""
        if self.shared is not None:
            return self.shared[index]
        return self.rows[problem, index, None, None]


class Channels(nn.Module):
    """Makes the inputs that no data hold, tells which a problem has, feeds predictions back.

    Args:
        problems: that samples refer to by number, at least one.
        names: of the network's channels, with those that are made among the fields.

    Attributes:
        present: which of the network's inputs a problem has, 1 or 0; of a mask its value.
        predicted: which of the outputs a problem has.

    Raises:
        InputError: a problem has an output field that the network does not predict.
    """

    def __init__(self, problems: Sequence[Problem], names: ChannelNames) -> None:
        super().__init__()
        self.names = names
        self.given = tuple(name for name in names.fields if not is_made(name))
        places = [
            dict(zip(p.output_fields, matched_outputs(p.output_fields, names.outputs), strict=True))
            for p in problems
        ]
        self._outputs = {name: j for of_problem in places for name, j in of_problem.items()}
        outputs = range(len(names.outputs))
        self.predicted = ProblemTable([[j in p.values() for j in outputs] for p in places])
        self.present = ProblemTable([[_has(p, n) for n in names.fields] for p in problems])
        self._is_state = ProblemTable(
            [
                [n in p.input_fields and field_of(n) in p.state_fields for n in self.given]
                for p in problems
            ]
        )
        # Where the state that an output follows stands among the inputs; -1 where it is no state.
        self._state_of = ProblemTable(
            [
                self._states_before(p, of_problem)
                for p, of_problem in zip(problems, places, strict=True)
            ]
        )
        # Where the first point lies along y and x, in steps.
        self._starts = ProblemTable(
            [[0.5 * (kind != "periodic") for kind in p.grid.boundary] for p in problems]
        )

    def _states_before(self, problem: Problem, outputs: Mapping[str, int]) -> list[int]:
        places = {
            j: self.given.index(name)
            for name, j in outputs.items()
            if name in problem.state_fields and name in self.given
        }
        return [places.get(j, -1) for j in range(len(self.names.outputs))]

    def network_fields(self, inputs: Field, problem: Numbers) -> Field:
        """Add coordinates, in units of the sides, masks and amplitudes to the data's channels."""
        if self.given == self.names.fields:
            return inputs
        (H, W), like = inputs.shape[2:], inputs[:, 0]
        y = torch.arange(H, device=inputs.device)[:, None]
        x = torch.arange(W, device=inputs.device)
        made: dict[str, Tensor] = dict(zip(self.given, inputs.unbind(dim=1), strict=True))
        for index, name in enumerate(self.names.fields):
            if name == "y":
                made[name] = (y + self._starts.column(0, problem)) / H
            elif name == "x":
                made[name] = (x + self._starts.column(1, problem)) / W
            elif name.startswith(AMPLITUDE):
                state = made.get(name.removeprefix(AMPLITUDE), torch.ones_like(like))
                logarithm = amplitude(state, torch).log()[:, None, None]
                made[name] = logarithm * self.present.column(index, problem)
            elif is_made(name):
                made[name] = torch.ones_like(like) * self.present.column(index, problem)
        return torch.stack([made[n].to(like.dtype).expand_as(like) for n in self.names.fields], 1)

    def without_absent(self, fields: Field, problem: Numbers) -> Field:
        """Set the network's inputs that a problem lacks to zero."""
        if self.present.shared is not None and all(self.present.shared):
            return fields
        return fields * self.present.rows[problem][..., None, None].to(fields.dtype)

    def predicted_fields(self, problem: Numbers) -> Float[Tensor, "B F"] | None:
        """Tell which outputs each sample's problem has, 1 or 0; None where all have all."""
        if self.predicted.shared is not None and all(self.predicted.shared):
            return None
        return self.predicted.rows[problem]

    @property
    def has_states(self) -> bool:
        """Tell whether an input of some problem is a state."""
        return bool(self._is_state.rows.any())

    def are_states(self, problem: Numbers) -> Float[Tensor, "B S"]:
        """Tell which of the data's inputs are states of each sample's problem, 1 or 0."""
        return self._is_state.rows[problem]

    def is_state(self, problem: Numbers) -> Float[Tensor, "B F 1 1"] | None:
        """Tell which outputs are states of each sample's problem, 1 or 0; None where all are."""
        if self._state_of.shared is not None and min(self._state_of.shared) >= 0:
            return None
        return (self._state_of.rows[problem] >= 0).float()[..., None, None]

    def states_before(self, inputs: Field, problem: Numbers) -> Field:
        """Take the newest state of each output field from the inputs; any field where none is."""
        shared = self._state_of.shared
        if shared is not None:
            return torch.stack([inputs[:, max(0, int(i))] for i in shared], dim=1)
        places = self._state_of.rows[problem].long().clamp_min(0)[..., None, None]
        return inputs.gather(1, places.expand(-1, -1, *inputs.shape[2:]))

    def next_inputs(self, inputs: Field, prediction: Field, problem: Numbers) -> Field:
        """Shift the history by one state: the prediction becomes the newest, by names.

        What is no state stays as it is.
        """
        channels = dict(zip(self.given, inputs.unbind(dim=1), strict=True))
        following = []
        for index, (name, channel) in enumerate(channels.items()):
            field, _, lag = name.partition("@-")
            later = channels.get(lagged(field, int(lag) - 1)) if lag else None
            if not lag and field in self._outputs:
                later = prediction[:, self._outputs[field]].to(inputs.dtype)
            is_state = self._is_state.column(index, problem)
            if later is None or isinstance(is_state, float):
                following.append(later if later is not None and is_state else channel)
            else:
                following.append(torch.where(is_state > 0, later, channel))
        return torch.stack(following, dim=1)


def _has(problem: Problem, name: str) -> bool:
    if name.startswith(MASK):
        return name.removeprefix(MASK) in (*problem.input_fields, *problem.output_fields)
    if name.startswith(AMPLITUDE):
        return name.removeprefix(AMPLITUDE) in problem.state_fields and not problem.has_units
    return is_made(name) or name in problem.input_fields
