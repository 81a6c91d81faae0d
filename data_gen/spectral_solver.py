"""Solve Lu = f wave by wave: û(k) = f̂(k) / L(k), with the modes that carry energy."""

import numpy as np
from jaxtyping import Float, Shaped

from data_gen.mode_transform import Modes, ModeTransform
from lightning_sciml.pde.steady import Equation
from lightning_sciml.pde.walls import has_free_mean


class SpectralSolver:
    """Lu = f wave by wave: û(k) = f̂(k) / L(k).

    Args:
        equation: gives L(k).
        transform: points, boundary, and the modes that are kept.
    """

    def __init__(self, equation: Equation, transform: ModeTransform) -> None:
        self.equation = equation
        self.transform = transform
        self.has_free_mean = has_free_mean(equation, transform.boundary)

    def symbol(self, coefficients: Float[np.ndarray, "B c"]) -> Shaped[np.ndarray, "B R K"]:
        """Evaluate L(k) of the kept modes; 1 in place of 0 at k = 0 where the mean of u is free."""
        symbol = self.equation.symbol(coefficients, self.transform.wavenumbers)
        if self.has_free_mean:
            symbol[:, self.transform.zero_rows, 0] = 1.0  # f̂(0) = 0, so û(0) = 0
        return symbol

    def largest_symbol(self, symbol: Shaped[np.ndarray, "B R K"]) -> Float[np.ndarray, " B"]:
        """Find max|L(k)| of each sample, without the 1 that stands in place of a free mean."""
        magnitude = self.without_free_mean(np.abs(symbol))
        return magnitude.reshape(len(symbol), -1).max(axis=1)

    def without_free_mean(self, f_hat: Modes) -> Modes:
        """Set f̂(0) = 0, in place, where the equation asks for ∫f = 0."""
        if self.has_free_mean:
            f_hat[:, self.transform.zero_rows, 0] = 0.0
        return f_hat

    def solve_modes(self, f_hat: Modes, symbol: Modes) -> Modes:
        """Compute û = f̂ / L of a source whose mean is zero where the equation asks for it."""
        # Named, because NumPy multiplies complex temporaries of some size in place, and then rounds
        # in another way: bits would depend on the number of samples.
        inverse_symbol = 1 / symbol
        return f_hat * inverse_symbol

    def solve(
        self, source: Float[np.ndarray, "B N N"], coefficients: Float[np.ndarray, "B c"]
    ) -> Float[np.ndarray, "B N N"]:
        """Solve for a source on the grid, of which the kept modes are used."""
        f_hat = self.without_free_mean(self.transform.forward(source))
        return self.transform.inverse(self.solve_modes(f_hat, self.symbol(coefficients)))
