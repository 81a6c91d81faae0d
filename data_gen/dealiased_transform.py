"""Fourier transforms between the modes |k| ≤ K and a grid fine enough for products of fields."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Float, Shaped
from numpy.lib.stride_tricks import as_strided
from scipy.fft import next_fast_len

from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid, Wavenumbers

Transform = Callable[[np.ndarray, np.ndarray], Any]
_LANES = 8  # numbers of the widest vectors, of AVX-512


class FourierLibrary(NamedTuple):
    """Transforms of (…, y, x) along one axis into a given array, in the order of their use.

    None of them divides by the number of points.

    Attributes:
        to_y: complex, modes to points.
        to_x: modes to real points.
        from_x: real points to modes.
        from_y: complex, points to modes.
    """

    to_y: Transform
    to_x: Transform
    from_x: Transform
    from_y: Transform


def _numpy() -> FourierLibrary:
    fft = np.fft
    return FourierLibrary(
        to_y=lambda a, out: fft.ifft(a, axis=-2, norm="forward", out=out),
        to_x=lambda a, out: fft.irfft(a, n=out.shape[-1], norm="forward", out=out),
        from_x=lambda a, out: fft.rfft(a, out=out),
        from_y=lambda a, out: fft.fft(a, axis=-2, out=out),
    )


def _ducc0() -> FourierLibrary:
    try:
        fft = importlib.import_module("ducc0").fft
    except ModuleNotFoundError:
        raise InputError(
            "the library ducc0 is not installed; pip install 'lightning_sciml[ducc]', "
            "or choose numpy"
        ) from None
    return FourierLibrary(
        to_y=_in_lanes(lambda a, out: fft.c2c(a, (a.ndim - 2,), False, 0, out), along=-1),
        to_x=_in_lanes(
            lambda a, out: fft.c2r(a, (a.ndim - 1,), out.shape[-1], False, 0, out), along=-2
        ),
        from_x=_in_lanes(lambda a, out: fft.r2c(a, (a.ndim - 1,), True, 0, out), along=-2),
        from_y=_in_lanes(lambda a, out: fft.c2c(a, (a.ndim - 2,), True, 0, out), along=-1),
    )


def _in_lanes(transform: Transform, along: int) -> Transform:
    """Make a transform whose bits do not depend on how many fields are transformed together.

    DUCC transforms the lines along one axis in vectors of up to 8, and what is left one by one, in
    other bits. Fields whose lines do not fill whole vectors are transformed one by one.
    """

    def transform_all(a: np.ndarray, out: np.ndarray) -> None:
        if a.shape[along] % _LANES == 0:
            transform(a, out)
            return
        for field in np.ndindex(a.shape[:-2]):
            transform(a[field], out[field])

    return transform_all


LIBRARIES: dict[str, Callable[[], FourierLibrary]] = {"numpy": _numpy, "ducc0": _ducc0}
"""Libraries by name; they differ in the last bits."""


class DealiasedTransform:
    """B real fields on M_y × M_x points ↔ their modes |ky| ≤ K_y, 0 ≤ kx ≤ K_x.

    Rows of modes are ky = 0 … K_y, an unused one, and -K_y … -1: as two halves (2, K_y + 1), they
    lie at both ends of the M_y rows of a transform. Products of `degree` fields are free of aliases
    in these modes if M ≥ (degree + 1) K + 1.

    Args:
        grid: of the stored states; N points an axis have K = (N - 1) // 2 modes below Nyquist.
        degree: of the products; 1 without products.
        num_fields: B.
        library: of ``LIBRARIES``.

    Raises:
        InputError: the grid has walls or too few points, or the library is missing.
    """

    def __init__(self, grid: Grid, degree: int, num_fields: int, library: str = "numpy") -> None:
        if not grid.is_periodic or min(grid.shape) < 3:
            raise InputError(
                "evolution equations need a periodic grid of at least 3 points an axis, "
                f"got {grid.shape} with {grid.boundary}"
            )
        self.grid = grid
        self.max_modes = tuple((N - 1) // 2 for N in grid.shape)
        self.shape = dealiased_shape(grid, degree)
        self._library = LIBRARIES[library]()
        self._num_columns = self.max_modes[1] + 1
        # Rows above K_y and columns above K_x are never written: they stay zero.
        (M_y, M_x), B = self.shape, num_fields
        self._rows = np.zeros((B, M_y, self._num_columns), np.complex128)
        self._padded = np.zeros((B, M_y, M_x // 2 + 1), np.complex128)
        self._all_rows, self._all_columns = np.empty_like(self._rows), np.empty_like(self._padded)
        self._ends, self._all_ends = map(self._both_ends, (self._rows, self._all_rows))
        self._low, self._all_low = (
            a[..., : self._num_columns] for a in (self._padded, self._all_columns)
        )

    @property
    def modes_shape(self) -> tuple[int, int, int]:
        """Shape of the modes of one field as halves, (2, K_y + 1, K_x + 1)."""
        return 2, self.max_modes[0] + 1, self._num_columns

    @property
    def is_kept(self) -> Bool[np.ndarray, "R 1"]:
        """False for the unused row."""
        K = self.max_modes[0]
        return (np.arange(2 * K + 2) != K + 1)[:, None]

    @property
    def waves(self) -> Wavenumbers:
        """Angular wavenumbers of all rows, in the unit of the lengths; zero in the unused one."""
        y_length, x_length = self.grid.lengths
        K = self.max_modes[0]
        rows = np.concatenate([np.arange(K + 1), [0], np.arange(-K, 0)])[:, None]
        ky = 2 * np.pi / y_length * rows
        kx = 2 * np.pi / x_length * np.arange(self._num_columns)[None, :]
        return Wavenumbers(kx, ky, kx**2, ky**2)

    def halves(self, values: Shaped[np.ndarray, "*B R K"]) -> Shaped[np.ndarray, "*B 2 R2 K"]:
        """View values of all rows, or one for all, as two halves."""
        if values.shape[-2] == 1:
            return values[..., None, :, :]
        return values.reshape(*values.shape[:-2], 2, -1, values.shape[-1])

    def fields_first(
        self, values: Shaped[np.ndarray, "B F R K"]
    ) -> Shaped[np.ndarray, "F B 2 R2 K"]:
        """Copy values of all rows to the order of ``modes``."""
        return self.halves(np.ascontiguousarray(np.moveaxis(values, 1, 0)))

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
        """Compute the modes below Nyquist of fields on the stored grid."""
        K, u_hat = self.max_modes[0], np.fft.rfft2(states, norm="forward")
        out[:, 0] = u_hat[:, : K + 1, : self._num_columns]
        out[:, 1, 0] = 0.0
        out[:, 1, 1:] = u_hat[:, -K:, : self._num_columns]

    def to_states(
        self, u_hat: Complex[np.ndarray, "B 2 R K"], out: Float[np.ndarray, "B H W"]
    ) -> None:
        """Evaluate fields on the stored grid."""
        (H, W), K = self.grid.shape, self.max_modes[0]
        all_modes = np.zeros((len(u_hat), H, W // 2 + 1), np.complex128)
        all_modes[:, : K + 1, : self._num_columns] = u_hat[:, 0]
        all_modes[:, -K:, : self._num_columns] = u_hat[:, 1, 1:]
        out[:] = np.fft.irfft2(all_modes, s=(H, W), norm="forward")


def dealiased_shape(grid: Grid, degree: int) -> tuple[int, int]:
    """Count the points (M_y, M_x) of a grid for products of `degree` fields.

    They are multiples of 8 and fast to transform: lines fill whole vectors, see ``_in_lanes``.
    """
    least = ((degree + 1) * ((N - 1) // 2) + 1 for N in grid.shape)
    M_y, M_x = (_LANES * next_fast_len(-(-M // _LANES), real=True) for M in least)
    return M_y, M_x
