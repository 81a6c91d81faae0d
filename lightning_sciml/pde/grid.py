"""The periodic unit square: points, wavenumbers and what becomes of the Nyquist mode."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lightning_sciml.errors import InputError


class Wavenumbers(NamedTuple):
    """Angular wavenumbers of the half spectrum of a real field, ready to broadcast over [ky, kx].

    For even N the Nyquist mode exp(i π N x) is real on the grid: even derivatives keep it, odd ones
    vanish on the grid. So ``kx`` and ``ky``, which stand for odd powers (v·k, and the mixed product
    kx ky), are zero there, and ``kx_squared`` and ``ky_squared`` are not.
    """

    kx: Float[np.ndarray, "1 M"]
    ky: Float[np.ndarray, "N 1"]
    kx_squared: Float[np.ndarray, "1 M"]
    ky_squared: Float[np.ndarray, "N 1"]


@dataclass(frozen=True)
class PeriodicGrid:
    """N × N points (j/N, i/N) of the periodic unit square; arrays are [y, x].

    Attributes:
        num_points: N, points an axis.
    """

    num_points: int

    def __post_init__(self) -> None:
        if self.num_points < 1:
            raise InputError(f"num_points must be at least 1, got {self.num_points}")

    @cached_property
    def coordinates(self) -> Float[np.ndarray, " N"]:
        """i/N, i = 0 … N-1, in units of the side of the square."""
        return np.arange(self.num_points) / self.num_points

    @cached_property
    def wavenumbers(self) -> Wavenumbers:
        """2π times the integer frequencies of ``rfft2``, radians per side of the square."""
        half = self.num_points // 2
        columns = np.arange(half + 1)[None, :]
        rows = ((np.arange(self.num_points) + half) % self.num_points - half)[:, None]
        return Wavenumbers(
            kx=2 * np.pi * self._without_nyquist(columns),
            ky=2 * np.pi * self._without_nyquist(rows),
            kx_squared=(2 * np.pi * columns) ** 2,
            ky_squared=(2 * np.pi * rows) ** 2,
        )

    def _without_nyquist(self, modes: Int[np.ndarray, "n m"]) -> Int[np.ndarray, "n m"]:
        return np.where(2 * np.abs(modes) == self.num_points, 0, modes)
