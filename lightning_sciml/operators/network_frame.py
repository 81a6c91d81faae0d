"""What a network has said of a problem, where it works, and the way back from there."""

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from lightning_sciml.operators.coordinates import CoordinateChanges
from lightning_sciml.operators.normalization import Answer

Fields = Float[Tensor, "B F H W"]
Moves = list[tuple[CoordinateChanges, Int[Tensor, " B"]]]


class NetworkFrame(NamedTuple):
    """The network's output in its own coordinates and scale.

    Attributes:
        output: of the network.
        answer: the scale.
        moves: changes of coordinates that led here, and the element of each sample.
        problem: number of each sample's problem.
    """

    output: Fields
    answer: Answer
    moves: Moves
    problem: Int[Tensor, " B"]

    def prediction(self) -> Fields:
        """Return û for the output."""
        prediction = self.answer.fields(self.output)
        for change, elements in reversed(self.moves):
            prediction = change.move_outputs_back(prediction, self.problem, elements)
        return prediction

    def wanted_output(self, reference: Fields) -> Fields:
        """Return the output that would be a prediction of the reference."""
        for change, elements in self.moves:
            reference = change.move_outputs(reference, self.problem, elements)
        return self.answer.network_output(reference)
