"""After how many solves a network has paid for its data, its search and its training.

A network is compared with the cheapest solver whose error is no larger. One that costs more a solve
than that never pays.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float

from lightning_sciml.study.execution.costs import SolverCost
from lightning_sciml.study.report.curves import interval

NEVER = math.inf


class Seconds(NamedTuple):
    """Seconds of a core, with the smallest and the largest that repeats have given."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, elapsed_s: Sequence[float]) -> Self:
        """Sum up repeats."""
        return cls(float(np.median(elapsed_s)), min(elapsed_s), max(elapsed_s))

    @classmethod
    def exactly(cls, elapsed_s: float) -> Self:
        """Take what was measured once."""
        return cls(elapsed_s, elapsed_s, elapsed_s)

    def times(self, number: float) -> "Seconds":
        """Multiply by a number that is not negative."""
        return Seconds(*(number * value for value in self))

    def plus(self, other: "Seconds") -> "Seconds":
        """Add others, whose extremes may fall together."""
        return Seconds(*(a + b for a, b in zip(self, other, strict=True)))


class BreakEven(NamedTuple):
    """A number of solves, infinite for never, and its 95 % interval.

    Attributes:
        num_solves: after which the network has paid.
        interval: over resampled replicates for the error, at the extremes of repeats for times.
        is_least: whether some of what was paid is not known.
    """

    num_solves: float
    interval: tuple[float, float]
    is_least: bool = False

    def __str__(self) -> str:
        value, low, high = map(_shown, (self.num_solves, *self.interval))
        bound = "at least " if self.is_least and math.isfinite(self.num_solves) else ""
        return bound + (value if low == value == high else f"{value} [{low}, {high}]")


def cheapest(solver: Sequence[SolverCost], error: float) -> SolverCost:
    """Find the cheapest variant whose error is no larger; where none is, the most accurate one.

    At least one of the variants has an error.
    """
    stable = [(v.error, v) for v in solver if v.error is not None]
    enough = [v for own, v in stable if own <= error]
    if enough:
        return min(enough, key=lambda v: float(np.median(v.elapsed_s)))
    return min(stable, key=lambda pair: pair[0])[1]


def front(solver: Sequence[SolverCost]) -> list[SolverCost]:
    """List the variants that no other one beats in time and in error, the most accurate first."""
    stable = [(v.error, float(np.median(v.elapsed_s)), v) for v in solver if v.error is not None]
    kept: list[SolverCost] = []
    least = math.inf
    for _, elapsed_s, variant in sorted(stable, key=lambda item: item[:2]):
        if elapsed_s < least:
            least = elapsed_s
            kept.append(variant)
    return kept


def break_even(
    paid: Seconds,
    network: Seconds,
    solver: Sequence[SolverCost],
    error: float,
    resampled: Float[np.ndarray, " B"],
    *,
    is_least: bool = False,
) -> BreakEven:
    """Divide what was paid by what a solve saves.

    Args:
        paid: for generation, search and training.
        network: of a solve by the network.
        solver: its variants.
        error: mean of the network's.
        resampled: means over bootstrap resamples of its replicates.
        is_least: whether some of what was paid is not known.
    """
    of_front = front(solver)
    times = {v.name: Seconds.of(v.elapsed_s) for v in of_front}
    at_errors = [times[cheapest(of_front, e).name] for e in resampled]
    fewest = [_solves(paid.low, s.high - network.low) for s in at_errors]
    most = [_solves(paid.high, s.low - network.high) for s in at_errors]
    low, high = interval(np.array(fewest))[0], interval(np.array(most))[1]
    saved = times[cheapest(of_front, error).name].median - network.median
    return BreakEven(_solves(paid.median, saved), (float(low), float(high)), is_least)


def _solves(paid_s: float, saved_s: float) -> float:
    return paid_s / saved_s if saved_s > 0 else NEVER


def _shown(number: float) -> str:
    if not math.isfinite(number):
        return "never"
    return f"{number:,.0f}" if number < 1e7 else f"{number:.2g}"
