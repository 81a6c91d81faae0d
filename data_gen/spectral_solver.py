"""Solve Lu = f in Fourier space: û(k) = f̂(k) / L(k), with the modes that carry energy."""

import numpy as np
from jaxtyping import Complex, Float, Shaped

from data_gen.truncated_transform import TruncatedTransform
from lightning_sciml.pde.grid import PeriodicGrid
from lightning_sciml.pde.steady import Equation


class SpectralSolver:
    """Lu = f on a periodic grid, in Fourier space: û(k) = f̂(k) / L(k).

    Args:
        equation: gives L(k).
        grid: N × N points.
        num_modes: modes kept an axis; N/2 keeps all.
    """

    def __init__(self, equation: Equation, grid: PeriodicGrid, num_modes: int) -> None:
        self.equation = equation
        self.transform = TruncatedTransform(grid, num_modes)

    def symbol(self, coefficients: Float[np.ndarray, "B c"]) -> Shaped[np.ndarray, "B K2 K"]:
        """Evaluate L(k) of the kept modes; 1 in place of 0 at k = 0 where the mean of u is free."""
        symbol = self.equation.symbol(coefficients, self.transform.wavenumbers)
        if self.equation.fixes_mean:
            symbol[:, self.transform.zero_rows, 0] = 1.0  # f̂(0) = 0, so û(0) = 0
        return symbol

    def largest_symbol(self, symbol: Shaped[np.ndarray, "B K2 K"]) -> Float[np.ndarray, " B"]:
        """Find max|L(k)| of each sample, without the 1 that stands in place of a free mean."""
        magnitude = self.without_free_mean(np.abs(symbol))
        return magnitude.reshape(len(symbol), -1).max(axis=1)

    def without_free_mean(
        self, f_hat: Shaped[np.ndarray, "B K2 K"]
    ) -> Shaped[np.ndarray, "B K2 K"]:
        """Set f̂(0) = 0, in place, where the equation asks for ∫f = 0."""
        if self.equation.fixes_mean:
            f_hat[:, self.transform.zero_rows, 0] = 0.0
        return f_hat

    def solve_modes(
        self, f_hat: Complex[np.ndarray, "B K2 K"], symbol: Shaped[np.ndarray, "B K2 K"]
    ) -> Complex[np.ndarray, "B K2 K"]:
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
