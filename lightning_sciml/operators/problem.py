"""Problems that one operator solves: an equation and a grid each, and which channels it has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.named_equation import AnyEquation
from lightning_sciml.pde.steady import Equation
from lightning_sciml.pde.symmetries import is_symmetry
from lightning_sciml.streaming.windows import field_of


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem: its equation, grid and channels, named by its data set.

    Attributes:
        name: of the data set, for messages.
        equation: what the samples solve, where it is known.
        grid: of its fields; an operator may be applied to more or fewer points of it.
        columns: where the equation's coefficients stand among the operator's.
        input_fields: names of its input channels.
        output_fields: names of what is to be predicted.
        state_fields: those of them that are inputs of the next step; none of a steady problem.
        has_equal_intervals: the states of a window are equally far apart in time.
    """

    name: str
    equation: AnyEquation | None
    grid: Grid
    columns: tuple[int, ...]
    input_fields: tuple[str, ...]
    output_fields: tuple[str, ...]
    state_fields: tuple[str, ...] = ()
    has_equal_intervals: bool = True

    def known_equation(self) -> AnyEquation:
        """Return the equation, or reject a problem without one.

        Raises:
            InputError: none is known.
        """
        if self.equation is None:
            raise InputError(
                f"symmetries are those of an equation, {self.name} has none; import the data with "
                "--equation NAME, or leave out coordinates and augmentations"
            )
        return self.equation

    @property
    def has_units(self) -> bool:
        """Tell whether the equation scales, and gives each problem units of its own."""
        given = {field_of(name) for name in self.input_fields}
        return self.equation is not None and self.equation.has_units(given, self.output_fields)

    def has_symmetry(self, g: Int[np.ndarray, "2 2"]) -> bool:
        """Tell whether g maps the grid onto itself, and solutions of the equation to solutions.

        Raises:
            InputError: no equation is known.
        """
        return is_symmetry(g, self.grid) and self.known_equation().is_symmetry(g)


def by_problem(
    quantity: Callable[[Equation, Float[Tensor, "B e"]], Float[Tensor, " B"]],
    coefficients: Float[Tensor, "B c"],
    problem: Int[Tensor, " B"],
    problems: Sequence[Problem],
) -> Float[Tensor, " B"]:
    """Compute a quantity of each sample's steady equation; 1 where it has none.

    Args:
        quantity: of an equation, given its own coefficients.
        coefficients: in the order of the operator.
        problem: index into `problems` of each sample.
        problems: the operator's.
    """
    values = coefficients.new_ones(coefficients.shape[0])
    for index, one in enumerate(problems):
        if isinstance(one.equation, Equation):
            own = quantity(
                one.equation, torch.stack([coefficients[:, j] for j in one.columns], dim=1)
            )
            values = torch.where(problem == index, own, values)
    return values
