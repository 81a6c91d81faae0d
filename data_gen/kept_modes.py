"""The modes of a periodic grid that evolution equations are integrated in, and their layout."""

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
from jaxtyping import Bool, Complex, Float, Shaped
from scipy.fft import next_fast_len

from data_gen.fourier_library import LANES
from data_gen.state_modes import check_points
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid, Wavenumbers

Precision = Literal["float64", "float32"]


class KeptModes(ABC):
    """The modes |ky| ≤ K_y, 0 ≤ kx ≤ K_x of real fields, and grids that they are evaluated on.

    Rows of modes are ky = 0 … K_y, an unused one, and -K_y … -1: as two halves (2, K_y + 1), they
    lie at both ends of the M_y rows of a transform. Products of `degree` fields are free of aliases
    in these modes if M ≥ (degree + 1) K + 1. One process may hold some columns kx of the modes, and
    some rows y of the grids.

    Args:
        grid: of the modes; N points an axis have K = (N - 1) // 2 modes below Nyquist.
        degree: of the products; 1 without products.
        stored: grid of the states, if it is a finer one of the same sides.
        precision: of all numbers.

    Attributes:
        max_modes: (K_y, K_x).
        real_dtype: of fields.
        complex_dtype: of modes.
        shape: points (M_y, M_x) of the grid of products.
        columns: of the modes, that this process holds.
        points_shape: of its part of the grid of products.
        stored_shape: of its part of the stored grid.

    Raises:
        InputError: the grid has walls or too few points, or more of them than that of the states.
    """

    def __init__(
        self,
        grid: Grid,
        degree: int,
        *,
        stored: Grid | None = None,
        precision: Precision = "float64",
    ) -> None:
        if not grid.is_periodic or min(grid.shape) < 3:
            raise InputError(
                "evolution equations need a periodic grid of at least 3 points an axis, "
                f"got {grid.shape} with {grid.boundary}"
            )
        self.grid, self.stored_grid = grid, stored or grid
        if any(finer < N for N, finer in zip(grid.shape, self.stored_grid.shape, strict=True)):
            raise InputError(
                f"states on {self.stored_grid.shape} points are computed on as many or fewer, got "
                f"{grid.shape}; lower num_points"
            )
        self.real_dtype = np.dtype(precision)
        self.complex_dtype = np.result_type(self.real_dtype, np.complex64)
        self.max_modes = tuple((N - 1) // 2 for N in grid.shape)
        self.shape = self.points_shape = dealiased_shape(grid, degree)
        self.stored_shape = self.stored_grid.shape
        self.columns = slice(0, self.max_modes[1] + 1)

    @abstractmethod
    def inverse(
        self, u_hat: Complex[np.ndarray, "B 2 R K"], out: Float[np.ndarray, "B M M2"]
    ) -> None:
        """Evaluate fields, whose unused row is zero, on the grid of products."""

    @abstractmethod
    def forward(self, u: Float[np.ndarray, "B M M2"], out: Complex[np.ndarray, "B 2 R K"]) -> None:
        """Compute M_y M_x times the modes of fields on the grid of products.

        What stands in the unused row has no meaning.
        """

    @abstractmethod
    def from_states(
        self, states: Float[np.ndarray, "B H W"], out: Complex[np.ndarray, "B 2 R K"]
    ) -> None:
        """Compute the modes below Nyquist of fields on the stored grid."""

    @abstractmethod
    def to_states(
        self, u_hat: Complex[np.ndarray, "B 2 R K"], out: Float[np.ndarray, "B H W"]
    ) -> None:
        """Evaluate fields on the stored grid."""

    @property
    def modes_shape(self) -> tuple[int, int, int]:
        """Shape of the modes of one field as halves, (2, K_y + 1, columns)."""
        return 2, self.max_modes[0] + 1, self.columns.stop - self.columns.start

    @property
    def is_kept(self) -> Bool[np.ndarray, "R 1"]:
        """False for the unused row."""
        K = self.max_modes[0]
        return (np.arange(2 * K + 2) != K + 1)[:, None]

    @property
    def all_waves(self) -> Wavenumbers:
        """Angular wavenumbers of all rows and columns, in the unit of the lengths.

        They are zero in the unused row.
        """
        (K_y, K_x), (y_length, x_length) = self.max_modes, self.grid.lengths
        rows = np.concatenate([np.arange(K_y + 1), [0], np.arange(-K_y, 0)])[:, None]
        ky = 2 * np.pi / y_length * rows
        kx = 2 * np.pi / x_length * np.arange(K_x + 1)[None, :]
        return Wavenumbers(kx, ky, kx**2, ky**2)

    @property
    def waves(self) -> Wavenumbers:
        """Angular wavenumbers of all rows and the columns of this process."""
        kx, ky, kx_squared, ky_squared = self.all_waves
        return Wavenumbers(kx[:, self.columns], ky, kx_squared[:, self.columns], ky_squared)

    def halves(self, values: Shaped[np.ndarray, "*B R K"]) -> Shaped[np.ndarray, "*B 2 R2 K"]:
        """View values of all rows, or one for all, as two halves."""
        if values.shape[-2] == 1:
            return values[..., None, :, :]
        return values.reshape(*values.shape[:-2], 2, -1, values.shape[-1])

    def fields_first(
        self, values: Shaped[np.ndarray, "B F R K"]
    ) -> Shaped[np.ndarray, "F B 2 R2 K"]:
        """Copy values of all rows to the order of ``modes``."""
        return self.halves(np.ascontiguousarray(np.moveaxis(values, 1, 0)))

    def put_modes(
        self, few: Complex[np.ndarray, "B R2 K2"], out: Complex[np.ndarray, "B 2 R K"]
    ) -> None:
        """Copy modes in the layout of ``state_modes``; all others are zero.

        Raises:
            InputError: the grid does not have them.
        """
        M, (first, K_y) = few.shape[-1] - 1, (self.columns.start, self.max_modes[0])
        check_points(M, self.grid.shape)
        own = few[..., first : self.columns.stop]
        out[:] = 0.0
        out[:, 0, : M + 1, : own.shape[-1]] = own[:, : M + 1]
        out[:, 1, K_y + 1 - M :, : own.shape[-1]] = own[:, M + 1 :]

    def make_real(self, u_hat: Complex[np.ndarray, "*F 2 R K"]) -> None:
        """Keep û(-ky) conjugate to û(ky) at kx = 0.

        The transform reads only this part of a column; where L grows, rounding would let the other
        part grow, unseen, to overflow.
        """
        if self.columns.start > 0:
            return
        upper, lower = u_hat[..., 0, 1:, 0], u_hat[..., 1, :0:-1, 0]
        upper[:] = (upper + lower.conj()) / 2
        lower[:] = upper.conj()
        u_hat[..., 0, 0, 0].imag = 0.0


def dealiased_shape(grid: Grid, degree: int) -> tuple[int, int]:
    """Count the points (M_y, M_x) of a grid for products of `degree` fields.

    They are multiples of 8 and fast to transform: lines fill whole vectors of numbers.
    """
    least = ((degree + 1) * ((N - 1) // 2) + 1 for N in grid.shape)
    M_y, M_x = (LANES * next_fast_len(-(-M // LANES), real=True) for M in least)
    return M_y, M_x
