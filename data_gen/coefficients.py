"""How the coefficients of each system are drawn: one class a system.

To add a PDE, write its symbol in ``lightning_sciml/pde/steady.py`` and its class here.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Bool, Complex, Float, Shaped

from data_gen.advection_ratio import AdvectionDiffusionSpectrum
from data_gen.random_numbers import sample_uniforms
from data_gen.sources import GaussianSources, SeparableSources
from data_gen.truncated_transform import TruncatedTransform
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import PeriodicGrid
from lightning_sciml.pde.steady import AdvectionDiffusion, Equation, Helmholtz, Poisson

# Beyond this Ψ diffusion is a rounding error of the operator: μ within 1e-4 of 1.
_MAX_RATIO = 20.0
# Nearer to a resonance, relative to ω, u would be 1e10 times f.
_MIN_DISTANCE = 1e-10
# Solutions and coefficients are used in float32; 1/κ and κ with room for what multiplies them.
_MAX_DIFFUSIVITY = 1e30
# In float32 a K with a larger ratio of its eigenvalues is not positive definite any more.
_MAX_ANISOTROPY = 1e6
# Below it v·∇u is a rounding error of f in float32.
_MIN_RATIO = 1e-6
_MAX_OMEGA = 10**9


class Coefficients(ABC):
    """The distribution of a system's coefficients.

    Attributes:
        num_uniforms: uniform numbers that one draw takes.
        resample: what is drawn anew when ``accepts`` says no.
        max_solution: largest max|u| that is kept.
    """

    num_uniforms: ClassVar[int]
    max_solution: float = np.inf
    resample: Literal["all", "source"] = "all"

    @property
    @abstractmethod
    def equation(self) -> Equation:
        """The equation that the coefficients belong to."""

    @abstractmethod
    def draw(
        self,
        uniforms: Float[np.ndarray, "B r"],
        f_hat: Complex[np.ndarray, "B K2 K"],
        transform: TruncatedTransform,
    ) -> Float[np.ndarray, "B c"]:
        """Draw coefficients for given sources, columns as the equation names them."""

    def check(self, transform: TruncatedTransform) -> None:  # noqa: B027 (most reject nothing)
        """Reject, before any sample is drawn, coefficients without a solution on these modes."""

    def accepts(self, solution_max: Float[np.ndarray, " B"]) -> Bool[np.ndarray, " B"]:
        """Keep the draws with max|u| ≤ max_solution."""
        return solution_max <= self.max_solution

    def measured(
        self,
        symbol: Shaped[np.ndarray, "B K2 K"],
        u_hat: Complex[np.ndarray, "B K2 K"],
        transform: TruncatedTransform,
    ) -> dict[str, Float[np.ndarray, " B"]]:
        """Measure quantities of the solution to store with each sample, by name."""
        return {}


@dataclass(frozen=True, kw_only=True)
class PoissonCoefficients(Coefficients):
    """K = κ R(θ)ᵀ diag(1, λ) R(θ), θ ~ U(0, 2π), λ ~ U(eigenvalue).

    Args:
        eigenvalue: range (λ₁, λ₂) of the second eigenvalue of K/κ, positive.
        diffusivity: κ.
    """

    eigenvalue: tuple[float, float]
    diffusivity: float = 0.01

    num_uniforms = 2

    def __post_init__(self) -> None:
        _check_diffusion(self.eigenvalue, self.diffusivity)

    @property
    def equation(self) -> Poisson:
        """-∇·(K∇u) = f."""
        return Poisson()

    def draw(
        self,
        uniforms: Float[np.ndarray, "B r"],
        f_hat: Complex[np.ndarray, "B K2 K"],
        transform: TruncatedTransform,
    ) -> Float[np.ndarray, "B 3"]:
        """Draw k11, k22, k12."""
        return _diffusion_tensor(uniforms, self.eigenvalue, self.diffusivity)


@dataclass(frozen=True, kw_only=True)
class AdvectionDiffusionCoefficients(Coefficients):
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
    diffusivity: float = 0.01
    ratio: Literal["exact", "table"] = "exact"

    num_uniforms = 4

    def __post_init__(self) -> None:
        name = "advection_diffusion_ratio"
        _check_range(name, self.advection_diffusion_ratio, positive="Ψ is a ratio of norms")
        if self.advection_diffusion_ratio[0] < _MIN_RATIO:
            raise InputError(
                f"{name} of {self.advection_diffusion_ratio[0]:g} is lost in rounding to float32; "
                f"the smallest supported is {_MIN_RATIO:g}"
            )
        if self.advection_diffusion_ratio[1] > _MAX_RATIO:
            raise InputError(
                f"{name} of {self.advection_diffusion_ratio[1]:g} cannot be reached: Ψ is "
                "bounded where the source varies across the flow only; "
                f"the largest supported is {_MAX_RATIO:g}"
            )
        _check_diffusion(self.eigenvalue, self.diffusivity)

    @property
    def equation(self) -> AdvectionDiffusion:
        """-∇·(K∇u) + v·∇u = f."""
        return AdvectionDiffusion()

    def draw(
        self,
        uniforms: Float[np.ndarray, "B r"],
        f_hat: Complex[np.ndarray, "B K2 K"],
        transform: TruncatedTransform,
    ) -> Float[np.ndarray, "B 5"]:
        """Draw k11, k22, k12, v1, v2."""
        tensor, direction = self._directions(uniforms)
        low, high = self.advection_diffusion_ratio
        target = low + (high - low) * uniforms[:, 3]
        if self.ratio == "exact":
            spectrum = AdvectionDiffusionSpectrum.of(tensor, direction, f_hat, transform)
            weight = spectrum.advection_weight(target)
        else:
            weight = self._population.mean_ratio_weight(target)
        mu = weight[:, None]
        return np.concatenate([(1 - mu) * tensor, mu * direction], axis=1)

    def measured(
        self,
        symbol: Complex[np.ndarray, "B K2 K"],
        u_hat: Complex[np.ndarray, "B K2 K"],
        transform: TruncatedTransform,
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
        transform = TruncatedTransform(PeriodicGrid(64), num_modes=31)
        sources = GaussianSources()
        uniforms = sample_uniforms(
            0, "train", np.arange(400), attempt=0, count=self.num_uniforms + sources.num_uniforms
        )
        source = SeparableSources(sources, transform, zero_mean=True).evaluate(
            sources.amplitudes(uniforms[:, self.num_uniforms :]), out=np.empty((400, 64, 64))
        )
        return AdvectionDiffusionSpectrum.of(*self._directions(uniforms), source.f_hat, transform)

    def _directions(
        self, uniforms: Float[np.ndarray, "B r"]
    ) -> tuple[Float[np.ndarray, "B 3"], Float[np.ndarray, "B 2"]]:
        phi = 2 * np.pi * uniforms[:, 2]
        tensor = _diffusion_tensor(uniforms, self.eigenvalue, self.diffusivity)
        return tensor, np.stack([np.cos(phi), np.sin(phi)], axis=1)


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
        _check_range("omega", self.omega)
        if max(map(abs, self.omega)) > _MAX_OMEGA:
            raise InputError(
                f"omega must lie in {-_MAX_OMEGA} … {_MAX_OMEGA}, got {list(self.omega)}"
            )
        _check_diffusivity(self.diffusivity)
        _check_positive("max_solution", self.max_solution)

    @property
    def equation(self) -> Helmholtz:
        """-κΔu - ωu = f."""
        return Helmholtz(diffusivity=self.diffusivity)

    def draw(
        self,
        uniforms: Float[np.ndarray, "B r"],
        f_hat: Complex[np.ndarray, "B K2 K"],
        transform: TruncatedTransform,
    ) -> Float[np.ndarray, "B 1"]:
        """Draw ω."""
        low, high = self.omega
        return low + np.floor((high - low + 1) * uniforms[:, :1])

    def check(self, transform: TruncatedTransform) -> None:
        """Reject ω = κ|k|², where the solution does not exist, and waves that no grid resolves.

        Raises:
            InputError: naming the ω.
        """
        num_points = transform.grid.num_points
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


def _diffusion_tensor(
    uniforms: Float[np.ndarray, "B r"], eigenvalue: tuple[float, float], diffusivity: float
) -> Float[np.ndarray, "B 3"]:
    """k11, k22, k12 of κ R(θ)ᵀ diag(1, λ) R(θ)."""
    low, high = eigenvalue
    lam = low + (high - low) * uniforms[:, 0]
    c, s = np.cos(2 * np.pi * uniforms[:, 1]), np.sin(2 * np.pi * uniforms[:, 1])
    return diffusivity * np.stack(
        [c * c + lam * s * s, s * s + lam * c * c, (lam - 1) * s * c], axis=1
    )


def _check_diffusion(eigenvalue: tuple[float, float], diffusivity: float) -> None:
    _check_range("eigenvalue", eigenvalue, positive="K is not elliptic otherwise")
    if eigenvalue[0] < 1 / _MAX_ANISOTROPY or eigenvalue[1] > _MAX_ANISOTROPY:
        raise InputError(
            f"eigenvalue must lie in {1 / _MAX_ANISOTROPY:g} … {_MAX_ANISOTROPY:g}, got "
            f"{list(eigenvalue)}: float32 cannot hold a K of larger anisotropy"
        )
    _check_diffusivity(diffusivity)


def _check_diffusivity(diffusivity: float) -> None:
    _check_positive("diffusivity", diffusivity)
    if not 1 / _MAX_DIFFUSIVITY <= diffusivity <= _MAX_DIFFUSIVITY:
        raise InputError(
            f"diffusivity must lie in {1 / _MAX_DIFFUSIVITY:g} … {_MAX_DIFFUSIVITY:g}, got "
            f"{diffusivity:g}: float32 cannot hold the solution"
        )


def _check_range(name: str, bounds: tuple[float, float], positive: str = "") -> None:
    low, high = bounds
    if not -np.inf < low <= high < np.inf:  # so that NaN is rejected, too
        raise InputError(f"{name} must be a range [low, high] with low ≤ high, got {list(bounds)}")
    if positive and low <= 0:
        raise InputError(f"{name} must be positive ({positive}), got {list(bounds)}")


def _check_positive(name: str, number: float) -> None:
    if not 0 < number < np.inf:
        raise InputError(f"{name} must be positive, got {number}")
