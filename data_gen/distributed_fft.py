"""The real FFT of one N × N field that is spread over all ranks in slabs.

Each rank owns rows of the field and, of its transform, columns. A transform is a local one along
the rows, one all-to-all exchange, and a local one along the columns.
"""

from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
from jaxtyping import Complex, Float

from data_gen.decomposition import shares
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
        num_columns = grid.num_points // 2 + 1
        if comm.size > num_columns:
            raise InputError(
                f"a grid of {grid.num_points} points an axis can be spread over {num_columns} "
                f"ranks, got {comm.size}; use fewer ranks or decomposition: shards"
            )
        self.comm = comm
        self.grid = grid
        self._row_shares = shares(grid.num_points, comm.size)
        self._column_shares = shares(num_columns, comm.size)
        self.rows = self._row_shares[comm.rank]
        self.columns = self._column_shares[comm.rank]

    @property
    def wavenumbers(self) -> Wavenumbers:
        """Wavenumbers of this rank's part of the transform: kx (1, m), ky (N, 1)."""
        kx, ky, kx_squared, ky_squared = self.grid.wavenumbers
        return Wavenumbers(kx[:, self.columns], ky, kx_squared[:, self.columns], ky_squared)

    def forward(self, u: Float[np.ndarray, "n N"]) -> Complex[np.ndarray, "N m"]:
        """Transform this rank's rows of the field into its columns of the transform."""
        rows = scipy.fft.rfft(u, axis=1, norm="forward")
        return scipy.fft.fft(self._rows_to_columns(rows), axis=0, norm="forward", overwrite_x=True)

    def backward(self, u_hat: Complex[np.ndarray, "N m"]) -> Float[np.ndarray, "n N"]:
        """Transform this rank's columns of the transform into its rows of the field."""
        rows = self._columns_to_rows(scipy.fft.ifft(u_hat, axis=0, norm="forward"))
        return scipy.fft.irfft(rows, self.grid.num_points, axis=1, norm="forward", overwrite_x=True)

    def energy(self, u_hat: Complex[np.ndarray, "N m"]) -> float:
        """Compute the mean square of the whole field (all columns but own mirrors count twice)."""
        column = np.arange(self.grid.num_points // 2 + 1)[self.columns]
        is_own_mirror = (column == 0) | (2 * column == self.grid.num_points)
        weights = np.where(is_own_mirror, 1.0, 2.0)
        return self.sum(((u_hat.real**2 + u_hat.imag**2) * weights).sum(axis=0))

    def sum(self, numbers: Float[np.ndarray, " n"]) -> float:
        """Add a number for each row, or each column, in an order that ranks do not change."""
        return float(np.concatenate(self.comm.allgather(numbers)).sum())

    def largest(self, numbers: Float[np.ndarray, " B"]) -> Float[np.ndarray, " B"]:
        """Take the elementwise maximum over all ranks."""
        return np.max(self.comm.allgather(numbers), axis=0)

    def _rows_to_columns(self, rows: Complex[np.ndarray, "n M"]) -> Complex[np.ndarray, "N m"]:
        columns = np.empty((self.grid.num_points, _length(self.columns)), np.complex128)
        blocks = np.concatenate([rows[:, share].ravel() for share in self._column_shares])
        self.comm.Alltoallv(
            [blocks, [len(rows) * _length(share) for share in self._column_shares]],
            [columns, [_length(share) * columns.shape[1] for share in self._row_shares]],
        )
        return columns  # the ranks' blocks of rows lie below each other

    def _columns_to_rows(self, columns: Complex[np.ndarray, "N m"]) -> Complex[np.ndarray, "n M"]:
        num_rows = _length(self.rows)
        counts = [num_rows * _length(share) for share in self._column_shares]
        blocks = np.empty(sum(counts), np.complex128)
        self.comm.Alltoallv(
            [columns, [_length(share) * columns.shape[1] for share in self._row_shares]],
            [blocks, counts],
        )
        received = np.split(blocks, np.cumsum(counts)[:-1])
        return np.concatenate([block.reshape(num_rows, -1) for block in received], axis=1)


def _length(share: slice) -> int:
    return share.stop - share.start
