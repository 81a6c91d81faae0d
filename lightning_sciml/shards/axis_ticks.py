"""Ticks of logarithmic axes: at least two with labels of one size, however short the axis."""

import math

from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, StrMethodFormatter

MOST = 7


def label_log_axis(axis: Axis) -> None:
    """Label a logarithmic axis between its limits, which must not change after this."""
    low, high = sorted(axis.get_view_interval())
    axis.set_major_locator(FixedLocator(log_ticks(float(low), float(high))))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def log_ticks(low: float, high: float) -> list[float]:
    """Return the roundest two to seven values in [low, high], 0 < low < high.

    Powers of ten; else 1, 2, 5 times one; else whole multiples of one; else evenly spaced values.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 2, 5), range(1, 10)):
        ticks = [digit * 10.0**k for k in decades for digit in digits]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) > 2:
            return inside[:: math.ceil(len(inside) / MOST)]
    even = MaxNLocator(4, min_n_ticks=2).tick_values(low, high)
    inside = [float(tick) for tick in even if low <= tick <= high]
    return inside if len(inside) > 1 else [low, high]
