"""Reaction-diffusion equations on a periodic rectangle: N is a polynomial in the values of u."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Complex, Float

from lightning_sciml.pde.evolution_equation import (
    Coefficients,
    EvolutionEquation,
    Fields,
    Nonlinearity,
    Products,
    columns,
    k_squared,
)
from lightning_sciml.pde.grid import Wavenumbers


@dataclass(frozen=True)
class AllenCahn(EvolutionEquation):
    """u_t = νΔu + u - u³."""

    name = "allen_cahn"
    coefficient_names = ("nu",)
    positive_coefficients = ("nu",)
    reverses_sign = True
    degree = 3
    num_factors = 1
    num_scratch = 1

    def symbol(self, coefficients: Coefficients, waves: Wavenumbers) -> Float[Any, "B 1 M K"]:
        """1 - ν|k|²."""
        return 1 - columns(coefficients)[0] * k_squared(waves)

    def nonlinearity(self, coefficients: Coefficients, waves: Wavenumbers) -> Nonlinearity:
        """N = -1 times u³."""
        return Nonlinearity(factors=((1.0,),), combination=((-1.0,),))

    def products(self, fields: Fields, coefficients: Coefficients) -> Products:
        """Compute u³."""
        u, square = fields
        np.square(u, out=square)
        np.multiply(u, square, out=u)
        return (u,)


@dataclass(frozen=True)
class FisherKPP(EvolutionEquation):
    """u_t = νΔu + r u(1 - u)."""

    name = "fisher_kpp"
    coefficient_names = ("nu", "r")
    positive_coefficients = ("nu",)
    degree = 2
    num_factors = 1

    def symbol(self, coefficients: Coefficients, waves: Wavenumbers) -> Float[Any, "B 1 M K"]:
        """r - ν|k|²."""
        nu, r = columns(coefficients)
        return r - nu * k_squared(waves)

    def nonlinearity(self, coefficients: Coefficients, waves: Wavenumbers) -> Nonlinearity:
        """N = -r times u²."""
        return Nonlinearity(factors=((1.0,),), combination=((-coefficients[:, 1],),))

    def products(self, fields: Fields, coefficients: Coefficients) -> Products:
        """Compute u²."""
        np.multiply(fields[0], fields[0], out=fields[0])
        return (fields[0],)


@dataclass(frozen=True)
class SwiftHohenberg(EvolutionEquation):
    """u_t = r u - (1 + Δ)²u + g u² - u³.

    -u solves it with -g.
    """

    name = "swift_hohenberg"
    coefficient_names = ("r", "g")
    reverses_sign = True
    odd_coefficients = ("g",)
    degree = 3
    num_factors = 1
    num_scratch = 1

    def symbol(self, coefficients: Coefficients, waves: Wavenumbers) -> Float[Any, "B 1 M K"]:
        """r - (1 - |k|²)²."""
        return columns(coefficients)[0] - (1 - k_squared(waves)) ** 2

    def products(self, fields: Fields, coefficients: Coefficients) -> Products:
        """Compute (g - u) u²."""
        u, square = fields
        np.square(u, out=square)
        for g, u_sample in zip(coefficients[:, 1], u, strict=True):
            np.subtract(g, u_sample, out=u_sample)
        np.multiply(u, square, out=u)
        return (u,)


@dataclass(frozen=True)
class GrayScott(EvolutionEquation):
    """u_t = D_u Δu - uv² + F(1 - u), v_t = D_v Δv + uv² - (F + κ)v: feed F, kill κ."""

    name = "gray_scott"
    state_fields = ("u", "v")
    coefficient_names = ("feed", "kill", "diffusivity_u", "diffusivity_v")
    positive_coefficients = ("diffusivity_u", "diffusivity_v")
    degree = 3
    num_factors = 2

    def symbol(self, coefficients: Coefficients, waves: Wavenumbers) -> Float[Any, "B 2 M K"]:
        """-D_u|k|² - F and -D_v|k|² - F - κ."""
        feed, kill, D_u, D_v = columns(coefficients)
        laplacian = -k_squared(waves)
        return np.concatenate([D_u * laplacian - feed, D_v * laplacian - feed - kill], axis=1)

    def nonlinearity(self, coefficients: Coefficients, waves: Wavenumbers) -> Nonlinearity:
        """N = (-uv², uv²)."""
        return Nonlinearity(factors=((1.0, 0.0), (0.0, 1.0)), combination=((-1.0,), (1.0,)))

    def products(self, fields: Fields, coefficients: Coefficients) -> Products:
        """Compute uv²."""
        u, v = fields
        np.multiply(u, v, out=u)
        np.multiply(u, v, out=u)
        return (u,)

    def forcing(self, coefficients: Coefficients, waves: Wavenumbers) -> Complex[Any, "B 2 M K"]:
        """(F, 0), constant in space."""
        f_hat = np.zeros((len(coefficients), 2, *k_squared(waves).shape), np.complex128)
        f_hat[:, 0, 0, 0] = coefficients[:, 0]
        return f_hat
