"""The units of a problem: what makes problems that differ by a scale alone one problem.

Where an equation has a scaling group, the problem (f/U, c/U_c, Δt/U_t) in units U that scale as its
quantities do is the same for all members of an orbit, and its solution times the unit of u is the
solution of each. The arithmetic is that of NumPy and of torch.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

NamedFields = Mapping[str, Float[Any, "B H W"]]
LeadTimes = Float[Any, " B"]
SOLUTION = "solution"
"""The key of the unit of a steady problem's only output, whatever its name."""
_TINY = float(np.finfo(np.float32).tiny)


class Units(NamedTuple):
    """What the quantities of each problem are divided by.

    Attributes:
        fields: of its fields by name: states, sources, and ``SOLUTION``.
        coefficients: of all of the equation's.
        time: of the lead time; of a steady problem none.
    """

    fields: Mapping[str, Float[Any, " B"]]
    coefficients: Float[Any, " B"]
    time: Float[Any, " B"] | None = None


def positive(values: Float[Any, "*n"], xp: Any = np) -> Float[Any, "*n"]:
    """Raise what is zero to the smallest normal number of float32, to divide by it.

    Args:
        values: not negative.
        xp: ``numpy`` or ``torch``.
    """
    return xp.clip(values, _TINY, None)


def root_mean_square(*fields: Float[Any, "B H W"], xp: Any = np) -> Float[Any, " B"]:
    """Compute √(mean u²) of each sample, over the grid and the given fields; positive.

    Args:
        fields: components of a vector, or one scalar.
        xp: ``numpy`` or ``torch``.
    """
    squares = [(u * u).mean((-2, -1)) for u in fields]
    return xp.sqrt(positive(sum(squares[1:], squares[0]) / len(squares), xp))


def geometric_mean(field: Float[Any, "B H W"], xp: Any = np) -> Float[Any, " B"]:
    """Compute exp(mean ln a) of each sample, over the grid.

    Args:
        field: a, positive.
        xp: ``numpy`` or ``torch``.
    """
    return xp.exp(xp.log(positive(field, xp)).mean((-2, -1)))


def amplitude(field: Float[Any, "B H W"], xp: Any = np) -> Float[Any, " B"]:
    """Compute √(mean u²) of each sample over the grid; 1 of a field of zeros, which has no unit.

    Args:
        field: u.
        xp: ``numpy`` or ``torch``.
    """
    square = (field * field).mean((-2, -1))
    return xp.sqrt(xp.where(square > _TINY, square, xp.ones_like(square)))


def amplitudes(
    fields: NamedFields, names: Collection[str], xp: Any = np
) -> dict[str, Float[Any, " B"]]:
    """Compute the amplitude of each sample, of those fields that have one of these names.

    Args:
        fields: scalars by name.
        names: which of them are asked for.
        xp: ``numpy`` or ``torch``.
    """
    return {name: amplitude(u, xp) for name, u in fields.items() if name in names}
