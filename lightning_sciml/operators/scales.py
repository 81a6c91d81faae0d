"""The scales that a normalisation gives to a problem, and the way from a network's output to u."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

Field = Float[Tensor, "B C H W"]


class Answer(NamedTuple):
    """From the network's output w to the fields u: u = offset + scale · w.

    Attributes:
        scale: of each sample, or of each field.
        offset: of each field; none where it is zero.
        unit: in which a sample's fields are measured; none where it is one.
    """

    scale: Float[Tensor, "..."]
    offset: Float[Tensor, "..."] | None = None
    unit: Float[Tensor, "B F 1 1"] | None = None

    def fields(self, output: Field) -> Field:
        """Return u."""
        scaled = self.scale * output
        return scaled if self.offset is None else scaled + self.offset

    def network_output(self, fields: Field) -> Field:
        """Return w."""
        centred = fields if self.offset is None else fields - self.offset
        return centred / self.scale

    def as_constant(self) -> "Answer":
        """Return the same numbers without their gradients."""
        offset, unit = (None if part is None else part.detach() for part in self[1:])
        return Answer(self.scale.detach(), offset, unit)


class Scales(NamedTuple):
    """Divisors of a problem (f, c), and its answer.

    Attributes:
        field: of f.
        coefficients: of c, beside the median of each.
        answer: from the network's output to u.
        offset: subtracted from f before; none where it is zero.
    """

    field: Float[Tensor, "..."]
    coefficients: Float[Tensor, "B c"] | Float[Tensor, "B 1"]
    answer: Answer
    offset: Float[Tensor, "..."] | None = None


def scale_of(size: float, std: float) -> float:
    """Return the deviation, or 1 where it is the rounding, in float32, of values of this size."""
    return std if std > 1e-6 * abs(size) else 1.0
