"""A PDE of fourth order that no reader of a data set knows."""

from dataclasses import dataclass

import numpy as np

from lightning_sciml.pde.steady import Equation


@dataclass(frozen=True)
class Biharmonic(Equation):
    """c Δ²u = f, periodic."""

    name = "biharmonic"
    coefficient_names = ("c",)
    fixes_mean = True

    def symbol(self, coefficients, wavenumbers):
        squared = wavenumbers.kx_squared + wavenumbers.ky_squared
        return coefficients[..., 0, None, None] * squared**2

    def operator_scale(self, coefficients):
        return coefficients[..., 0]

    def mean_diffusivity(self, coefficients):
        return coefficients[..., 0]

    def coefficient_map(self, g):
        return np.ones((1, 1))
