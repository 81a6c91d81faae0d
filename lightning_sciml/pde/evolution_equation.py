"""The form of an evolution equation u_t = Lu + N(u) + f on a periodic rectangle.

L is linear with constant coefficients: û_t = L(k) û. N is a polynomial in u and its derivatives:
some *factors*, each linear in u, are evaluated on a grid; *products* of them are taken there; and
their transforms are *combined* linearly to N̂(k). Coefficients û are those of u = Σ û exp(i k·x).
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Int, Num, Shaped

from lightning_sciml.pde.grid import Wavenumbers
from lightning_sciml.pde.symmetries import field_map
from lightning_sciml.pde.units import LeadTimes, NamedFields, Units

Coefficients = Float[Any, "B c"]
Fields = Float[np.ndarray, "P B H W"]
Products = tuple[Float[np.ndarray, "B H W"], ...]
Symbol = float | Shaped[np.ndarray, "M K"] | Shaped[np.ndarray, "B M K"] | Shaped[np.ndarray, " B"]
"""What multiplies one field in Fourier space: a number, or one for each mode (and sample)."""


class Nonlinearity(NamedTuple):
    """The linear maps around the products of N.

    Attributes:
        factors: row p gives factor p as a sum over the F fields of the state.
        combination: row f gives N of field f as a sum over the products: symbols, or one number
            (of each sample) where all others are 0.
    """

    factors: tuple[tuple[Symbol, ...], ...]
    combination: tuple[tuple[Symbol, ...], ...]


class EvolutionEquation(ABC):
    """u_t = Lu + N(u) + f on a periodic rectangle, for F fields.

    Attributes:
        name: the key in ``EVOLUTION_EQUATIONS`` and in a manifest.
        state_fields: names of the F fields.
        coefficient_names: what the last axis of ``coefficients`` holds, in order.
        positive_coefficients: those that are positive, or else the problem is ill-posed.
        conserved_means: fields whose mean over the rectangle is constant in time.
        invariant_names: of the quadratic forms that N conserves, see ``quadratic_invariants``.
        mean_free: fields whose mean is zero, or is left out: initial states have none.
        is_linear: sums and multiples of solutions are solutions: N = f = 0.
        reverses_sign: -u solves the equation as u does, with `odd_coefficients` times -1.
        odd_coefficients: those that change their sign with u.
        even_fields: inputs that do not.
        velocity: names of the fields, or coefficients, that are the components along x and y of a
            velocity to which a Galilean boost by U adds: u(x - Ut, t) solves the equation with
            the velocity v + U. None where no such pair is part of the problem.
        scales: multiples of a solution are solutions, with other coefficients at other times.
        degree: of the polynomial N; 1 where N = 0.
        num_factors: in the products of N.
        num_scratch: arrays on the grid that ``products`` uses beside the factors.
    """

    name: ClassVar[str]
    state_fields: ClassVar[tuple[str, ...]] = ("u",)
    coefficient_names: ClassVar[tuple[str, ...]]
    positive_coefficients: ClassVar[tuple[str, ...]] = ()
    conserved_means: ClassVar[tuple[str, ...]] = ()
    invariant_names: ClassVar[tuple[str, ...]] = ()
    mean_free: ClassVar[tuple[str, ...]] = ()
    is_linear: ClassVar[bool] = False
    reverses_sign: ClassVar[bool] = False
    odd_coefficients: ClassVar[tuple[str, ...]] = ()
    even_fields: ClassVar[tuple[str, ...]] = ()
    velocity: ClassVar[tuple[str, str] | None] = None
    scales: ClassVar[bool] = False
    degree: ClassVar[int] = 1
    num_factors: ClassVar[int] = 0
    num_scratch: ClassVar[int] = 0

    @abstractmethod
    def symbol(self, coefficients: Float[Any, "B c"], waves: Wavenumbers) -> Shaped[Any, "B F M K"]:
        """L(k) of each field."""

    def propagator(
        self, coefficients: Float[Any, "B c"], waves: Wavenumbers, time: float
    ) -> Shaped[Any, "B F F M K"]:
        """exp(L(k) t), a matrix over the fields."""
        growth = np.exp(time * self.symbol(coefficients, waves))
        return growth[:, :, None] * np.eye(len(self.state_fields))[:, :, None, None]

    def nonlinearity(self, coefficients: Float[Any, "B c"], waves: Wavenumbers) -> Nonlinearity:
        """Return the linear maps of N; by default of N(u) made from the values of u alone."""
        return Nonlinearity(factors=((1.0,),), combination=((1.0,),))

    def products(self, fields: Fields, coefficients: Coefficients) -> Products:
        """Turn `fields`, the factors and then scratch, into products, and return these."""
        raise TypeError(f"{self.name} is linear: it has no products")

    def forcing(
        self, coefficients: Float[Any, "B c"], waves: Wavenumbers
    ) -> Complex[Any, "B F M K"] | None:
        """f̂(k) of each field, constant in time; None for f = 0."""
        return None

    def quadratic_invariants(
        self, coefficients: Float[Any, "B c"], waves: Wavenumbers
    ) -> dict[str, Float[np.ndarray, "#B F M K"]]:
        """Weights w(k) of the forms ½ Σ w(k)|û(k)|² that N conserves, by name; see ``budgets``."""
        return {}

    def coefficient_map(self, g: Num[np.ndarray, "2 2"]) -> Num[np.ndarray, "c c"]:
        """M with: u(g⁻¹x, t) solves the equation with the coefficients M c; by default M = 1."""
        return np.eye(len(self.coefficient_names))

    def field_map(
        self, g: Int[np.ndarray, "2 2"], names: Sequence[str]
    ) -> Float[np.ndarray, "C C"]:
        """Matrix by which the fields `names` change; see ``symmetries.field_map``."""
        return field_map(g, names)

    def is_symmetry(self, g: Int[np.ndarray, "2 2"]) -> bool:
        """Tell whether g, an element of ``SQUARE``, maps solutions to solutions."""
        return True

    def has_units(self, input_fields: Collection[str], output_fields: Collection[str]) -> bool:
        """Tell whether ``units`` are known: of an equation that scales, without other inputs."""
        return self.scales and {*input_fields} == {*output_fields} == {*self.state_fields}

    def units(
        self, fields: NamedFields, coefficients: Coefficients, lead_time: LeadTimes, *, xp: Any = np
    ) -> Units:
        """Return the units of problems: the step over Δt from a state with these coefficients.

        Args:
            fields: the newest state, by name.
            coefficients: of the equation.
            lead_time: Δt.
            xp: ``numpy`` or ``torch``.
        """
        raise TypeError(f"{self.name} has no scaling group")


def k_squared(waves: Wavenumbers) -> Float[Any, "M K"]:
    """|k|²."""
    return waves.kx_squared + waves.ky_squared


def columns(coefficients: Coefficients) -> list[Float[Any, "B 1 1 1"]]:
    """List coefficients, each to broadcast over [field, ky, kx]."""
    return [coefficients[:, c, None, None, None] for c in range(coefficients.shape[1])]


def gradient(waves: Wavenumbers) -> tuple[Complex[Any, "M K"], Complex[Any, "M K"]]:
    """∂x ↦ i kx and ∂y ↦ i ky."""
    kx, ky = np.broadcast_arrays(waves.kx, waves.ky)
    return 1j * kx, 1j * ky
