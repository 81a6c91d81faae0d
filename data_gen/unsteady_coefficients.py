"""How the coefficients of the steady equations' evolutions are drawn: heat, advection-diffusion."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from data_gen.coefficients import AdvectionDiffusionCoefficients, PoissonCoefficients
from data_gen.evolution_coefficients import EvolutionCoefficients, Uniforms
from data_gen.ranges import Range, uniform
from data_gen.state_modes import Lengths, StateModes, mode_wavenumbers
from lightning_sciml.errors import InputError
from lightning_sciml.pde.linear_evolution import Heat, UnsteadyAdvectionDiffusion
from lightning_sciml.pde.steady import Poisson


@dataclass(frozen=True, kw_only=True)
class HeatCoefficients(EvolutionCoefficients):
    """K = κ R(θ)ᵀ diag(1, λ) R(θ), θ ~ U(0, 2π), λ ~ U(eigenvalue), as ``PoissonCoefficients``.

    Args:
        eigenvalue: range (λ₁, λ₂) of the second eigenvalue of K/κ, positive.
        diffusivity: κ.
    """

    eigenvalue: Range
    diffusivity: float = 0.01

    equation = Heat()
    num_uniforms = 2

    def __post_init__(self) -> None:
        self._steady()

    def _steady(self) -> PoissonCoefficients:
        return PoissonCoefficients(eigenvalue=self.eigenvalue, diffusivity=self.diffusivity)

    def draw(
        self, uniforms: Uniforms, initial_hat: StateModes, lengths: Lengths
    ) -> Float[np.ndarray, "B 3"]:
        """Draw k11, k22, k12."""
        return self._steady().diffusion_tensor(uniforms)


@dataclass(frozen=True, kw_only=True)
class UnsteadyAdvectionDiffusionCoefficients(EvolutionCoefficients):
    """(1-μ) K and v = μ (cos φ, sin φ) with Ψ = ‖v·∇u‖/‖∇·K∇u‖ of the initial state met exactly.

    Args:
        advection_diffusion_ratio: range of Ψ, uniform.
        eigenvalue: range (λ₁, λ₂) of the second eigenvalue of K/κ, positive.
        diffusivity: κ.
    """

    advection_diffusion_ratio: Range
    eigenvalue: Range = (1.0, 5.0)
    diffusivity: float = 0.01

    equation = UnsteadyAdvectionDiffusion()
    num_uniforms = 4

    def __post_init__(self) -> None:
        self._steady()

    def _steady(self) -> AdvectionDiffusionCoefficients:
        return AdvectionDiffusionCoefficients(
            advection_diffusion_ratio=self.advection_diffusion_ratio,
            eigenvalue=self.eigenvalue,
            diffusivity=self.diffusivity,
        )

    def draw(
        self, uniforms: Uniforms, initial_hat: StateModes, lengths: Lengths
    ) -> Float[np.ndarray, "B 5"]:
        """Draw k11, k22, k12, v1, v2.

        Raises:
            InputError: an initial state varies across the flow only.
        """
        tensor, direction = self._steady().directions(uniforms)
        target = uniform(self.advection_diffusion_ratio, uniforms[:, 3])
        waves = mode_wavenumbers(initial_hat.shape[-1] - 1, lengths)
        found = np.empty(len(uniforms))
        for sample, (u_hat,) in enumerate(initial_hat):  # so that bits do not depend on others
            weights = (u_hat.real**2 + u_hat.imag**2) * np.where(waves.kx > 0, 2.0, 1.0)
            v_x, v_y = direction[sample]
            advection = (weights * (v_x * waves.kx + v_y * waves.ky) ** 2).sum()
            diffusion = (weights * Poisson().symbol(tensor[sample], waves) ** 2).sum()
            found[sample] = np.sqrt(advection / diffusion) if diffusion > 0 else 0.0
        if not found.all():
            raise InputError(
                "advection_diffusion_ratio cannot be met: an initial state does not vary along "
                "the flow; choose another initial_state"
            )
        mu_over_rest = target / found
        mu = mu_over_rest / (1 + mu_over_rest)
        return np.concatenate([(1 - mu)[:, None] * tensor, mu[:, None] * direction], axis=1)
