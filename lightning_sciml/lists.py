"""Options that take one value or a list of values."""

from collections.abc import Sequence
from typing import Any


def listed(value: Any) -> list[Any]:
    """One value as a list of it; a sequence that is no text as a list."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return [value]
