"""Ranges [low, high] of what a data set draws: their checks, and numbers in them."""

import numpy as np
from jaxtyping import Float

from lightning_sciml.errors import InputError

Range = tuple[float, float]


def check_range(name: str, bounds: Range, positive: str = "") -> None:
    """Reject bounds that are no range, or are not positive although there is a reason.

    Raises:
        InputError: naming the option.
    """
    low, high = bounds
    if not -np.inf < low <= high < np.inf:  # so that NaN is rejected, too
        raise InputError(f"{name} must be a range [low, high] with low ≤ high, got {list(bounds)}")
    if positive and low <= 0:
        raise InputError(f"{name} must be positive ({positive}), got {list(bounds)}")


def check_limits(name: str, limits: Range, reason: str, *values: float) -> None:
    """Reject values outside of these limits.

    Raises:
        InputError: naming the option and the reason.
    """
    least, most = limits
    if not all(least <= value <= most for value in values):
        given = ", ".join(map(str, values))
        raise InputError(f"{name} must lie in {least:g} … {most:g}, got {given}: {reason}")


def uniform(bounds: Range, numbers: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    """Map numbers uniform in [0, 1) to the range."""
    low, high = bounds
    return low + (high - low) * numbers


def log_uniform(bounds: Range, numbers: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    """Map numbers uniform in [0, 1) to a positive range: their logarithms are uniform."""
    low, high = np.log(bounds)
    return np.clip(np.exp(low + (high - low) * numbers), *bounds)
