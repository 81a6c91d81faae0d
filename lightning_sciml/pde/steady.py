"""The equations as Fourier symbols: L(k) û(k) = f̂(k), linear with constant coefficients.

A symbol is plain arithmetic, so one line serves the NumPy solver and the torch residual. Beside it
stands what is known without solving: the operator's scale, and how coefficients change with the
coordinates.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int, Num, Shaped

from lightning_sciml.pde.grid import Wavenumbers
from lightning_sciml.pde.symmetries import field_map
from lightning_sciml.pde.units import SOLUTION, Units, root_mean_square


class Equation(ABC):
    """Lu = f on the periodic unit square; L is linear with constant coefficients.

    Attributes:
        name: the key in ``EQUATIONS`` and in a manifest.
        coefficient_names: what the last axis of ``coefficients`` holds, in order.
        fixes_mean: L annihilates constants: f has zero mean, and u is the solution with zero mean.
        is_linear: sums and multiples of solutions are solutions.
        reverses_sign: -u solves the equation with the source -f.
        odd_coefficients: those that change their sign with u and f.
        even_fields: inputs that do not.
        velocity: none: a steady problem has no other at a constant speed.
    """

    name: ClassVar[str]
    coefficient_names: ClassVar[tuple[str, ...]]
    fixes_mean: ClassVar[bool]
    is_linear: ClassVar[bool] = True
    reverses_sign: ClassVar[bool] = True
    odd_coefficients: ClassVar[tuple[str, ...]] = ()
    even_fields: ClassVar[tuple[str, ...]] = ()
    velocity: ClassVar[tuple[str, str] | None] = None

    @abstractmethod
    def symbol(
        self, coefficients: Float[Any, "*batch c"], wavenumbers: Wavenumbers
    ) -> Shaped[Any, "*batch N M"]:
        """L(k) at the given wavenumbers; real or complex, in the precision of the arguments."""

    @abstractmethod
    def operator_scale(self, coefficients: Float[Any, "*batch c"]) -> Float[Any, "*batch"]:
        """β > 0, about |L(k)|/4π² where |k| = 2π, with β(αc) = α β(c).

        L/β is the operator with the coefficients c/β, so u = w/β where (L/β) w = f, exactly, and w
        is of the order of f/4π² like the solution of -Δw = f: ``units`` divides by that. Of order
        two β is a diffusivity: κ for -κΔu + su, or κ + s/4π² where s may be far above 4π²κ. Of
        order four DΔ²u + su has 4π²D, or 4π²D + s/4π²; D alone would leave answers of 1/4π².
        """

    @abstractmethod
    def mean_diffusivity(self, coefficients: Float[Any, "*batch c"]) -> Float[Any, "*batch"]:
        """Mean eigenvalue of K in -∇·(K∇u); of coordinates that keep det K, best where smallest.

        Only values of one problem in several coordinates are compared, so any unit will do. Where
        the coefficients do not change with the coordinates, as of powers of the Laplacian, it is
        the same in all: κ of -κΔu, D of DΔ²u.
        """

    @abstractmethod
    def coefficient_map(self, g: Num[np.ndarray, "2 2"]) -> Num[np.ndarray, "c c"]:
        """M with: u(g⁻¹x) solves the equation with the source f(g⁻¹x) and the coefficients M c.

        Args:
            g: change of coordinates x ↦ gx; orthogonal for equations with a Laplacian, or powers of
                it.
        """

    def has_units(self, input_fields: Collection[str], output_fields: Collection[str]) -> bool:
        """Tell whether ``units`` are known: of a problem with the source alone."""
        return set(input_fields) == {"source"} and len(output_fields) == 1

    def units(
        self,
        fields: Mapping[str, Float[Any, "B H W"]],
        coefficients: Float[Any, "B c"],
        lead_time: Float[Any, " B"] | None = None,
        *,
        xp: Any = np,
    ) -> Units:
        """‖f‖ for f, β for c and ‖f‖/(4π²β) for u, with β the operator's scale.

        u is linear in f, and dividing the operator by β multiplies u by it. 4π² is -Δ on the lowest
        mode: u is of order one in its unit.
        """
        norm, beta = root_mean_square(fields["source"], xp=xp), self.operator_scale(coefficients)
        of_fields = {"source": norm, SOLUTION: norm / (4 * np.pi**2 * beta)}
        return Units(of_fields, beta)

    def is_symmetry(self, g: Int[np.ndarray, "2 2"]) -> bool:
        """Tell whether g, an element of ``SQUARE``, maps solutions to solutions: all do."""
        return True

    def field_map(
        self, g: Int[np.ndarray, "2 2"], names: Sequence[str]
    ) -> Float[np.ndarray, "C C"]:
        """Matrix by which the fields `names` change; see ``symmetries.field_map``."""
        return field_map(g, names)


@dataclass(frozen=True)
class Poisson(Equation):
    """-∇·(K∇u) = f, periodic, ∫u = ∫f = 0; K symmetric positive definite (diffusion)."""

    name = "poisson"
    coefficient_names: ClassVar[tuple[str, ...]] = ("k11", "k22", "k12")
    fixes_mean = True

    def symbol(
        self, coefficients: Float[Any, "*batch c"], wavenumbers: Wavenumbers
    ) -> Shaped[Any, "*batch N M"]:
        """L(k) = kᵀKk with K = [[k11, k12], [k12, k22]]."""
        k11, k22, k12 = (coefficients[..., c, None, None] for c in range(3))
        kx, ky, kx_squared, ky_squared = wavenumbers
        return k11 * kx_squared + k22 * ky_squared + (2 * k12) * (kx * ky)

    def operator_scale(self, coefficients: Float[Any, "*batch c"]) -> Float[Any, "*batch"]:
        """√det K, the same in all coordinates: 1/√det K is the mean of 1/(nᵀKn) over directions n.

        So it is the response and not the operator that is of order one in the mean.
        """
        return _determinant(coefficients) ** 0.5

    def mean_diffusivity(self, coefficients: Float[Any, "*batch c"]) -> Float[Any, "*batch"]:
        """(k11 + k22) / 2; of v nothing: to make |v| small would shear K without bound."""
        return 0.5 * (coefficients[..., 0] + coefficients[..., 1])

    def coefficient_map(self, g: Num[np.ndarray, "2 2"]) -> Num[np.ndarray, "c c"]:
        """K ↦ gKgᵀ."""
        (a, b), (c, d) = g
        return np.array(
            [
                [a * a, b * b, 2 * a * b],
                [c * c, d * d, 2 * c * d],
                [a * c, b * d, a * d + b * c],
            ]
        )


def _determinant(coefficients: Float[Any, "*batch c"]) -> Float[Any, "*batch"]:
    """k11 k22 - k12²."""
    return coefficients[..., 0] * coefficients[..., 1] - coefficients[..., 2] ** 2


@dataclass(frozen=True)
class AdvectionDiffusion(Poisson):
    """-∇·(K∇u) + v·∇u = f, periodic, ∫u = ∫f = 0; K symmetric positive definite, v constant."""

    name = "advection_diffusion"
    coefficient_names = ("k11", "k22", "k12", "v1", "v2")

    def symbol(
        self, coefficients: Float[Any, "*batch 5"], wavenumbers: Wavenumbers
    ) -> Shaped[Any, "*batch N M"]:
        """L(k) = kᵀKk + i v·k."""
        v1, v2 = (coefficients[..., c, None, None] for c in (3, 4))
        advection = v1 * wavenumbers.kx + v2 * wavenumbers.ky
        return super().symbol(coefficients, wavenumbers) + 1j * advection

    def operator_scale(self, coefficients: Float[Any, "*batch 5"]) -> Float[Any, "*batch"]:
        """√(κ √(κ² + |v|²/4π²)) with κ = √det K.

        With K = κI, 1/β is the r.m.s. of |k|²/|L(k)| over directions at |k| = 2π: where advection
        takes over, the response comes from the waves that it does not move.
        """
        diffusion_squared = _determinant(coefficients)
        v1, v2 = coefficients[..., 3], coefficients[..., 4]
        advection_squared = (v1 * v1 + v2 * v2) / (4 * np.pi**2)
        return ((diffusion_squared * (diffusion_squared + advection_squared)) ** 0.5) ** 0.5

    def coefficient_map(self, g: Num[np.ndarray, "2 2"]) -> Num[np.ndarray, "5 5"]:
        """K ↦ gKgᵀ, v ↦ gv."""
        M = np.zeros((5, 5))
        M[:3, :3], M[3:, 3:] = super().coefficient_map(g), g
        return M


@dataclass(frozen=True)
class Helmholtz(Equation):
    """-κΔu - ωu = f, periodic: indefinite for ω > 0, resonant where ω = κ|k|²; screened for ω < 0.

    Attributes:
        diffusivity: κ > 0.
    """

    diffusivity: float = 0.01

    name = "helmholtz"
    coefficient_names = ("omega",)
    fixes_mean = False

    def symbol(
        self, coefficients: Float[Any, "*batch 1"], wavenumbers: Wavenumbers
    ) -> Float[Any, "*batch N M"]:
        """L(k) = κ|k|² - ω."""
        omega = coefficients[..., 0, None, None]
        return self.diffusivity * (wavenumbers.kx_squared + wavenumbers.ky_squared) - omega

    def operator_scale(self, coefficients: Float[Any, "*batch 1"]) -> Float[Any, "*batch"]:
        """κ: L/κ = -Δ - ω/κ. A constant: data sets of several κ become one family in ω/κ."""
        return 0 * coefficients[..., 0] + self.diffusivity

    def mean_diffusivity(self, coefficients: Float[Any, "*batch 1"]) -> Float[Any, "*batch"]:
        """κ: the same in all coordinates."""
        return self.operator_scale(coefficients)

    def coefficient_map(self, g: Num[np.ndarray, "2 2"]) -> Num[np.ndarray, "1 1"]:
        """ω ↦ ω: the Laplacian does not know directions."""
        return np.ones((1, 1))


EQUATIONS: dict[str, type[Equation]] = {
    equation.name: equation for equation in (Poisson, AdvectionDiffusion, Helmholtz)
}
