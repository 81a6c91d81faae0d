"""Gaussian random fields on the unit square: the same function on every grid."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from data_gen.random_numbers import standard_normals
from data_gen.ranges import Range, check_limits, check_range, log_uniform, uniform
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid

_NUM_RANGES = 2  # uniform numbers for correlation length and smoothness
_MAX_MODES = 1 << 15
_LENGTHS = (1e-4, 1e4)
_EXPONENTS = (1.0, 20.0)


class DrawnField(NamedTuple):
    """B fields, and what was drawn for each of them."""

    values: Float[np.ndarray, "B H W"]
    drawn: dict[str, Float[np.ndarray, " B"]]


@dataclass(frozen=True, kw_only=True)
class GaussianRandomField:
    """g ~ N(0, σ² (-Δ + 1/ℓ²)^{-α}) without its constant mode, σ such that its mean square is 1.

    With ℓ = 1/3 and α = 2 it is the field of the Darcy set in Z. Li et al., ICLR 2021 (FNO).

    Args:
        correlation_length: range of ℓ in sides of the square, of which log ℓ is drawn uniformly.
        smoothness: range of α > 1, drawn uniformly; α - 1 is Matérn's ν.
        num_modes: half waves an axis: higher ones are left out.
        covariance: of Δ with walls of this kind; by default periodic for a problem that is, else
            neumann.
    """

    correlation_length: Range = (0.2, 0.2)
    smoothness: Range = (2.0, 2.0)
    num_modes: int = 64
    covariance: Literal["periodic", "dirichlet", "neumann"] | None = None

    def __post_init__(self) -> None:
        check_range("field.correlation_length", self.correlation_length, "it is a length")
        reason = "in sides of the square"
        check_limits("field.correlation_length", _LENGTHS, reason, *self.correlation_length)
        check_range("field.smoothness", self.smoothness)
        reason = "up to 1 the values at points have no variance"
        check_limits("field.smoothness", _EXPONENTS, reason, *self.smoothness)
        if not 2 <= self.num_modes <= _MAX_MODES:
            raise InputError(f"field.num_modes must lie in 2 … {_MAX_MODES}, got {self.num_modes}")

    @property
    def ranges(self) -> dict[str, Range]:
        """What is drawn for each sample."""
        return {"correlation_length": self.correlation_length, "smoothness": self.smoothness}

    def check_grid(self, grid: Grid) -> None:
        """Reject a grid that cannot hold all modes.

        Raises:
            InputError: it has fewer points an axis than there are half waves.
        """
        if min(grid.shape) < self.num_modes:
            raise InputError(
                f"field.num_modes={self.num_modes} half waves need at least as many points an axis,"
                f" got num_points={min(grid.shape)}; lower field.num_modes or refine the grid"
            )

    @property
    def num_uniforms(self) -> int:
        """Count the uniform numbers of a field: two ranges, and pairs for normal numbers."""
        return _NUM_RANGES + self.num_modes**2 + self.num_modes**2 % 2

    def draw(self, uniforms: Float[np.ndarray, "B r"], grid: Grid) -> DrawnField:
        """Draw fields at the points of a grid."""
        length = log_uniform(self.correlation_length, uniforms[:, 0])
        alpha = uniform(self.smoothness, uniforms[:, 1])
        (k, _), *_ = waves = [self._waves(grid, axis) for axis in (0, 1)]
        k_squared = (k[:, None] ** 2 + k**2)[None]
        energy = (k_squared + (length**-2)[:, None, None]) ** -alpha[:, None, None]
        energy[k_squared.repeat(len(energy), axis=0) == 0] = 0.0
        energy /= energy.sum(axis=(1, 2), keepdims=True)
        normals = standard_normals(uniforms[:, _NUM_RANGES:])[:, : k_squared.size]
        modes = np.sqrt(energy) * normals.reshape(energy.shape)
        values = waves[0][1].T @ (modes @ waves[1][1])
        return DrawnField(values, {"correlation_length": length, "smoothness": alpha})

    def _waves(
        self, grid: Grid, axis: int
    ) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "m N"]]:
        """Compute |k| and values of the orthonormal eigenfunctions of Δ along an axis."""
        x, M = grid.coordinates()[axis], self.num_modes
        covariance = self.covariance or _covariance(grid)
        if covariance == "periodic":
            k = 2 * np.pi * np.arange((M - 1) // 2 + 1)
            cosines, sines = np.cos(k[:, None] * x), np.sin(k[1:, None] * x)
            k, waves = np.concatenate([k, k[1:]]), np.concatenate([cosines, sines])
        elif covariance == "neumann":
            k = np.pi * np.arange(M)
            waves = np.cos(k[:, None] * x)
        else:
            k = np.pi * np.arange(1, M + 1)
            waves = np.sin(k[:, None] * x)
        return k, np.where(k[:, None] == 0, 1.0, np.sqrt(2)) * waves


def _covariance(grid: Grid) -> Literal["periodic", "neumann"]:
    return "periodic" if grid.is_periodic else "neumann"
