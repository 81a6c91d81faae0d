"""How the coefficients of each system are drawn: one class a system.

To add a PDE, write its symbol in ``lightning_sciml/pde/steady.py`` and its class here.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float

from data_gen.advection_ratio import AdvectionDiffusionSpectrum
from data_gen.mode_transform import Modes, ModeTransform
from data_gen.random_numbers import sample_uniforms
from data_gen.ranges import check_limits, check_range, uniform
from data_gen.sources import GaussianSources, SeparableSources, SourceBlock
from data_gen.truncated_transform import TruncatedTransform
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import PeriodicGrid
from lightning_sciml.pde.steady import AdvectionDiffusion, Equation, Helmholtz, Poisson
from lightning_sciml.pde.walls import PERIODIC

# Below it v·∇u is a rounding error of f in float32; above it diffusion is one of the operator.
_MIN_RATIO, _MAX_RATIO = 1e-6, 20.0
_MIN_DISTANCE = 1e-10  # nearer to a resonance, relative to ω, u would be 1e10 times f
# Solutions and coefficients are used in float32; 1/κ and κ with room for what multiplies them.
_MAX_DIFFUSIVITY = 1e30
_MAX_ANISOTROPY = 1e6  # of a K that is positive definite in float32
_MAX_OMEGA = 10**9

Uniforms = Float[np.ndarray, "B r"]


class Coefficients(ABC):
    """The distribution of a system's coefficients.

    Attributes:
        num_uniforms: uniform numbers that one draw takes.
        max_solution: largest max|u| that is kept.
        resample: what is drawn anew where max|u| is larger.
    """

    num_uniforms: ClassVar[int]
    max_solution: float = np.inf
    resample: Literal["all", "source"] = "all"

    @property
    @abstractmethod
    def equation(self) -> Equation:
        """The equation that the coefficients belong to."""

    @abstractmethod
    def draw(self, uniforms: Uniforms, source: SourceBlock) -> Float[np.ndarray, "B c"]:
        """Draw coefficients for given sources, columns as the equation names them."""

    def check(self, transform: ModeTransform) -> None:  # noqa: B027 (most reject nothing)
        """Reject, before any sample is drawn, coefficients without a solution on these modes."""

    def measured(
        self, symbol: Modes, u_hat: Modes, transform: ModeTransform
    ) -> dict[str, Float[np.ndarray, " B"]]:
        """Measure quantities of the solution to store with each sample, by name."""
        return {}


@dataclass(frozen=True, kw_only=True)
class PoissonCoefficients(Coefficients):
    """K = κ R(θ)ᵀ diag(1, λ) R(θ), θ ~ U(0, 2π), λ ~ U(eigenvalue).

    Between walls θ is 0 or π/2, each half of the time: K is diagonal, as k12 would mix the sines
    and cosines of which solutions consist there.

    Args:
        eigenvalue: range (λ₁, λ₂) of the second eigenvalue of K/κ, positive.
        diffusivity: κ.
    """

    eigenvalue: tuple[float, float]
    diffusivity: float = 0.01

    equation = Poisson()
    num_uniforms = 2

    def __post_init__(self) -> None:
        check_range("eigenvalue", self.eigenvalue, positive="K is not elliptic otherwise")
        reason = "float32 cannot hold a K of larger anisotropy"
        check_limits("eigenvalue", (1 / _MAX_ANISOTROPY, _MAX_ANISOTROPY), reason, *self.eigenvalue)
        _check_diffusivity(self.diffusivity)

    def draw(self, uniforms: Uniforms, source: SourceBlock) -> Float[np.ndarray, "B 3"]:
        """Draw k11, k22, k12."""
        if source.transform.boundary == PERIODIC:
            return self.diffusion_tensor(uniforms)
        lam, is_turned = uniform(self.eigenvalue, uniforms[:, 0]), uniforms[:, 1] >= 0.5
        of_x, of_y = np.where(is_turned, lam, 1.0), np.where(is_turned, 1.0, lam)
        return self.diffusivity * np.stack([of_x, of_y, np.zeros_like(lam)], axis=1)

    def diffusion_tensor(self, uniforms: Uniforms) -> Float[np.ndarray, "B 3"]:
        """Draw K from the first two numbers of each sample."""
        lam = uniform(self.eigenvalue, uniforms[:, 0])
        c, s = np.cos(2 * np.pi * uniforms[:, 1]), np.sin(2 * np.pi * uniforms[:, 1])
        return self.diffusivity * np.stack(
            [c * c + lam * s * s, s * s + lam * c * c, (lam - 1) * s * c], axis=1
        )


@dataclass(frozen=True, kw_only=True)
class AdvectionDiffusionCoefficients(PoissonCoefficients):
    """(1-μ) K and v = μ (cos φ, sin φ), φ ~ U(0, 2π), with μ such that Ψ = ‖v·∇u‖/‖∇·K∇u‖ is met.

    Args:
        advection_diffusion_ratio: range of Ψ, uniform.
        eigenvalue: range (λ₁, λ₂) of the second eigenvalue of K/κ, positive.
        diffusivity: κ.
        ratio: ``exact`` solves for μ with each sample's source; ``table`` takes the μ whose *mean*
            Ψ over all sources is the target, as the published data sets do: their Ψ scatters.
    """

    advection_diffusion_ratio: tuple[float, float]
    eigenvalue: tuple[float, float] = (1.0, 5.0)
    ratio: Literal["exact", "table"] = "exact"

    equation = AdvectionDiffusion()
    num_uniforms = 4

    def __post_init__(self) -> None:
        name, ratio = "advection_diffusion_ratio", self.advection_diffusion_ratio
        check_range(name, ratio, positive="Ψ is a ratio of norms")
        reason = (
            "a smaller one is lost in rounding to float32, a larger one cannot be reached where "
            "the source varies across the flow only"
        )
        check_limits(name, (_MIN_RATIO, _MAX_RATIO), reason, *ratio)
        super().__post_init__()

    def draw(self, uniforms: Uniforms, source: SourceBlock) -> Float[np.ndarray, "B 5"]:
        """Draw k11, k22, k12, v1, v2."""
        tensor, direction = self.directions(uniforms)
        target = uniform(self.advection_diffusion_ratio, uniforms[:, 3])
        if self.ratio == "exact":
            mu = AdvectionDiffusionSpectrum.of(tensor, direction, source).advection_weight(target)
        else:
            mu = self._population.mean_ratio_weight(target)
        return np.concatenate([(1 - mu)[:, None] * tensor, mu[:, None] * direction], axis=1)

    def measured(
        self, symbol: Modes, u_hat: Modes, transform: ModeTransform
    ) -> dict[str, Float[np.ndarray, " B"]]:
        """Measure the Ψ of the solution."""
        energy = (u_hat.real**2 + u_hat.imag**2) * transform.energy_weights
        advection, diffusion = (
            (part**2 * energy).reshape(len(energy), -1).sum(axis=1)
            for part in (symbol.imag, symbol.real)
        )
        return {"advection_diffusion_ratio": np.sqrt(advection / diffusion)}

    @cached_property
    def _population(self) -> AdvectionDiffusionSpectrum:
        """Draw 400 default sources, tensors and directions: what ``table`` takes its mean over."""
        gaussians, n = GaussianSources(), self.num_uniforms
        uniforms = sample_uniforms(
            0, "train", np.arange(400), attempt=0, count=n + gaussians.num_uniforms
        )
        transform = TruncatedTransform(PeriodicGrid(64), num_modes=31)
        sources = SeparableSources(gaussians, transform, zero_mean=True)
        p = gaussians.amplitudes(uniforms[:, n:])
        source = sources.evaluate(p, out=np.empty((400, 64, 64)))
        return AdvectionDiffusionSpectrum.of(*self.directions(uniforms), source)

    def directions(
        self, uniforms: Uniforms
    ) -> tuple[Float[np.ndarray, "B 3"], Float[np.ndarray, "B 2"]]:
        """Draw K and the unit vector of v from the first three numbers of each sample."""
        phi = 2 * np.pi * uniforms[:, 2]
        return self.diffusion_tensor(uniforms), np.stack([np.cos(phi), np.sin(phi)], axis=1)


@dataclass(frozen=True, kw_only=True)
class HelmholtzCoefficients(Coefficients):
    """Integer ω, uniform in the range with both ends; draws with a large max|u| are repeated.

    Args:
        omega: smallest and largest ω of -κΔu - ωu = f; negative ω is the screened, definite form.
        diffusivity: κ.
        max_solution: largest max|u| that is kept.
        resample: on rejection draw source and ω anew (``all``, as the published data sets do, which
            so practically never hold ω = 2) or keep ω and draw another ``source``.
    """

    omega: tuple[int, int]
    diffusivity: float = 0.01
    max_solution: float = 2.0
    resample: Literal["all", "source"] = "all"

    num_uniforms = 1

    def __post_init__(self) -> None:
        check_range("omega", self.omega)
        check_limits("omega", (-_MAX_OMEGA, _MAX_OMEGA), "no grid resolves others", *self.omega)
        _check_diffusivity(self.diffusivity)
        if not 0 < self.max_solution < np.inf:
            raise InputError(f"max_solution must be positive, got {self.max_solution}")

    @property
    def equation(self) -> Helmholtz:
        """-κΔu - ωu = f."""
        return Helmholtz(diffusivity=self.diffusivity)

    def draw(self, uniforms: Uniforms, source: SourceBlock) -> Float[np.ndarray, "B 1"]:
        """Draw ω."""
        low, high = self.omega
        return low + np.floor((high - low + 1) * uniforms[:, :1])

    def check(self, transform: ModeTransform) -> None:
        """Reject ω = κ|k|², where the solution does not exist, and waves that no grid resolves.

        Raises:
            InputError: naming the ω.
        """
        num_points = transform.num_points
        largest = self.diffusivity * (np.pi * num_points) ** 2
        if self.omega[1] > largest:
            raise InputError(
                f"omega = {self.omega[1]} has waves shorter than two points of the grid: "
                f"num_points={num_points} resolves omega up to {largest:.3g}; lower omega or "
                "refine the grid"
            )
        resonances = self.equation.symbol(np.zeros(1), transform.wavenumbers).ravel()
        nearest = np.clip(np.round(resonances), *self.omega)
        hit = np.abs(resonances - nearest) <= _MIN_DISTANCE * np.abs(nearest)
        if hit.any():
            raise InputError(
                f"omega = {nearest[hit].min():.0f} is a resonance: -κΔu - ωu = f has no solution "
                f"for diffusivity {self.diffusivity:g}; change diffusivity or the range of omega"
            )


def _check_diffusivity(diffusivity: float) -> None:
    limits = (1 / _MAX_DIFFUSIVITY, _MAX_DIFFUSIVITY)
    check_limits("diffusivity", limits, "float32 cannot hold the solution", diffusivity)
