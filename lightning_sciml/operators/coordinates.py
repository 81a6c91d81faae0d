"""The coordinates in which a network sees a problem: its standard form, or all of its images."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.operators.coordinate_changes import CoordinateChanges, Numbers
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.problem import Problem, by_problem
from lightning_sciml.pde.exact_augmentations import lattice_fault
from lightning_sciml.pde.symmetries import BASES, SQUARE

Coordinates = Literal["lattice", "square", "square_average"]
"""lattice: the coordinates of the torus, of those that integer matrices give, in which the
problem's diffusion is least anisotropic. square: one of the eight images of the problem under the
symmetries of the square, the same for all of them. square_average: in evaluation, the mean of the
predictions for all eight images. Of a grid that is no square the four flips alone are symmetries.
"""


class LatticeReduction(CoordinateChanges):
    """Coordinates of the torus in which a sample's diffusion is least anisotropic.

    det K is the same in all of them, so g minimises the mean eigenvalue of gKgᵀ: that is Lagrange's
    reduction of the quadratic form kᵀKk, after which 2|k12| ≤ min(k11, k22). The Laplacian of
    Helmholtz is isotropic already; its problems stay as they are.

    Raises:
        InputError: a grid is not a periodic square, or a problem has no equation Lu = f.
    """

    def __init__(self, problems: Sequence[Problem], names: ChannelNames) -> None:
        super().__init__(problems, names, BASES)
        for p in problems:
            if fault := lattice_fault(p.name, p.known_equation(), p.grid):
                raise InputError(fault)

    def elements(self, coefficients: Float[Tensor, "B c"], problem: Numbers) -> Numbers:
        """The first element with the smallest mean diffusivity."""
        moved = self.all_coefficients(coefficients, problem)
        B, G, _ = moved.shape
        means = by_problem(
            lambda equation, c: equation.mean_diffusivity(c),
            moved.flatten(0, 1),
            problem.repeat_interleave(G),
            self.problems,
        ).view(B, G)
        return means.argmin(dim=1)


class SquareSymmetries(CoordinateChanges):
    """The flips and transpositions that are symmetries of each problem, of grid and equation.

    They are eight on a square, four on a rectangle, and fewer where a force has a direction.
    """

    order: Tensor
    symmetries: Tensor
    """(P, 8): the elements of ``SQUARE`` that a problem has, again and again."""
    num_symmetries: Tensor
    """(P,): how many these are."""

    def __init__(self, problems: Sequence[Problem], names: ChannelNames) -> None:
        super().__init__(problems, names, SQUARE)
        num_coefficients = len(names.coefficients)
        # The coefficients that are compared, in the order of each equation; the last one again and
        # again, or one of another equation, decides nothing.
        rows = [
            (*p.columns, *(p.columns[-1:] or (0,)) * num_coefficients)[:num_coefficients]
            for p in problems
        ]
        order = torch.tensor(rows, dtype=torch.long).view(len(rows), num_coefficients)
        self.register_buffer("order", order, persistent=False)
        symmetries = [tuple(i for i, g in enumerate(SQUARE) if p.has_symmetry(g)) for p in problems]
        repeated = torch.tensor([(own * len(SQUARE))[: len(SQUARE)] for own in symmetries])
        self.register_buffer("symmetries", repeated, persistent=False)
        counts = torch.tensor([len(own) for own in symmetries])
        self.register_buffer("num_symmetries", counts, persistent=False)
        self.size = max(map(len, symmetries))

    def elements(self, coefficients: Float[Tensor, "B c"], problem: Numbers) -> Numbers:
        """The first element that makes each sample's coefficients lexicographically greatest.

        Moved coefficients are compared bit by bit, so all samples of an orbit are sent to the same
        coefficients. Elements that leave those alone (x ↦ -x where there is no velocity, all eight
        for the Laplacian) are not decided between.
        """
        moved = self.all_coefficients(coefficients, problem)
        moved = moved.gather(2, self.order[problem][:, None].expand_as(moved))
        moved = moved.gather(1, self.symmetries[problem][..., None].expand_as(moved))
        is_greatest = torch.ones(moved.shape[:2], dtype=torch.bool, device=moved.device)
        for c in range(moved.shape[-1]):  # none of Darcy flow: an empty unbind cannot be exported
            among = torch.where(is_greatest, moved[..., c], -torch.inf)
            is_greatest = is_greatest & (among == among.amax(dim=1, keepdim=True))
        return self.symmetries[problem, is_greatest.int().argmax(dim=1)]

    def average(
        self,
        solve: Callable[[Tensor, Tensor, Tensor], Float[Tensor, "B F H W"]],
        inputs: Float[Tensor, "B S H W"],
        coefficients: Float[Tensor, "B c"],
        problem: Numbers,
    ) -> Float[Tensor, "B F H W"]:
        """Mean over the group of g⁻¹ applied to the prediction for g applied to the problem.

        It is equivariant whatever `solve` is, up to the order of eight terms in a sum, and in the
        mean over the group no worse: for errors e_g, ‖Σ e_g / 8‖ ≤ Σ ‖e_g‖ / 8.
        """
        total = inputs.new_zeros(())
        for g in range(self.size):
            elements = self.symmetries[problem, g]
            moved = solve(
                self.move_inputs(inputs, problem, elements),
                self.move_coefficients(coefficients, problem, elements),
                problem,
            )
            total = total + self.move_outputs_back(moved, problem, elements)
        return total / self.size
