"""Fields and coefficients are used in float32: samples that it cannot hold are rejected."""

import numpy as np
from jaxtyping import Bool, Float

from lightning_sciml.errors import InputError

_FLOAT32 = np.finfo(np.float32)
_LARGEST = float(_FLOAT32.max)
# With all digits down to the rounding error of the largest value of a field.
LEAST_FIELD = float(_FLOAT32.tiny) / float(_FLOAT32.eps)
# ‖f‖ of a source with max f = 1: below it, the subtraction of its mean leaves round-off.
_LEAST_SOURCE = 1e-9


def check_float32(
    norms: Float[np.ndarray, "B 5"],
    coefficients: Float[np.ndarray, "B c"],
    is_kept: Bool[np.ndarray, " B"],
    labels: list[str],
) -> None:
    """Reject samples that are not finite, or overflow or lose digits in float32.

    Args:
        norms: columns as ``norm_names`` says.
        coefficients: of the equation.
        is_kept: samples that will be stored; others may be anything.
        labels: name of each sample.

    Raises:
        InputError: naming the first such sample, and the quantity.
    """
    quantities = {
        "source norm": (norms[:, 0], _LEAST_SOURCE, "change source"),
        "largest coefficient": (
            np.abs(coefficients).max(axis=1),
            float(_FLOAT32.tiny),
            "change the ranges of coefficients",
        ),
        "max|u|": (norms[:, -1], LEAST_FIELD, "change the ranges of coefficients"),
    }
    check_quantities(quantities, is_kept, labels)


def check_quantities(
    quantities: dict[str, tuple[Float[np.ndarray, " B"], float, str]],
    is_kept: Bool[np.ndarray, " B"],
    labels: list[str],
) -> None:
    """Reject samples of which a quantity, by its name, is below its least value, or too large.

    Args:
        quantities: values, the least one, and the remedy.
        is_kept: samples that will be stored; others may be anything.
        labels: name of each sample.

    Raises:
        InputError: naming the first such sample, and the quantity.
    """
    for name, (values, least, remedy) in quantities.items():
        wrong = np.flatnonzero(is_kept & ~((values >= least) & (values <= _LARGEST)))  # NaN as well
        if wrong.size:
            raise InputError(
                f"{labels[wrong[0]]} has a {name} of {values[wrong[0]]:.1e}, float32 holds "
                f"{least:.0e} … {_LARGEST:.0e}; {remedy}"
            )
