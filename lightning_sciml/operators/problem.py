"""Problems that one operator solves: an equation each, and the columns of its coefficients."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.pde.steady import Equation


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem: its equation and coefficient columns, named by its data set.

    Attributes:
        name: of the data set, for messages.
        equation: what the samples solve, where it is known.
        columns: where the equation's coefficients stand among the operator's.
    """

    name: str
    equation: Equation | None
    columns: tuple[int, ...]

    def known_equation(self) -> Equation:
        """Return the equation, or reject a problem without one.

        Raises:
            InputError: none is known.
        """
        if self.equation is None:
            raise InputError(
                f"symmetries are those of an equation, {self.name} has none; leave out coordinates "
                "and augmentations"
            )
        return self.equation


def by_problem(
    quantity: Callable[[Equation, Float[Tensor, "B e"]], Float[Tensor, " B"]],
    coefficients: Float[Tensor, "B c"],
    problem: Int[Tensor, " B"],
    problems: Sequence[Problem],
) -> Float[Tensor, " B"]:
    """Compute a quantity of each sample's equation; 1 where no equation is known.

    Args:
        quantity: of an equation, given its own coefficients.
        coefficients: in the order of the operator.
        problem: index into `problems` of each sample.
        problems: the operator's.
    """
    values = coefficients.new_ones(len(coefficients))
    for index, one in enumerate(problems):
        if one.equation is not None:
            own = quantity(
                one.equation, torch.stack([coefficients[:, j] for j in one.columns], dim=1)
            )
            values = torch.where(problem == index, own, values)
    return values
