"""Sine and cosine transforms of fields between walls that keep few modes, as matrix products.

The points are cell centres x_j = (j + ½)/N, so these are the DST-II (walls with u = 0) and the
DCT-II (walls with ∂u/∂n = 0). As of the periodic transform, products with small matrices are as
fast as fast transforms for the modes of Gaussians, and exact to round-off for every N.
"""

from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float

from data_gen.mode_transform import ModeTransform
from data_gen.parities import Parities
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Wavenumbers
from lightning_sciml.pde.walls import continued, eigenmodes, highest_mode

Walls = Literal["dirichlet", "neumann"]


class WalledTransform(ModeTransform):
    """Real fields between walls ↔ coefficients of u(y, x) = Σ û[m, n] b_m(y) b_n(x).

    b_m(x) = sin πmx, m = 1 … M, between walls with u = 0; cos πmx, m = 0 … M, between walls with
    ∂u/∂n = 0. Every other one, from the first on, is even about the middle, the rest are odd.

    Args:
        num_points: N, cells an axis.
        num_modes: M ≤ N of sines, ≤ N-1 of cosines.
        walls: their kind, on all sides.

    Raises:
        InputError: the grid does not have the modes.
    """

    def __init__(self, num_points: int, num_modes: int, walls: Walls) -> None:
        most = highest_mode(num_points, walls)
        if not 0 < num_modes <= most:
            raise InputError(
                f"num_modes must lie in 1 … {most} between {walls} walls of {num_points} points, "
                f"got {num_modes}; lower num_modes or refine the grid"
            )
        super().__init__(num_points, num_modes, (walls, walls))
        wave = _waves(num_points, num_modes, walls)
        upper = (num_points + 1) // 2  # points with y ≤ ½; the others mirror them
        self._synthesis_x = wave
        self._synthesis_y = [wave[parity::2, :upper].T.copy() for parity in (0, 1)]
        self._analysis = wave / (num_points * self._mean_squares[:, None])

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the coefficients of one field."""
        return (len(self._mean_squares),) * 2

    @cached_property
    def _mean_squares(self) -> Float[np.ndarray, " K"]:
        """Mean of b² over the grid: ½, and 1 of the constant and of the wave (-1)^j."""
        modes = np.arange(self.boundary[0] == "dirichlet", self.num_modes + 1)
        return np.where((modes == 0) | (modes == self.num_points), 1.0, 0.5)

    @cached_property
    def _rows(self) -> Float[np.ndarray, "b K N"]:
        return np.empty((self._chunk_size, self.shape[0], self.num_points))

    @cached_property
    def wavenumbers(self) -> Wavenumbers:
        """Return (πm)² for even powers of k; odd ones are zero."""
        kx, ky, kx_squared, ky_squared = eigenmodes(self.num_points, self.boundary)
        K = self.shape[0]
        return Wavenumbers(kx[:, :K], ky[:K], kx_squared[:, :K], ky_squared[:K])

    @property
    def zero_rows(self) -> list[int]:
        """List the row of the constant; none between walls with u = 0."""
        return [0] if self.boundary[0] == "neumann" else []

    @cached_property
    def energy_weights(self) -> Float[np.ndarray, "K K"]:
        """Return the weights with Σ weights û² = mean square of the field."""
        return np.outer(self._mean_squares, self._mean_squares)

    def energy(self, u_hat: Float[np.ndarray, "B K K"]) -> Float[np.ndarray, " B"]:
        """Compute the mean square over the unit square of the kept part of the field."""
        squares = (u_hat * u_hat).reshape(len(u_hat), 1, -1)
        return np.matmul(squares, self.energy_weights.reshape(-1, 1))[:, 0, 0]

    def mean(self, u_hat: Float[np.ndarray, "B K K"]) -> Float[np.ndarray, " B"]:
        """Compute the mean over the grid: û[0, 0] of cosines, a sum over odd m of sines."""
        means = self._synthesis_x.mean(axis=1)
        return np.matmul(np.matmul(u_hat, means)[:, None], means)[:, 0]

    def forward(self, u: Float[np.ndarray, "B N N"]) -> Float[np.ndarray, "B K K"]:
        """Compute the kept coefficients of a field on the grid."""
        return self._analysis @ u @ self._analysis.T

    def parities(self, u_hat: Float[np.ndarray, "b K K"]) -> Parities:
        """Evaluate the field of a chunk's coefficients, in memory that the next chunk takes."""
        rows = self._rows[: len(u_hat)]
        u = self._parities._replace(values=self._parities.values[: len(u_hat)])
        np.matmul(u_hat, self._synthesis_x, out=rows)
        np.matmul(self._synthesis_y[0], rows[:, 0::2], out=u.even)
        np.matmul(self._synthesis_y[1], rows[:, 1::2], out=u.odd)
        return u

    def of_products(
        self, factors: Float[np.ndarray, "B n n"], profiles: Float[np.ndarray, "n N"]
    ) -> Float[np.ndarray, "B K K"]:
        """Compute the kept coefficients of f = AᵀPA, profiles A and factors P, without making f."""
        of_profiles = self._analysis @ profiles.T
        return of_profiles @ (factors @ of_profiles.T)

    def _adjoint_of_modes(self, w: Float[np.ndarray, "N N"]) -> Float[np.ndarray, " k"]:
        return self._sums(self._sums(w).T).T.ravel()

    def _sums(self, w: Float[np.ndarray, "n N"]) -> Float[np.ndarray, "n K"]:
        """Compute Σ w b_m over the points of each row, from the FFT of one period."""
        is_odd = self.boundary[0] == "dirichlet"
        modes = np.arange(is_odd, self.num_modes + 1)
        w_hat = np.fft.rfft(continued(w, ("periodic", self.boundary[1])))[:, modes]
        w_hat *= np.exp(-0.5j * np.pi / self.num_points * modes)  # points lie half a cell further
        return -w_hat.imag / 2 if is_odd else w_hat.real / 2


def _waves(num_points: int, num_modes: int, walls: Walls) -> Float[np.ndarray, "K N"]:
    """Evaluate b_m at the cell centres; the phase is reduced in integers, where that is exact."""
    modes = np.arange(walls == "dirichlet", num_modes + 1)
    quarter = num_points  # of a period, in steps of half a cell
    turns = np.outer(modes, 2 * np.arange(num_points) + 1) + (quarter if walls == "neumann" else 0)
    turns = (turns + quarter) % (4 * quarter) - quarter  # in [-quarter, 3 quarter)
    turns = np.where(turns > quarter, 2 * quarter - turns, turns)  # sin(π - φ) = sin φ
    return np.sin(np.pi * turns / (2 * quarter))
