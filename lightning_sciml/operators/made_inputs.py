"""Inputs of a network that no data hold."""

from collections.abc import Iterable

MASK = "mask_"
"""The name of an input that is 1 where a problem has a field, and 0 elsewhere, begins with this."""
AMPLITUDE = "amplitude_"
"""The name of an input that is ln √(mean u²) of a state u begins with this.

It makes √(mean u²), 1 of a state of zeros, the unit of u where the equation has no scaling group:
see ``DimensionlessNormalization``.
"""


def is_made(name: str) -> bool:
    """Tell whether the operator makes this input: a coordinate, a mask, or an amplitude."""
    return name in ("x", "y") or name.startswith((MASK, AMPLITUDE))


def amplitude_names(inputs: Iterable[str]) -> tuple[str, ...]:
    """List the fields whose amplitudes are among the inputs of a network."""
    return tuple(n.removeprefix(AMPLITUDE) for n in inputs if n.startswith(AMPLITUDE))
