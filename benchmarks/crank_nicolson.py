"""The time stepping of the Fourier neural operator's data sets, as its paper describes it.

Li et al., arXiv 2010.08895, appendix A.3: Crank-Nicolson for diffusion, the step's first state for
convection and forcing, two thirds of the modes kept. It shares transforms and memory with ours.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float

from data_gen.aligned_memory import aligned_zeros
from data_gen.kept_modes import KeptModes
from data_gen.nonlinear_term import NonlinearTerm
from lightning_sciml.pde.evolution_equation import (
    Coefficients,
    Fields,
    Nonlinearity,
    Products,
    gradient,
)
from lightning_sciml.pde.flows import ForcedNavierStokes
from lightning_sciml.pde.grid import Wavenumbers


@dataclass(frozen=True)
class ConvectiveNavierStokes(ForcedNavierStokes):
    """The equation with u·∇ω as it stands: four transforms to the grid, one back."""

    num_factors = 4
    num_scratch = 0

    def nonlinearity(self, coefficients: Coefficients, waves: Wavenumbers) -> Nonlinearity:
        """Map to u, v, ∂x ω, ∂y ω."""
        dx, dy = gradient(waves)
        return Nonlinearity(
            factors=(*super().nonlinearity(coefficients, waves).factors, (dx,), (dy,)),
            combination=((-1.0,),),
        )

    def products(self, fields: Fields, coefficients: Coefficients) -> Products:
        """Compute u·∇ω."""
        u, v, omega_x, omega_y = fields
        np.multiply(u, omega_x, out=u)
        np.multiply(v, omega_y, out=v)
        np.add(u, v, out=u)
        return (u,)


class CrankNicolson:
    """(1 - hL/2) û' = (1 + hL/2) û + h N(û), of first order in the step h.

    Args:
        transform: of B fields, for products of two.
        coefficients: ν of each sample.

    Attributes:
        u_hat: modes of the present state.
    """

    u_hat: Complex[np.ndarray, "1 B 2 R K"]

    def __init__(self, transform: KeptModes, coefficients: Float[np.ndarray, "B 1"]) -> None:
        equation, self._transform = ConvectiveNavierStokes(), transform
        shape = (2, 1, len(coefficients), *transform.modes_shape)
        self.u_hat, self._N_hat = aligned_zeros(shape, np.complex128)
        term = NonlinearTerm(equation, transform, coefficients)
        self._scale, self._calls = term.scale, term.calls(self.u_hat, self._N_hat)
        self._symbol = transform.fields_first(equation.symbol(coefficients, transform.waves))

    def advance(self, step: float, num_steps: int) -> None:
        """Take steps from the present state."""
        half = step / 2 * self._symbol
        is_kept = self._transform.halves(self._transform.is_kept)
        of_u, of_N = aligned_zeros((2, *half.shape[:-1], 2 * half.shape[-1]))
        of_u[:] = np.repeat(is_kept * (1 + half) / (1 - half), 2, axis=-1)
        of_N[:] = np.repeat(is_kept * step * self._scale / (1 - half), 2, axis=-1)
        u, N = self.u_hat.view(np.float64), self._N_hat.view(np.float64)
        for _ in range(num_steps):
            for call in self._calls:
                call()
            np.multiply(of_u, u, u)
            np.multiply(of_N, N, N)
            np.add(u, N, u)
        self._transform.make_real(self.u_hat)
