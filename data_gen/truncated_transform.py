"""Fourier transforms of real fields that keep few modes, as products with small matrices.

A source of Gaussians has energy in a quarter of the modes of its grid. For so few, matrix products
are as fast as the FFT, need no padding, and run at the full speed of BLAS for every N.
Every product is made sample by sample (a stack of equal products), so the bits of a sample do not
depend on which samples are transformed with it.
"""

from functools import cached_property

import numpy as np
from jaxtyping import Bool, Complex, Float

from data_gen.mode_transform import ModeTransform
from data_gen.parities import Parities
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import PeriodicGrid, Wavenumbers
from lightning_sciml.pde.walls import PERIODIC


class TruncatedTransform(ModeTransform):
    """Real fields on the grid ↔ Fourier coefficients with |kx|, |ky| ≤ 2πM.

    Coefficients û are those of u(x) = Σ û(k) exp(i k·x), laid out [±ky, kx]: columns kx = 0 … M,
    rows ky = 0 … M and then ky = -0 … -M. A row that is its own mirror (ky = 0, and for M = N/2 the
    Nyquist row) stands in both halves with half its value, so all rows are treated alike.

    With p = û(ky), q = û(-ky) and w = 1 where kx is its own mirror, else 2,

        u(y, x) = Σ cos(ky y) Re Σ w (p + q) exp(i kx x) + sin(ky y) Re Σ w i (p - q) exp(i kx x).

    Args:
        grid: N × N points.
        num_modes: M ≤ N/2.

    Raises:
        InputError: the grid does not have the modes.
    """

    def __init__(self, grid: PeriodicGrid, num_modes: int) -> None:
        if not 0 < num_modes <= grid.num_points // 2:
            raise InputError(
                f"num_modes must lie in 1 … num_points/2 = {grid.num_points // 2}, "
                f"got {num_modes}; lower num_modes or refine the grid"
            )
        super().__init__(grid.num_points, num_modes, PERIODIC)
        self.grid = grid
        wave = _waves(grid.num_points, num_modes)
        weight = self.column_weights[:, None]
        upper = grid.num_points // 2 + 1  # points with 0 ≤ y ≤ ½; the others mirror them
        self._synthesis_y = [part[:, :upper].T.copy() for part in (wave.real, wave.imag)]
        self._analysis_y = [weight * part / grid.num_points for part in (wave.real, wave.imag)]
        # for the cosines of y, and for the sines, whose coefficients are turned by i
        self._synthesis_x = [_alternating((weight * turn * wave).conj()) for turn in (1, 1j)]
        self._analysis_x = [
            _alternating(turn * wave.conj() / (2 * grid.num_points)).T.copy() for turn in (1, 1j)
        ]

    @cached_property
    def _parts(self) -> Complex[np.ndarray, "b K2 K"]:
        return np.empty((self._chunk_size, *self.shape), np.complex128)

    @cached_property
    def _rows(self) -> Float[np.ndarray, "b K2 N"]:
        return np.empty((self._chunk_size, self.shape[0], self.grid.num_points))

    @property
    def zero_rows(self) -> list[int]:
        """List the two rows with ky = 0."""
        return [0, self.num_modes + 1]

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the coefficients of one field: (2M+2, M+1)."""
        return 2 * (self.num_modes + 1), self.num_modes + 1

    @property
    def _is_own_mirror(self) -> Bool[np.ndarray, " K"]:
        """Where k and -k are one mode: k = 0 and, for even N, the Nyquist mode."""
        modes = np.arange(self.num_modes + 1)
        return (modes == 0) | (2 * modes == self.grid.num_points)

    @cached_property
    def wavenumbers(self) -> Wavenumbers:
        """Angular wavenumbers in the layout of the coefficients: kx (1, M+1), ky (2M+2, 1)."""
        columns = np.arange(self.num_modes + 1)
        rows = np.concatenate([columns, -columns])
        kx, ky, kx_squared, ky_squared = self.grid.wavenumbers
        return Wavenumbers(kx[:, columns], ky[rows], kx_squared[:, columns], ky_squared[rows])

    @cached_property
    def column_weights(self) -> Float[np.ndarray, " K"]:
        """Weight of each column: 2, for its mirror, too, unless it is its own."""
        return np.where(self._is_own_mirror, 1.0, 2.0)

    @cached_property
    def energy_weights(self) -> Float[np.ndarray, "K2 K"]:
        """The mean square of a field is Σ weights |û|² (Parseval)."""
        rows = np.where(self._is_own_mirror, 2.0, 1.0)
        return np.concatenate([rows, rows])[:, None] * self.column_weights

    def energy(self, u_hat: Complex[np.ndarray, "B K2 K"]) -> Float[np.ndarray, " B"]:
        """Compute the mean square over the unit square of the kept part of the field."""
        parts = u_hat.reshape(len(u_hat), -1).view(np.float64)
        return np.matmul((parts * parts)[:, None], self._energy_weights_of_parts)[:, 0, 0]

    @cached_property
    def _energy_weights_of_parts(self) -> Float[np.ndarray, "k 1"]:
        return np.repeat(self.energy_weights.ravel(), 2)[:, None]

    def mean(self, u_hat: Complex[np.ndarray, "B K2 K"]) -> Float[np.ndarray, " B"]:
        """Read the mean, û(0), of which each half of the rows holds one half."""
        return 2 * u_hat[:, 0, 0].real

    def forward(self, u: Float[np.ndarray, "B N N"]) -> Complex[np.ndarray, "B K2 K"]:
        """Compute the kept coefficients of a field on the grid."""
        u_hat = np.empty((len(u), *self.shape), np.complex128)
        cosines, sines = self._analysis_y
        self._combine(cosines @ u @ self._analysis_x[0], sines @ u @ self._analysis_x[1], out=u_hat)
        return u_hat

    def parities(self, u_hat: Complex[np.ndarray, "b K2 K"]) -> Parities:
        """Evaluate the field of a chunk's coefficients, in memory that the next chunk takes."""
        half = self.num_modes + 1
        p, q = u_hat[:, :half], u_hat[:, half:]
        parts, rows = self._parts[: len(p)], self._rows[: len(p)]
        u = self._parities._replace(values=self._parities.values[: len(p)])
        np.add(p, q, out=parts[:, :half])
        np.subtract(p, q, out=parts[:, half:])
        real_parts = parts.view(np.float64)
        np.matmul(real_parts[:, :half], self._synthesis_x[0], out=rows[:, :half])
        np.matmul(real_parts[:, half:], self._synthesis_x[1], out=rows[:, half:])
        np.matmul(self._synthesis_y[0], rows[:, :half], out=u.even)
        np.matmul(self._synthesis_y[1], rows[:, half:], out=u.odd)
        return u

    def of_products(
        self, factors: Float[np.ndarray, "B n n"], profiles: Float[np.ndarray, "n N"]
    ) -> Complex[np.ndarray, "B K2 K"]:
        """Compute the kept coefficients of f = AᵀPA, profiles A and factors P, without making f."""
        f_hat = np.empty((len(factors), *self.shape), np.complex128)
        cosines, sines = (analysis @ profiles.T for analysis in self._analysis_y)
        self._combine(
            cosines @ (factors @ (profiles @ self._analysis_x[0])),
            sines @ (factors @ (profiles @ self._analysis_x[1])),
            out=f_hat,
        )
        return f_hat

    def _adjoint_of_modes(self, w: Float[np.ndarray, "N N"]) -> Float[np.ndarray, " k"]:
        columns = np.arange(self.num_modes + 1)
        w_hat = np.fft.rfft2(w)[np.concatenate([columns, -columns])][:, columns]
        w_hat *= self.column_weights
        return w_hat.ravel().view(np.float64)

    @staticmethod
    def _combine(
        even: Float[np.ndarray, "B K 2K"],
        odd: Float[np.ndarray, "B K 2K"],
        out: Complex[np.ndarray, "B K2 K"],
    ) -> None:
        """Compute p and q from (p + q)/2 and (p - q)/-2: alternating real and imaginary parts."""
        half = even.shape[1]
        parts = out.view(np.float64)
        np.subtract(even, odd, out=parts[:, :half])
        np.add(even, odd, out=parts[:, half:])


def _waves(num_points: int, num_modes: int) -> Complex[np.ndarray, "K N"]:
    """exp(2πi m x) on the grid; the phase is reduced in integers, where that is exact."""
    turns = np.outer(np.arange(num_modes + 1), np.arange(num_points)) % num_points / num_points
    return np.exp(2j * np.pi * turns)


def _alternating(waves: Complex[np.ndarray, "K N"]) -> Float[np.ndarray, "2K N"]:
    """Real and imaginary parts as alternating rows: the memory layout of complex numbers."""
    return np.stack([waves.real, waves.imag], axis=1).reshape(-1, waves.shape[-1])
