"""Fourier transforms between the modes |k| ≤ K and a grid fine enough for products of fields."""

import numpy as np
from jaxtyping import Complex, Float
from numpy.lib.stride_tricks import as_strided

from data_gen.aligned_memory import aligned_zeros
from data_gen.fourier_library import LIBRARIES
from data_gen.kept_modes import KeptModes, Precision
from lightning_sciml.pde.grid import Grid


class DealiasedTransform(KeptModes):
    """B real fields on M_y × M_x points ↔ their modes |ky| ≤ K_y, 0 ≤ kx ≤ K_x, on one process.

    Args:
        grid: of the modes, and of the stored states by default.
        degree: of the products; 1 without products.
        num_fields: B.
        library: of ``LIBRARIES``.
        stored: grid of the states, if it is a finer one of the same sides.
        precision: of all numbers.

    Raises:
        InputError: the grid has walls or too few points, or the library is missing.
    """

    def __init__(
        self,
        grid: Grid,
        degree: int,
        num_fields: int,
        library: str = "numpy",
        *,
        stored: Grid | None = None,
        precision: Precision = "float64",
    ) -> None:
        super().__init__(grid, degree, stored=stored, precision=precision)
        dtype = self.complex_dtype
        self._library = LIBRARIES[library]()
        self._num_columns = self.max_modes[1] + 1
        # Rows above K_y and columns above K_x are never written: they stay zero.
        (M_y, M_x), B = self.shape, num_fields
        self._rows, self._all_rows = aligned_zeros((2, B, M_y, self._num_columns), dtype)
        self._padded, self._all_columns = aligned_zeros((2, B, M_y, M_x // 2 + 1), dtype)
        self._ends, self._all_ends = map(self._both_ends, (self._rows, self._all_rows))
        self._low, self._all_low = (
            a[..., : self._num_columns] for a in (self._padded, self._all_columns)
        )
        H, W = self.stored_shape
        self._state_rows = aligned_zeros((B, H, self._num_columns), dtype)
        self._state_columns = aligned_zeros((B, H, W // 2 + 1), dtype)

    def inverse(
        self, u_hat: Complex[np.ndarray, "B 2 R K"], out: Float[np.ndarray, "B M M2"]
    ) -> None:
        """Evaluate fields, whose unused row is zero, on the grid of products."""
        np.copyto(self._ends, u_hat)
        self._library.to_y(self._rows, self._low)
        self._library.to_x(self._padded, out)

    def forward(self, u: Float[np.ndarray, "B M M2"], out: Complex[np.ndarray, "B 2 R K"]) -> None:
        """Compute M_y M_x times the modes of fields on the grid of products.

        What stands in the unused row has no meaning.
        """
        self._library.from_x(u, self._all_columns)
        self._library.from_y(self._all_low, self._all_rows)
        np.copyto(out, self._all_ends)

    def _both_ends(self, rows: Complex[np.ndarray, "B M K"]) -> Complex[np.ndarray, "B 2 R K"]:
        """View the first and the last K_y + 1 rows."""
        half, (field, row, column) = self.max_modes[0] + 1, rows.strides
        strides = (field, (self.shape[0] - half) * row, row, column)
        return as_strided(rows, (len(rows), 2, half, self._num_columns), strides)

    def from_states(
        self, states: Float[np.ndarray, "B H W"], out: Complex[np.ndarray, "B 2 R K"]
    ) -> None:
        """Compute the kept modes of fields on the stored grid."""
        K = self.max_modes[0]
        columns, u_hat = np.empty_like(self._state_columns), np.empty_like(self._state_rows)
        self._library.from_x(np.ascontiguousarray(states, self.real_dtype), columns)
        self._library.from_y(columns[..., : self._num_columns], u_hat)
        out[:, 0] = u_hat[:, : K + 1]
        out[:, 1, 0] = 0.0
        out[:, 1, 1:] = u_hat[:, -K:]
        out /= self.stored_grid.num_points

    def to_states(
        self, u_hat: Complex[np.ndarray, "B 2 R K"], out: Float[np.ndarray, "B H W"]
    ) -> None:
        """Evaluate fields on the stored grid."""
        K = self.max_modes[0]  # what is not kept is never written: it stays zero
        self._state_rows[:, : K + 1] = u_hat[:, 0]
        self._state_rows[:, -K:] = u_hat[:, 1, 1:]
        self._library.to_y(self._state_rows, self._state_columns[..., : self._num_columns])
        self._library.to_x(self._state_columns, out)
