"""Grids: where the points of a field lie; on the periodic unit square also wavenumbers."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float, Int

from lightning_sciml.errors import InputError

_MAX_POINTS = 1 << 48  # far above any disk
Boundary = Literal["periodic", "dirichlet", "neumann", "wall", "open"]
"""What holds at both ends of an axis; "wall" and "open" where nothing more is known."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The points of a rectangle; arrays are [y, x], and so are all pairs.

    Point i of N lies at i L/N on a periodic axis, else at (i + ½) L/N, so that walls lie half a
    step outside.

    Attributes:
        shape: points (H, W) along y and x.
        lengths: sides along y and x, in the unit of the problem.
        boundary: conditions at the ends of y and of x.
    """

    shape: tuple[int, int]
    lengths: tuple[float, float] = (1.0, 1.0)
    boundary: tuple[Boundary, Boundary] = ("periodic", "periodic")

    def __post_init__(self) -> None:
        if min(self.shape) < 1 or math.prod(self.shape) > _MAX_POINTS:
            raise InputError(
                f"a grid has at least one point an axis and at most 2**48 points, got {self.shape}"
            )
        if not all(0 < length < math.inf for length in self.lengths):
            raise InputError(f"lengths of a grid must be positive and finite, got {self.lengths}")
        for boundary in self.boundary:
            if boundary not in get_args(Boundary):
                raise InputError(
                    f"the boundary of an axis is one of {', '.join(get_args(Boundary))}, "
                    f"got {boundary!r}"
                )

    @property
    def num_points(self) -> int:
        """Count all points, H·W."""
        return math.prod(self.shape)

    @property
    def is_periodic(self) -> bool:
        """Tell whether both axes are periodic."""
        return self.boundary == ("periodic", "periodic")

    @property
    def is_square(self) -> bool:
        """Tell whether y and x can be exchanged: as many points, equal lengths, one boundary."""
        return all(len(set(pair)) == 1 for pair in (self.shape, self.lengths, self.boundary))

    def coordinates(self) -> tuple[Float[np.ndarray, " H"], Float[np.ndarray, " W"]]:
        """Return y (H,) and x (W,) of the points, in units of the sides."""
        starts = (0.0 if boundary == "periodic" else 0.5 for boundary in self.boundary)
        y, x = ((np.arange(N) + start) / N for N, start in zip(self.shape, starts, strict=True))
        return y, x


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
