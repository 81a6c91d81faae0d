"""Norms of trajectories, from sums of one state after the other."""

import numpy as np
from jaxtyping import Float, Float32

from data_gen.trajectory_checks import Reductions


class TrajectoryNorms:
    """Collects what ``field_norms`` computes, in an order that a division of the grid keeps.

    Args:
        shape: (T, B, F), stored times, samples and fields.
        reductions: over the grid.
    """

    def __init__(self, shape: tuple[int, int, int], reductions: Reductions) -> None:
        self._reductions = reductions
        self._of_states = np.empty((3, *shape))

    def add(self, t: int, stored: Float32[np.ndarray, "B F H W"]) -> None:
        """Take in the states at time t as they are stored."""
        squares, sums, largest = self._of_states[:, t]
        largest[:] = self._reductions.largest(np.abs(stored).max(axis=(-2, -1)))
        values = stored.astype(np.float64)  # sums that convert on the way split rows into pieces
        sums[:] = self._reductions.over_rows(values.sum(axis=-1))
        squares[:] = self._reductions.over_rows(np.square(values, out=values).sum(axis=-1))

    @property
    def largest(self) -> Float[np.ndarray, "T B"]:
        """Return max|u| of each state, over its fields."""
        return self._of_states[2].max(axis=-1)

    def columns(self, num_points: int) -> Float[np.ndarray, "B 3F"]:
        """Return the columns of ``norm_names`` for states on so many points."""
        squares, sums, largest = self._of_states
        number = num_points * len(squares)
        norms, means = np.sqrt(squares.sum(axis=0) / number), sums.sum(axis=0) / number
        return np.concatenate([norms, means, largest.max(axis=0)], axis=1)
