"""Libraries of Fourier transforms: lines of real or complex numbers, along one axis."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lightning_sciml.errors import InputError

Transform = Callable[[np.ndarray, np.ndarray], Any]
LANES = 8
"""Numbers of the widest vectors, of AVX-512."""


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
        if a.shape[along] % LANES == 0:
            transform(a, out)
            return
        for field in np.ndindex(a.shape[:-2]):
            transform(a[field], out[field])

    return transform_all


LIBRARIES: dict[str, Callable[[], FourierLibrary]] = {"numpy": _numpy, "ducc0": _ducc0}
"""Libraries by name; they differ in the last bits."""
