"""The instants at which states of a trajectory are stored."""

import math
from dataclasses import dataclass

from lightning_sciml.errors import InputError

_MAX_TIMES = 1_000_000  # which one manifest lists
_DIGITS = 12
_NEAR = 1e-9  # relative; decimal fractions are not exact


@dataclass(frozen=True, kw_only=True)
class StoredTimes:
    """t_i = first + i · interval, i = 0 … num - 1.

    Args:
        interval: time between stored states.
        num: stored states of a trajectory.
        first: time of the first stored state; trajectories begin at 0, and what is before the first
            is computed and left out.
    """

    interval: float
    num: int
    first: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.interval < math.inf or not 0 <= self.first < math.inf:
            raise InputError(
                "times.interval must be positive and times.first not negative, got "
                f"{self.interval:g} and {self.first:g}"
            )
        if not 2 <= self.num <= _MAX_TIMES or self.first > _MAX_TIMES * self.interval:
            raise InputError(
                f"times.num must be 2 … {_MAX_TIMES:,} and times.first at most as many intervals, "
                f"got {self.num} and {self.first:g}"
            )

    @property
    def values(self) -> tuple[float, ...]:
        """All times, without the digits that rounding adds to decimal fractions."""
        times = (self.first + i * self.interval for i in range(self.num))
        return tuple(float(f"{time:.{_DIGITS}g}") for time in times)

    def steps_to_first(self, steps: int) -> int:
        """Count the steps to the first time, of as many to an interval.

        Raises:
            InputError: they do not end there.
        """
        number = self.first / self.interval * steps
        if abs(number - round(number)) > _NEAR * max(1, number):
            raise InputError(
                f"times.first must be a multiple of the step {self.interval / steps:g}, got "
                f"{self.first:g}; change steps or times"
            )
        return round(number)

    def index(self, time: float) -> int:
        """Find a time among those stored.

        Raises:
            InputError: it is not stored.
        """
        differences = [abs(stored - time) for stored in self.values]
        nearest = min(range(self.num), key=differences.__getitem__)
        if not differences[nearest] <= _NEAR * self.num * self.interval:  # NaN as well
            raise InputError(
                f"error_horizon must be a stored time, got {time:g}; times are {self.first:g}, "
                f"{self.values[1]:g} … {self.values[-1]:g}"
            )
        return nearest
