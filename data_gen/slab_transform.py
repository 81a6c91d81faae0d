"""Dealiased transforms of one field that is spread over all ranks in slabs.

Each rank owns columns kx of the modes and rows y of the grid. Only kept modes are exchanged: they
are padded with zeros along y before, and along x after. Every line is transformed by one rank, as
``DealiasedTransform`` does: both have the same bits, on any number of ranks.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Complex, Float

from data_gen.fourier_library import LANES, LIBRARIES
from data_gen.kept_modes import KeptModes
from data_gen.slab_exchange import SlabExchange, length
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

_CHUNK = 4 * LANES  # lines transformed at a time: the padded ones stay in the cache
Modes = Complex[np.ndarray, "2 R K"]


class SlabTransform(KeptModes):
    """One real field on M_y × M_x points ↔ its modes |ky| ≤ K_y, 0 ≤ kx ≤ K_x, over all ranks.

    Args:
        comm: the ranks.
        grid: of the stored states.
        degree: of the products; 1 without products.
        library: of ``LIBRARIES``.

    Attributes:
        stored: the transform to the stored grid.

    Raises:
        InputError: the grid has walls or too few points for the ranks, or the library is missing.
    """

    def __init__(self, comm: "Comm", grid: Grid, degree: int, library: str = "numpy") -> None:
        super().__init__(grid, degree)
        num_shares = -(-(self.max_modes[1] + 1) // LANES)
        if comm.size > num_shares:
            raise InputError(
                f"a grid of {grid.shape} points can be spread over {num_shares} ranks, got "
                f"{comm.size}; use fewer ranks or decomposition: shards"
            )
        self._products = SlabFFT(comm, self, self.shape, library)
        self.stored = SlabFFT(comm, self, grid.shape, library, like=self._products)
        self.columns = self._products.exchange.columns
        self.points_shape = self._products.points_shape
        self.stored_shape = self.stored.points_shape

    def inverse(
        self, u_hat: Complex[np.ndarray, "1 2 R K"], out: Float[np.ndarray, "1 M M2"]
    ) -> None:
        """Evaluate a field, whose unused row is zero, on the grid of products."""
        self._products.inverse(u_hat[0], out[0])

    def forward(self, u: Float[np.ndarray, "1 M M2"], out: Complex[np.ndarray, "1 2 R K"]) -> None:
        """Compute M_y M_x times the modes of a field on the grid of products."""
        self._products.forward(u[0], out[0])

    def from_states(
        self, states: Float[np.ndarray, "1 H W"], out: Complex[np.ndarray, "1 2 R K"]
    ) -> None:
        """Compute the modes below Nyquist of a field on the stored grid."""
        self.stored.forward(states[0], out[0])
        out /= self.grid.num_points

    def to_states(
        self, u_hat: Complex[np.ndarray, "1 2 R K"], out: Float[np.ndarray, "1 H W"]
    ) -> None:
        """Evaluate a field on the stored grid."""
        self.stored.inverse(u_hat[0], out[0])


class SlabFFT:
    """Kept modes, columns kx on each rank ↔ a grid (N_y, N_x) that has them, rows y on each rank.

    Args:
        comm: the ranks.
        modes: that are kept.
        shape: (N_y, N_x).
        library: of ``LIBRARIES``.
        like: transform of a grid that is no smaller, whose memory this one uses, too.

    Attributes:
        exchange: of rows and columns.
        points_shape: of the rows of this rank.
    """

    def __init__(
        self,
        comm: "Comm",
        modes: KeptModes,
        shape: tuple[int, int],
        library: str,
        like: "SlabFFT | None" = None,
    ) -> None:
        self._library, (N_y, N_x) = LIBRARIES[library](), shape
        self.exchange = SlabExchange(comm, (N_y, modes.max_modes[1] + 1), LANES)
        self._num_rows, self._num_columns = map(length, (self.exchange.rows, self.exchange.columns))
        self.points_shape = self._num_rows, N_x
        if like is None:
            self._buffers = [np.empty(n, np.complex128) for n in self._buffer_sizes]
        else:
            pairs = zip(like._buffers, self._buffer_sizes, strict=True)
            self._buffers = [buffer[:n] for buffer, n in pairs]
        self._rows, of_columns = self._buffers
        self._blocks = self.exchange.blocks(self._rows)
        self._columns = of_columns.reshape(self.exchange.columns_shape)
        # What stands between the kept modes is never written: it stays zero.
        self._modes_of_y = np.zeros((N_y, _CHUNK), np.complex128)
        self._modes_of_x = np.zeros((_CHUNK, N_x // 2 + 1), np.complex128)
        self._all_of_y, self._all_of_x = map(np.empty_like, (self._modes_of_y, self._modes_of_x))

    @property
    def _buffer_sizes(self) -> tuple[int, int]:
        return self.exchange.rows_size, math.prod(self.exchange.columns_shape)

    def inverse(self, u_hat: Modes, out: Float[np.ndarray, "n N"]) -> None:
        """Evaluate the field on this rank's rows of the grid."""
        K = u_hat.shape[1] - 1
        for chunk, size in _chunks(self._num_columns):
            modes = self._modes_of_y[:, :size]
            modes[: K + 1], modes[-K:] = u_hat[0, :, chunk], u_hat[1, 1:, chunk]
            self._library.to_y(modes, self._columns[:, chunk])
        self.exchange.to_rows(self._columns, self._rows)
        for chunk, size in _chunks(self._num_rows):
            for columns, block in self._blocks:
                self._modes_of_x[:size, columns] = block[chunk]
            self._library.to_x(self._modes_of_x[:size], out[chunk])

    def forward(self, u: Float[np.ndarray, "n N"], out: Modes) -> None:
        """Compute N_y N_x times this rank's columns of the modes; zero in the unused row."""
        for chunk, size in _chunks(self._num_rows):
            self._library.from_x(u[chunk], self._all_of_x[:size])
            for columns, block in self._blocks:
                block[chunk] = self._all_of_x[:size, columns]
        self.exchange.to_columns(self._rows, self._columns)
        K = out.shape[1] - 1
        for chunk, size in _chunks(self._num_columns):
            modes = self._all_of_y[:, :size]
            self._library.from_y(self._columns[:, chunk], modes)
            out[0, :, chunk], out[1, 1:, chunk] = modes[: K + 1], modes[-K:]
        out[1, 0] = 0.0


def _chunks(num_lines: int) -> list[tuple[slice, int]]:
    starts = range(0, num_lines, _CHUNK)
    return [(slice(s, s + _CHUNK), min(_CHUNK, num_lines - s)) for s in starts]
