"""What transforms of real fields to few waves have in common."""

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np
from jaxtyping import Float, Shaped

from data_gen.parities import Parities
from lightning_sciml.pde.grid import Grid, Wavenumbers
from lightning_sciml.pde.walls import PERIODIC, Boundaries

# of fields treated at a time: fewer pay for the interpreter, more leave the cache
_CHUNK_POINTS = 2**17

Modes = Shaped[np.ndarray, "B R K"]
"""Coefficients û of B fields [ky, kx], real or complex."""


class ModeTransform(ABC):
    """Real fields on N × N points of the unit square ↔ coefficients û of few waves, [ky, kx].

    Every product is made sample by sample (a stack of equal products), so the bits of a sample do
    not depend on which samples are transformed with it.

    Args:
        num_points: N.
        num_modes: M, highest wave along an axis.
        boundary: along y and x.
    """

    def __init__(self, num_points: int, num_modes: int, boundary: Boundaries) -> None:
        self.num_points = num_points
        self.num_modes = num_modes
        self.boundary = boundary
        self._chunk_size = max(1, _CHUNK_POINTS // num_points**2)

    @property
    def coordinates(self) -> Float[np.ndarray, " N"]:
        """Return the points of an axis."""
        return Grid(shape=(self.num_points,) * 2, boundary=self.boundary).coordinates()[1]

    @property
    @abstractmethod
    def wavenumbers(self) -> Wavenumbers:
        """Return angular wavenumbers in the layout of the coefficients."""

    @property
    @abstractmethod
    def zero_rows(self) -> list[int]:
        """List the rows that hold the mean, in column 0."""

    @property
    @abstractmethod
    def energy_weights(self) -> Float[np.ndarray, "R K"]:
        """Return the weights with Σ weights |û|² = mean square of the field (Parseval)."""

    @abstractmethod
    def energy(self, u_hat: Modes) -> Float[np.ndarray, " B"]:
        """Compute the mean square over the unit square of the kept part of the field."""

    @abstractmethod
    def mean(self, u_hat: Modes) -> Float[np.ndarray, " B"]:
        """Compute the mean over the grid."""

    @abstractmethod
    def forward(self, u: Float[np.ndarray, "B N N"]) -> Modes:
        """Compute the kept coefficients of a field on the grid."""

    @abstractmethod
    def parities(self, u_hat: Modes) -> Parities:
        """Evaluate the field of a chunk's coefficients, in memory that the next chunk takes."""

    @abstractmethod
    def of_products(
        self, factors: Float[np.ndarray, "B n n"], profiles: Float[np.ndarray, "n N"]
    ) -> Modes:
        """Compute the kept coefficients of f = AᵀPA, profiles A and factors P, without making f."""

    def adjoint(self, w: Float[np.ndarray, "N N"]) -> tuple[Parities, Float[np.ndarray, " k"]]:
        """Compute w' and ŵ with Σ w u = Σ w'·parities = Σ ŵ·parts of û; ŵ by an FFT."""
        of_parities = self._empty_parities(1)
        of_parities.fold_adjoint(w[None])
        return of_parities, self._adjoint_of_modes(w)

    @abstractmethod
    def _adjoint_of_modes(self, w: Float[np.ndarray, "N N"]) -> Float[np.ndarray, " k"]: ...

    @cached_property
    def _parities(self) -> Parities:
        return self._empty_parities(self._chunk_size)

    def _empty_parities(self, num_fields: int) -> Parities:
        is_periodic = self.boundary == PERIODIC
        return Parities.empty(num_fields, self.num_points, is_periodic=is_periodic)

    def chunks(self, num_samples: int) -> list[slice]:
        """Split samples into consecutive slices that are treated together."""
        starts = range(0, num_samples, self._chunk_size)
        return [slice(start, min(start + self._chunk_size, num_samples)) for start in starts]

    def inverse(self, u_hat: Modes) -> Float[np.ndarray, "B N N"]:
        """Evaluate the field of the coefficients on the grid."""
        u = np.empty((len(u_hat), self.num_points, self.num_points))
        for chunk in self.chunks(len(u)):
            self.parities(u_hat[chunk]).unfold(u[chunk])
        return u
