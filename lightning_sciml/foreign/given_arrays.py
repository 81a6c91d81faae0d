"""Take what a user hands over as arrays, numbers and counts, or say in one line why not."""

from collections.abc import Mapping
from operator import index
from typing import Any

import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.names import name_fault


def arrays_by_name(kind: str, given: Any) -> dict[str, np.ndarray]:
    """Return arrays by name.

    Args:
        kind: what they are, for messages.
        given: a mapping, or None for no arrays.

    Raises:
        InputError: no mapping, names that cannot be used, or values that are no array.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(f"{kind} must be arrays by name, {{NAME: ARRAY}}, got {type(given)}")
    for fault in filter(None, map(name_fault, given)):
        raise InputError(f"{kind}: {fault}; rename it")
    return {name: as_array(name, values) for name, values in given.items()}


def as_array(name: str, values: Any) -> np.ndarray:
    """Return values as an array of NumPy.

    Raises:
        InputError: they are none, or some of them are masked.
    """
    if np.ma.is_masked(values):
        raise InputError(
            f"{name} has masked values, which are unknown: {np.ma.count_masked(values)} of "
            f"{np.size(values)}; fill them or leave the samples out"
        )
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of several lengths; tensors
        reason = " ".join(str(error).split())
        raise InputError(f"{name} cannot be taken as an array: {reason}") from None


def two_numbers(name: str, values: Any) -> list[float]:
    """Return two real numbers, for y and for x.

    Raises:
        InputError: they are none.
    """
    found = as_array(name, values)
    if found.shape != (2,) or found.dtype.kind not in "fiu":
        raise InputError(f"{name} must be two numbers, for y and for x, got {_shown(values)}")
    return [float(value) for value in found]


def two_words(name: str, values: Any) -> list[str]:
    """Return one word for y and for x, or one for each.

    Raises:
        InputError: they are none.
    """
    given = [values] * 2 if isinstance(values, str) else values
    if not isinstance(given, list | tuple) or not all(isinstance(word, str) for word in given):
        raise InputError(
            f"{name} must be one word, or one for y and one for x, got {_shown(given)}"
        )
    return [*given]


def counts_by_split(given: Any) -> dict[str, int]:
    """Return numbers of samples by split.

    Raises:
        InputError: no mapping, or no whole numbers.
    """
    try:
        return {split: index(number) for split, number in given.items()}
    except (AttributeError, TypeError):
        raise InputError(
            f"split must be numbers of samples, {{'train': 8, 'val': 2}}, got {_shown(given)}"
        ) from None


def _shown(values: Any) -> str:
    """Write values in one line that is not long."""
    text = " ".join(repr(values).split())
    return text if len(text) <= 80 else f"{text[:80]}…"
