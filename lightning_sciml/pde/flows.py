"""Equations with products of derivatives: Burgers, Navier-Stokes, Kuramoto-Sivashinsky."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Complex, Float, Int

from lightning_sciml.errors import InputError
from lightning_sciml.pde.evolution_equation import (
    Coefficients,
    EvolutionEquation,
    Fields,
    Nonlinearity,
    Products,
    columns,
    gradient,
    k_squared,
)
from lightning_sciml.pde.grid import Wavenumbers
from lightning_sciml.pde.units import LeadTimes, NamedFields, Units, root_mean_square


@dataclass(frozen=True)
class Burgers(EvolutionEquation):
    """u_t = -(u·∇)u + νΔu for the velocity u = (u, v).

    (u·∇)u = ∇q + ω(-v, u) with q = |u|²/2 and ω = ∂x v - ∂y u takes six transforms; products of
    components and derivatives take eight.
    """

    name = "burgers"
    state_fields = ("velocity_x", "velocity_y")
    velocity = ("velocity_x", "velocity_y")
    coefficient_names = ("nu",)
    positive_coefficients = ("nu",)
    scales = True
    degree = 2
    num_factors = 3
    num_scratch = 1

    def symbol(self, coefficients: Coefficients, waves: Wavenumbers) -> Float[Any, "B 2 M K"]:
        """-ν|k|²."""
        (nu,) = columns(coefficients)
        return np.repeat(-nu * k_squared(waves), 2, axis=1)

    def nonlinearity(self, coefficients: Coefficients, waves: Wavenumbers) -> Nonlinearity:
        """Map to u, v, ω, and combine vω, uω, q to N = (vω - ∂x q, -uω - ∂y q)."""
        dx, dy = gradient(waves)
        return Nonlinearity(
            factors=((1.0, 0.0), (0.0, 1.0), (-dy, dx)),
            combination=((1.0, 0.0, -dx), (0.0, -1.0, -dy)),
        )

    def products(self, fields: Fields, coefficients: Coefficients) -> Products:
        """Compute vω, uω and q = |u|²/2."""
        u, v, omega, scratch = fields
        np.multiply(u, omega, out=scratch)
        np.multiply(v, omega, out=omega)
        np.multiply(u, u, out=u)
        np.multiply(v, v, out=v)
        np.add(u, v, out=u)
        np.multiply(u, 0.5, out=u)
        return omega, scratch, u

    def units(
        self, fields: NamedFields, coefficients: Coefficients, lead_time: LeadTimes, *, xp: Any = np
    ) -> Units:
        """(u/s, ν/s, s Δt) with s the root of the mean square of u and v together."""
        s = root_mean_square(fields["velocity_x"], fields["velocity_y"], xp=xp)
        return Units({"velocity_x": s, "velocity_y": s}, s, 1 / s)


@dataclass(frozen=True)
class NavierStokes(EvolutionEquation):
    """ω_t = -u·∇ω + νΔω with u = (∂y ψ, -∂x ψ), -Δψ = ω: vorticity of decaying turbulence.

    -u·∇ω = ∂x∂y(u² - v²) - (∂x² - ∂y²)(uv), as ∇·u = 0: two transforms each way.

    It has no Galilean boosts: u comes from ω with mean zero, and a flow u + U has the same ω. The
    boosted ω(x - Ut, t) solves the equation with (u + U)·∇ω in place of u·∇ω, which is another one.
    """

    name = "navier_stokes"
    state_fields = ("vorticity",)
    coefficient_names: ClassVar[tuple[str, ...]] = ("nu",)
    positive_coefficients: ClassVar[tuple[str, ...]] = ("nu",)
    conserved_means: ClassVar[tuple[str, ...]] = ("vorticity",)
    invariant_names: ClassVar[tuple[str, ...]] = ("energy", "enstrophy")
    mean_free: ClassVar[tuple[str, ...]] = ("vorticity",)
    scales: ClassVar[bool] = True
    degree = 2
    num_factors = 2
    num_scratch = 1

    def symbol(self, coefficients: Coefficients, waves: Wavenumbers) -> Float[Any, "B 1 M K"]:
        """-ν|k|²."""
        return -columns(coefficients)[0] * k_squared(waves)

    def nonlinearity(self, coefficients: Coefficients, waves: Wavenumbers) -> Nonlinearity:
        """Map to u and v, and combine v² - u² and uv."""
        dx, dy = gradient(waves)
        laplacian = k_squared(waves)
        inverse = np.divide(1.0, laplacian, out=np.zeros_like(laplacian), where=laplacian > 0)
        return Nonlinearity(
            factors=((dy * inverse,), (-dx * inverse,)),
            combination=((waves.kx * waves.ky, waves.kx**2 - waves.ky**2),),
        )

    def quadratic_invariants(
        self, coefficients: Coefficients, waves: Wavenumbers
    ) -> dict[str, Float[np.ndarray, "1 1 M K"]]:
        """Energy ½⟨|u|²⟩ with w = 1/|k|², as u is the curl of ψ, and enstrophy ½⟨ω²⟩."""
        laplacian = k_squared(waves)
        inverse = np.divide(1.0, laplacian, out=np.zeros_like(laplacian), where=laplacian > 0)
        return {"energy": inverse[None, None], "enstrophy": np.ones_like(laplacian)[None, None]}

    def products(self, fields: Fields, coefficients: Coefficients) -> Products:
        """Compute v² - u² and uv."""
        u, v, scratch = fields
        np.multiply(u, v, out=scratch)
        np.multiply(u, u, out=u)
        np.multiply(v, v, out=v)
        np.subtract(v, u, out=v)
        return v, scratch

    def units(
        self, fields: NamedFields, coefficients: Coefficients, lead_time: LeadTimes, *, xp: Any = np
    ) -> Units:
        """(ω/s, ν/s, s Δt) with s the root mean square of ω, a rate."""
        s = root_mean_square(fields["vorticity"], xp=xp)
        return Units({"vorticity": s}, s, 1 / s)


@dataclass(frozen=True)
class ForcedNavierStokes(NavierStokes):
    """ω_t = -u·∇ω + νΔω + A (sin φ + cos φ), φ = 2π(x/Lx + y/Ly); A = 0.1 in the FNO paper.

    Attributes:
        amplitude: A.
    """

    amplitude: float = 0.1

    name = "forced_navier_stokes"
    scales = False  # the force has a size

    def forcing(self, coefficients: Coefficients, waves: Wavenumbers) -> Complex[Any, "B 1 M K"]:
        """A (1 - i)/2 at the first mode of both axes."""
        f_hat = np.zeros((len(coefficients), 1, *np.shape(k_squared(waves))), np.complex128)
        f_hat[:, :, 1, 1] = self.amplitude * (1 - 1j) / 2
        return f_hat

    def is_symmetry(self, g: Int[np.ndarray, "2 2"]) -> bool:
        """Hold for the identity only: every other element changes det(g) f(g⁻¹x)."""
        return bool((g == np.eye(2)).all())


@dataclass(frozen=True)
class KolmogorovFlow(NavierStokes):
    """ω_t = -u·∇ω + νΔω - αω - A κ cos κy, κ = 2πn/Ly: driven by A sin κy along x, with drag α.

    Attributes:
        num_waves: n of the force.
        amplitude: A of the force.
    """

    num_waves: int = 4
    amplitude: float = 1.0

    name = "kolmogorov_flow"
    coefficient_names = ("nu", "drag")
    scales = False  # the force has a size

    def symbol(self, coefficients: Coefficients, waves: Wavenumbers) -> Float[Any, "B 1 M K"]:
        """-ν|k|² - α."""
        return super().symbol(coefficients, waves) - columns(coefficients)[1]

    def forcing(self, coefficients: Coefficients, waves: Wavenumbers) -> Complex[Any, "B 1 M K"]:
        """-Aκ/2 at ky = ±κ."""
        n, kappa = self.num_waves, self.num_waves * waves.ky[1, 0]
        if not 0 < n < len(waves.ky) / 2 or not np.isclose(waves.ky[n, 0], kappa):
            raise InputError(
                f"a force of {n} waves must have at least one, and fewer than the modes along y; "
                "lower num_waves or refine the grid"
            )
        f_hat = np.zeros((len(coefficients), 1, *np.shape(k_squared(waves))), np.complex128)
        f_hat[:, :, [n, -n], 0] = -self.amplitude * kappa / 2
        return f_hat

    def is_symmetry(self, g: Int[np.ndarray, "2 2"]) -> bool:
        """Hold for half turns: flips change the sign of the force's vorticity."""
        return bool((abs(g) == np.eye(2)).all() and g[0, 0] == g[1, 1])


@dataclass(frozen=True)
class KuramotoSivashinsky(EvolutionEquation):
    """u_t = -Δu - Δ²u - (|∇u|² - mean of |∇u|²)/2: the mean of u is left out of the motion.

    The grid's lengths are in units of the coefficient `side` S, so that a set holds rectangles of
    many sizes: each wavenumber k of the grid is k/S here.
    """

    name = "kuramoto_sivashinsky"
    coefficient_names = ("side",)
    positive_coefficients = ("side",)
    mean_free = ("u",)
    conserved_means = ("u",)
    degree = 2
    num_factors = 2

    def symbol(self, coefficients: Coefficients, waves: Wavenumbers) -> Float[Any, "B 1 M K"]:
        """|k/S|² - |k/S|⁴."""
        (side,) = columns(coefficients)
        squared = k_squared(waves) / side**2
        return squared - squared**2

    def nonlinearity(self, coefficients: Coefficients, waves: Wavenumbers) -> Nonlinearity:
        """Map to ∇u, and take -1/2 of |∇u|² without its mean."""
        dx, dy = gradient(waves)
        minus_half = np.where(k_squared(waves) > 0, -0.5, 0.0)
        of_samples = minus_half / coefficients[:, 0, None, None] ** 2
        return Nonlinearity(factors=((dx,), (dy,)), combination=((of_samples,),))

    def products(self, fields: Fields, coefficients: Coefficients) -> Products:
        """Compute S²|∇u|²."""
        u_x, u_y = fields
        np.multiply(u_x, u_x, out=u_x)
        np.multiply(u_y, u_y, out=u_y)
        np.add(u_x, u_y, out=u_x)
        return (u_x,)
