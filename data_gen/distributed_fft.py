"""The real FFT of one N × N field that is spread over all ranks in slabs.

Each rank owns rows of the field and, of its transform, columns. A transform is a local one along
the rows, one all-to-all exchange, and a local one along the columns.
"""

from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
from jaxtyping import Complex, Float

from data_gen.slab_exchange import SlabExchange
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import PeriodicGrid, Wavenumbers

if TYPE_CHECKING:
    from mpi4py.MPI import Comm


class DistributedFFT:
    """``rfft2`` over the ranks of a communicator; forward is divided by N², as û of Σ û exp(i k·x).

    Args:
        comm: the ranks.
        grid: N × N points.

    Raises:
        InputError: more ranks than columns of the transform.
    """

    def __init__(self, comm: "Comm", grid: PeriodicGrid) -> None:
        shape = grid.num_points, grid.num_points // 2 + 1
        if comm.size > shape[1]:
            raise InputError(
                f"a grid of {grid.num_points} points an axis can be spread over {shape[1]} "
                f"ranks, got {comm.size}; use fewer ranks or decomposition: shards"
            )
        self.comm = comm
        self.grid = grid
        self.exchange = SlabExchange(comm, shape)
        self.rows, self.columns = self.exchange.rows, self.exchange.columns

    @property
    def wavenumbers(self) -> Wavenumbers:
        """Wavenumbers of this rank's part of the transform: kx (1, m), ky (N, 1)."""
        kx, ky, kx_squared, ky_squared = self.grid.wavenumbers
        return Wavenumbers(kx[:, self.columns], ky, kx_squared[:, self.columns], ky_squared)

    def forward(self, u: Float[np.ndarray, "n N"]) -> Complex[np.ndarray, "N m"]:
        """Transform this rank's rows of the field into its columns of the transform."""
        all_columns = scipy.fft.rfft(u, axis=1, norm="forward")
        rows = np.empty(self.exchange.rows_size, np.complex128)
        for share, block in self.exchange.blocks(rows):
            block[:] = all_columns[:, share]
        columns = np.empty(self.exchange.columns_shape, np.complex128)
        self.exchange.to_columns(rows, columns)
        return scipy.fft.fft(columns, axis=0, norm="forward", overwrite_x=True)

    def backward(self, u_hat: Complex[np.ndarray, "N m"]) -> Float[np.ndarray, "n N"]:
        """Transform this rank's columns of the transform into its rows of the field."""
        rows = np.empty(self.exchange.rows_size, np.complex128)
        self.exchange.to_rows(scipy.fft.ifft(u_hat, axis=0, norm="forward"), rows)
        all_columns = np.concatenate([block for _, block in self.exchange.blocks(rows)], axis=1)
        return scipy.fft.irfft(
            all_columns, self.grid.num_points, axis=1, norm="forward", overwrite_x=True
        )

    def energy(self, u_hat: Complex[np.ndarray, "N m"]) -> float:
        """Compute the mean square of the whole field (all columns but own mirrors count twice)."""
        column = np.arange(self.grid.num_points // 2 + 1)[self.columns]
        is_own_mirror = (column == 0) | (2 * column == self.grid.num_points)
        weights = np.where(is_own_mirror, 1.0, 2.0)
        of_columns = ((u_hat.real**2 + u_hat.imag**2) * weights).sum(axis=0)
        return float(self.exchange.sum(of_columns))
