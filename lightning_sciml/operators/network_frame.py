"""What a network has said of a problem, where it works, and the way back from there."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from lightning_sciml.operators.coordinate_changes import CoordinateChanges
from lightning_sciml.operators.scales import Answer

Fields = Float[Tensor, "B F H W"]
Moves = list[tuple[CoordinateChanges, Int[Tensor, " B"]]]


class NetworkFrame(NamedTuple):
    """The network's output in its own coordinates and scale.

    Attributes:
        output: of the network.
        answer: the scale.
        moves: changes of coordinates that led here, and the element of each sample.
        problem: number of each sample's problem.
        answer_after: makes the scale of increments from other states, in the network's coordinates;
            none where the output is no increment.
    """

    output: Fields
    answer: Answer
    moves: Moves
    problem: Int[Tensor, " B"]
    answer_after: Callable[[Fields], Answer] | None = None

    def prediction(self) -> Fields:
        """Return û for the output."""
        prediction = self.answer.fields(self.output)
        for change, elements in reversed(self.moves):
            prediction = change.move_outputs_back(prediction, self.problem, elements)
        return prediction

    def wanted_output(self, reference: Fields) -> Fields:
        """Return the output that would be a prediction of the reference."""
        return self.answer.network_output(self._moved(reference))

    def pair(self, reference: Fields, before: Fields | None = None) -> tuple[Fields, Fields]:
        """Return the output, and that which would be a prediction of the reference.

        Where the output is an increment and the reference states `before` it are given, both are
        increments from there: (û - u_before) / s and (u - u_before) / s. So the wanted one is that
        of the data whatever was predicted before. Where the scale is a unit of the state before,
        which is a prediction, it is a constant: else a larger state would make errors smaller.
        """
        answer = self.answer
        if before is None or (self.answer_after is None and answer.unit is None):
            return self.output, self.wanted_output(reference)
        if self.answer_after is not None:
            answer = self.answer_after(self._moved(before))
        answer = answer.as_constant()
        found = answer.network_output(self.answer.fields(self.output))
        return found, answer.network_output(self._moved(reference))

    def _moved(self, fields: Fields) -> Fields:
        for change, elements in self.moves:
            fields = change.move_outputs(fields, self.problem, elements)
        return fields
