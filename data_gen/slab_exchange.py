"""Exchange rows and columns of one array between all ranks, and reduce numbers of them."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Complex, Shaped

from data_gen.decomposition import shares

if TYPE_CHECKING:
    from mpi4py.MPI import Comm


class Reductions:
    """Reduce numbers of rows, or of columns, in an order that a division of the grid keeps."""

    def sum(self, numbers: Shaped[np.ndarray, "*B n"]) -> Shaped[np.ndarray, "*B"]:
        """Add numbers of each row, or each column."""
        return numbers.sum(axis=-1)

    def largest(self, numbers: Shaped[np.ndarray, "*B"]) -> Shaped[np.ndarray, "*B"]:
        """Take the largest of all parts of the grid."""
        return numbers


class SlabExchange(Reductions):
    """An array (N, M) of which each rank owns consecutive rows, and consecutive columns.

    Rows are held as blocks, one after the other: (n, m) of the columns of each rank.

    Args:
        comm: the ranks.
        shape: (N, M).
        unit: shares of rows and of columns are multiples of it, but for the last ones.

    Attributes:
        rows: that this rank owns, n.
        columns: that this rank owns, m.
        columns_shape: (N, m).
        rows_size: n M.
    """

    def __init__(self, comm: "Comm", shape: tuple[int, int], unit: int = 1) -> None:
        self.comm = comm
        row_shares, self._column_shares = (_in_units(number, comm.size, unit) for number in shape)
        self.rows, self.columns = row_shares[comm.rank], self._column_shares[comm.rank]
        n, m = length(self.rows), length(self.columns)
        self.columns_shape, self.rows_size = (shape[0], m), n * shape[1]
        self._row_counts = [n * length(share) for share in self._column_shares]
        self._column_counts = [length(share) * m for share in row_shares]

    def blocks(
        self, rows: Complex[np.ndarray, " nM"]
    ) -> list[tuple[slice, Complex[np.ndarray, "n m"]]]:
        """View the rows of this rank: columns of the array, and the block of them."""
        n, ends = length(self.rows), np.cumsum(self._row_counts)[:-1]
        views = [block.reshape(n, -1) for block in np.split(rows, ends)]
        return list(zip(self._column_shares, views, strict=True))

    def to_columns(self, rows: Complex[np.ndarray, " nM"], out: Complex[np.ndarray, "N m"]) -> None:
        """Fill the columns of this rank from the rows of all."""
        self.comm.Alltoallv([rows, self._row_counts], [out, self._column_counts])

    def to_rows(self, columns: Complex[np.ndarray, "N m"], out: Complex[np.ndarray, " nM"]) -> None:
        """Fill the rows of this rank from the columns of all."""
        self.comm.Alltoallv([columns, self._column_counts], [out, self._row_counts])

    def sum(self, numbers: Shaped[np.ndarray, "*B n"]) -> Shaped[np.ndarray, "*B"]:
        """Add numbers of each row, or each column, of all ranks."""
        return np.concatenate(self.comm.allgather(numbers), axis=-1).sum(axis=-1)

    def largest(self, numbers: Shaped[np.ndarray, "*B"]) -> Shaped[np.ndarray, "*B"]:
        """Take the elementwise maximum over all ranks."""
        return np.max(self.comm.allgather(numbers), axis=0)


def length(share: slice) -> int:
    """Count the items of a share."""
    return share.stop - share.start


def _in_units(num_items: int, num_owners: int, unit: int) -> list[slice]:
    units = shares(-(-num_items // unit), num_owners)
    return [slice(share.start * unit, min(share.stop * unit, num_items)) for share in units]
