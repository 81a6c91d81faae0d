"""Inputs of a network that no data hold."""

MASK = "mask_"
"""The name of an input that is 1 where a problem has a field, and 0 elsewhere, begins with this."""


def is_made(name: str) -> bool:
    """Tell whether the operator makes this input of a network: a coordinate, or a mask."""
    return name in ("x", "y") or name.startswith(MASK)
