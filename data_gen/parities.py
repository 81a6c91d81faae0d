"""Fields as sums of even and odd parts: half of the rows tell all of them."""

from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float


class Parities(NamedTuple):
    """Fields by their parity in y: u = even + odd, and even - odd in the mirrored row.

    The mirror is y = 0 on a periodic grid, whose row 0 is its own image, and y = ½ between walls.

    Attributes:
        values: even and odd part of each field, in the first half of the rows.
        first_mirrored: first of these rows that has an image.
    """

    values: Float[np.ndarray, "b 2 H N"]
    first_mirrored: int

    @classmethod
    def empty(cls, num_fields: int, num_points: int, *, is_periodic: bool) -> Self:
        """Take memory for fields of N × N points."""
        num_rows = (num_points + 1 + is_periodic) // 2
        return cls(np.empty((num_fields, 2, num_rows, num_points)), int(is_periodic))

    @property
    def even(self) -> Float[np.ndarray, "b H N"]:
        """The mean of u and its image."""
        return self.values[:, 0]

    @property
    def odd(self) -> Float[np.ndarray, "b H N"]:
        """Half of the difference between u and its image."""
        return self.values[:, 1]

    def unfold(self, out: Float[np.ndarray, "b N N"]) -> None:
        """Write the fields on the whole grid, in the precision of ``out``."""
        half, mirrored = self.even.shape[1], self._mirrored(out)
        out[:, :half] = self.even + self.odd
        out[:, : half - 1 : -1] = self.even[:, mirrored] - self.odd[:, mirrored]

    def fold_adjoint(self, w: Float[np.ndarray, "b N N"]) -> None:
        """Fill with w' of Σ w'·parities = Σ w u, the adjoint of unfolding."""
        half, mirrored = self.even.shape[1], self._mirrored(w)
        below = w[:, : half - 1 : -1]
        self.values[:] = w[:, None, :half]
        self.even[:, mirrored] += below
        self.odd[:, mirrored] -= below

    def _mirrored(self, u: Float[np.ndarray, "b N N"]) -> slice:
        return slice(self.first_mirrored, self.first_mirrored + u.shape[1] - self.even.shape[1])
