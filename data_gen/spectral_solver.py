"""Solve Lu = f in Fourier space, with the modes that carry energy only.

A source of Gaussians of standard deviation σ has no energy to speak of beyond |k| = 2π/σ, so a few
of the N/2 modes an axis suffice, and transforms of few modes are fastest as matrix products.
Every product is made sample by sample (a stack of equal products), so the bits of a sample do not
depend on which samples are computed with it.
"""

from functools import cached_property

import numpy as np
from jaxtyping import Complex, Float, Shaped

from lightning_sciml.errors import InputError
from lightning_sciml.pde.equations import Equation
from lightning_sciml.pde.grid import PeriodicGrid, Wavenumbers


class TruncatedTransform:
    """Real fields on the grid ↔ Fourier coefficients with |kx|, |ky| ≤ 2πM.

    Coefficients û are those of u(x) = Σ û(k) exp(i k·x), laid out [±ky, kx] with kx = 0 … M and
    rows ky = 0 … M, then ky = -0 … -M. The mode ky = 0 (and for M = N/2 the Nyquist mode) is its
    own mirror: it stands in both halves with half its value, so all rows are treated alike.
    With E = û(ky) + û(-ky) and O = i (û(ky) - û(-ky)), a column is Σ E cos(ky y) + O sin(ky y).

    Args:
        grid: N × N points.
        num_modes: M ≤ N/2.
    """

    def __init__(self, grid: PeriodicGrid, num_modes: int) -> None:
        if not 0 < num_modes <= grid.num_points // 2:
            raise InputError(
                f"num_modes must lie in 1 … num_points/2 = {grid.num_points // 2}, "
                f"got {num_modes}; lower num_modes or refine the grid"
            )
        self.grid = grid
        self.num_modes = num_modes
        modes = np.arange(num_modes + 1)
        self._is_own_mirror = (modes == 0) | (2 * modes == grid.num_points)
        phase = 2 * np.pi * ((modes[:, None] * np.arange(grid.num_points)) % grid.num_points)
        self._cosine = np.cos(phase / grid.num_points)
        self._sine = np.sin(phase / grid.num_points)

    @cached_property
    def wavenumbers(self) -> Wavenumbers:
        """Angular wavenumbers in the layout of the coefficients: kx (1, M+1), ky (2M+2, 1)."""
        modes = np.arange(self.num_modes + 1)
        rows = np.concatenate([modes, -modes])
        kx, ky, kx_squared, ky_squared = self.grid.wavenumbers
        return Wavenumbers(kx[:, modes], ky[rows], kx_squared[:, modes], ky_squared[rows])

    @cached_property
    def energy_weights(self) -> Float[np.ndarray, "K2 K"]:
        """The mean square of a field is Σ weights |û|² (Parseval)."""
        rows = np.where(self._is_own_mirror, 2.0, 1.0)
        columns = np.where(self._is_own_mirror, 1.0, 2.0)
        return np.concatenate([rows, rows])[:, None] * columns

    def energy(self, u_hat: Shaped[np.ndarray, "B K2 K"]) -> Float[np.ndarray, " B"]:
        """Mean square over the unit square of the kept part of the field."""
        squares = (u_hat.real**2 + u_hat.imag**2) * self.energy_weights
        return squares.reshape(len(u_hat), -1).sum(axis=1)

    def mean(self, u_hat: Complex[np.ndarray, "B K2 K"]) -> Float[np.ndarray, " B"]:
        """Mean over the unit square: û(0), of which each half of the rows holds one half."""
        return 2 * u_hat[:, 0, 0].real

    @cached_property
    def analysis_y(self) -> Float[np.ndarray, "K2 N"]:
        """Rows [cos; sin] that give [E; O] of the samples of a function of y."""
        scale = np.where(self._is_own_mirror, 1.0, 2.0)[:, None] / self.grid.num_points
        return np.concatenate([scale * self._cosine, scale * self._sine])

    @cached_property
    def analysis_x(self) -> Float[np.ndarray, "N 2K"]:
        """Columns cos, -sin in turn: real and imaginary part of a complex coefficient."""
        return _interleaved(self._cosine, -self._sine).T / self.grid.num_points

    @cached_property
    def _synthesis_x(self) -> Float[np.ndarray, "2K N"]:
        weight = np.where(self._is_own_mirror, 1.0, 2.0)[:, None]
        return _interleaved(weight * self._cosine, -weight * self._sine)

    @cached_property
    def _half_cosine_y(self) -> Float[np.ndarray, "H K"]:
        return np.ascontiguousarray(self._cosine[:, : self.grid.num_points // 2 + 1].T)

    @cached_property
    def _half_sine_y(self) -> Float[np.ndarray, "H K"]:
        return np.ascontiguousarray(self._sine[:, : self.grid.num_points // 2 + 1].T)

    def inverse(self, u_hat: Complex[np.ndarray, "B K2 K"]) -> Float[np.ndarray, "B N N"]:
        """The field of the coefficients, on the grid."""
        half = self.num_modes + 1
        even_odd = np.empty_like(u_hat)
        np.add(u_hat[:, :half], u_hat[:, half:], out=even_odd[:, :half])
        np.subtract(u_hat[:, :half], u_hat[:, half:], out=even_odd[:, half:])
        even_odd[:, half:] *= 1j
        rows = np.matmul(even_odd.view(np.float64), self._synthesis_x)
        even = np.matmul(self._half_cosine_y, rows[:, :half])
        odd = np.matmul(self._half_sine_y, rows[:, half:])
        return _unfold(even, odd, self.grid.num_points)

    def forward(self, u: Float[np.ndarray, "B N N"]) -> Complex[np.ndarray, "B K2 K"]:
        """The kept coefficients of a field on the grid."""
        half = self.num_modes + 1
        even, odd = _fold(u)
        columns = np.empty((len(u), 2 * half, self.grid.num_points))
        folded = even.shape[1]
        np.matmul(self.analysis_y[:half, :folded], even, out=columns[:, :half])
        np.matmul(self.analysis_y[half:, :folded], odd, out=columns[:, half:])
        return self.from_even_odd(np.matmul(columns, self.analysis_x).view(np.complex128))

    def from_even_odd(
        self, even_odd: Complex[np.ndarray, "B K2 K"]
    ) -> Complex[np.ndarray, "B K2 K"]:
        """û(±ky) = (E ∓ i O) / 2 from rows [E; O]."""
        half = self.num_modes + 1
        even, odd = 0.5 * even_odd[:, :half], 0.5j * even_odd[:, half:]
        u_hat = np.empty_like(even_odd)
        np.subtract(even, odd, out=u_hat[:, :half])
        np.add(even, odd, out=u_hat[:, half:])
        return u_hat


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
        """L(k) of the kept modes; 1 in place of 0 at k = 0 where the mean of u is free."""
        symbol = self.equation.symbol(coefficients, self.transform.wavenumbers)
        if self.equation.fixes_mean:
            symbol[:, self._zero_rows, 0] = 1.0  # f̂(0) = 0, so û(0) = 0
        return symbol

    @property
    def _zero_rows(self) -> list[int]:
        return [0, self.transform.num_modes + 1]

    def without_free_mean(
        self, f_hat: Complex[np.ndarray, "B K2 K"]
    ) -> Complex[np.ndarray, "B K2 K"]:
        """Set f̂(0) = 0, in place, where the equation asks for ∫f = 0."""
        if self.equation.fixes_mean:
            f_hat[:, self._zero_rows, 0] = 0.0
        return f_hat

    def solve(
        self, source: Float[np.ndarray, "B N N"], coefficients: Float[np.ndarray, "B c"]
    ) -> Float[np.ndarray, "B N N"]:
        """The solution on the grid for a source on the grid, of which the kept modes are used."""
        f_hat = self.without_free_mean(self.transform.forward(source))
        return self.transform.inverse(f_hat / self.symbol(coefficients))


def _interleaved(
    first: Float[np.ndarray, "K N"], second: Float[np.ndarray, "K N"]
) -> Float[np.ndarray, "2K N"]:
    """Rows first[0], second[0], first[1], …: the memory layout of complex numbers."""
    return np.stack([first, second], axis=1).reshape(-1, first.shape[-1])


def _unfold(
    even: Float[np.ndarray, "B H N"], odd: Float[np.ndarray, "B H N"], num_points: int
) -> Float[np.ndarray, "B N N"]:
    """u(y) = even + odd and u(-y) = even - odd from the rows 0 ≤ y ≤ ½."""
    u = np.empty((len(even), num_points, num_points))
    half = even.shape[1]
    mirrored = slice(1, num_points - half + 1)
    np.add(even, odd, out=u[:, :half])
    np.subtract(even[:, mirrored], odd[:, mirrored], out=u[:, : half - 1 : -1])
    return u


def _fold(
    u: Float[np.ndarray, "B N N"],
) -> tuple[Float[np.ndarray, "B H N"], Float[np.ndarray, "B H N"]]:
    """u(y) + u(-y) and u(y) - u(-y) for 0 ≤ y ≤ ½; a row that is its own mirror counts once."""
    num_points = u.shape[1]
    half = num_points // 2 + 1
    even, odd = u[:, :half].copy(), u[:, :half].copy()
    mirrored = slice(1, num_points - half + 1)
    even[:, mirrored] += u[:, : half - 1 : -1]
    odd[:, mirrored] -= u[:, : half - 1 : -1]
    return even, odd
