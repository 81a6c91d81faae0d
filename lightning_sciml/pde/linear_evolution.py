"""Linear evolution equations on a periodic rectangle: exact for any step."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Complex, Float, Num, Shaped

from lightning_sciml.pde.evolution_equation import (
    Coefficients,
    EvolutionEquation,
    columns,
    k_squared,
)
from lightning_sciml.pde.grid import Wavenumbers
from lightning_sciml.pde.steady import AdvectionDiffusion, Poisson
from lightning_sciml.pde.units import LeadTimes, NamedFields, Units, positive, root_mean_square


@dataclass(frozen=True)
class Heat(EvolutionEquation):
    """u_t = ∇·(K∇u); K symmetric positive definite."""

    name = "heat"
    coefficient_names: ClassVar[tuple[str, ...]] = Poisson.coefficient_names
    positive_coefficients: ClassVar[tuple[str, ...]] = ("k11", "k22")
    conserved_means = ("u",)
    invariant_names = ("energy",)
    is_linear = True
    reverses_sign = True
    scales = True
    steady: ClassVar[Poisson] = Poisson()

    def symbol(self, coefficients: Coefficients, waves: Wavenumbers) -> Shaped[Any, "B 1 M K"]:
        """Negative of the steady operator's symbol."""
        return -self.steady.symbol(coefficients, waves)[:, None]

    def quadratic_invariants(
        self, coefficients: Coefficients, waves: Wavenumbers
    ) -> dict[str, Float[np.ndarray, "1 1 M K"]]:
        """Energy ½⟨u²⟩."""
        return {"energy": np.ones_like(k_squared(waves))[None, None]}

    def coefficient_map(self, g: Num[np.ndarray, "2 2"]) -> Num[np.ndarray, "c c"]:
        """Same as of the steady equation."""
        return self.steady.coefficient_map(g)

    def units(
        self, fields: NamedFields, coefficients: Coefficients, lead_time: LeadTimes, *, xp: Any = np
    ) -> Units:
        """(u/s, K Δt, v Δt, 1) with s the root mean square of u: coefficients absorb the time."""
        time = positive(lead_time, xp)
        return Units({"u": root_mean_square(fields["u"], xp=xp)}, 1 / time, time)


@dataclass(frozen=True)
class UnsteadyAdvectionDiffusion(Heat):
    """u_t = ∇·(K∇u) - v·∇u; K symmetric positive definite, v constant."""

    name = "unsteady_advection_diffusion"
    coefficient_names = AdvectionDiffusion.coefficient_names
    velocity = ("v1", "v2")
    steady = AdvectionDiffusion()


@dataclass(frozen=True)
class Wave(EvolutionEquation):
    """u_tt = c²Δu, as a system for (u, u_t)."""

    name = "wave"
    state_fields = ("u", "u_t")
    coefficient_names = ("c",)
    positive_coefficients = ("c",)
    conserved_means = ("u_t",)
    invariant_names = ("energy",)
    is_linear = True
    reverses_sign = True
    scales = True

    def symbol(self, coefficients: Coefficients, waves: Wavenumbers) -> Complex[Any, "B 2 M K"]:
        """Eigenvalues ±ic|k| of the matrix [[0, 1], [-c²|k|², 0]]."""
        (c,) = columns(coefficients)
        omega = c * np.sqrt(k_squared(waves))
        return np.concatenate([1j * omega, -1j * omega], axis=1)

    def quadratic_invariants(
        self, coefficients: Coefficients, waves: Wavenumbers
    ) -> dict[str, Float[np.ndarray, "B 2 M K"]]:
        """Energy ½⟨u_t² + c²|∇u|²⟩."""
        (c,) = columns(coefficients)
        of_u = c**2 * k_squared(waves)
        return {"energy": np.concatenate([of_u, np.ones_like(of_u)], axis=1)}

    def propagator(
        self, coefficients: Coefficients, waves: Wavenumbers, time: float
    ) -> Float[Any, "B 2 2 M K"]:
        """[[cos ωt, sin(ωt)/ω], [-ω sin ωt, cos ωt]] with ω = c|k|; sin(ωt)/ω = t for ω = 0."""
        (c,) = columns(coefficients)
        omega = c * np.sqrt(k_squared(waves))
        cosine, sine = np.cos(omega * time), np.sin(omega * time)
        integral = time * np.sinc(omega * time / np.pi)
        first, second = (cosine, integral), (-omega * sine, cosine)
        return np.stack([np.concatenate(row, axis=1) for row in (first, second)], axis=1)

    def units(
        self, fields: NamedFields, coefficients: Coefficients, lead_time: LeadTimes, *, xp: Any = np
    ) -> Units:
        """(u/s, Δt u_t/s, c Δt, 1) with s the root mean square of u and Δt u_t together."""
        time = positive(lead_time, xp)
        s = root_mean_square(fields["u"], time[:, None, None] * fields["u_t"], xp=xp)
        return Units({"u": s, "u_t": s / time}, 1 / time, time)
