"""A solver of a data set at several accuracies: what a solve costs, and how wrong it is.

Seconds are those of the processor: other programs on the machine do not count.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from time import process_time
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

Rows = Int64[np.ndarray, " B"]
States = Float[np.ndarray, "B K F H W"]
_MOST_BYTES = 1 << 27  # of the states that are computed at a time, beyond the samples asked for


class UnstableError(ArithmeticError):
    """A solver has left all numbers."""


class Variant(NamedTuple):
    """A solver with one choice of grid, step, tolerance and precision.

    Attributes:
        line: what variants have in common that differ in one choice alone.
        name: of the variant, with all choices.
        block: samples that are best computed together.
        solve: for some of the samples; raises ``UnstableError``.
    """

    line: str
    name: str
    block: int
    solve: Callable[[Rows], States]


class Measured(NamedTuple):
    """Seconds a solve in each repeat, and the mean error; infinite where the solver is unstable."""

    elapsed_s: list[float]
    error: float


class SolverVariants(ABC):
    """Solvers of some samples of a data set, from the one that made it to cheaper ones.

    Attributes:
        reference: what the data set holds of them, on its grid.
    """

    reference: States

    @abstractmethod
    def lines(self) -> Iterator[list[Variant]]:
        """List the variants of each line, from the most accurate to the cheapest."""

    @abstractmethod
    def generation(self) -> Variant:
        """Return what has made a whole sample of the data set, at full accuracy."""

    def measure(self, variant: Variant, num_repeats: int) -> Measured:
        """Time a variant, in blocks as data sets are made, and compare it with the data set.

        Samples are repeated where there are fewer than a block.
        """
        number = len(self.reference)
        most = max(number, _MOST_BYTES // self.reference[0].nbytes)
        rows = np.arange(min(max(number, variant.block), most)) % number
        elapsed_s = []
        for _ in range(num_repeats):
            started_at = process_time()
            try:
                found = variant.solve(rows)
            except UnstableError:
                return Measured([(process_time() - started_at) / len(rows)], np.inf)
            elapsed_s.append((process_time() - started_at) / len(rows))
        return Measured(elapsed_s, mean_relative_l2(found[:number], self.reference))

    def measure_generation(self, num_repeats: int) -> list[float]:
        """Time the making of samples: seconds each, in each repeat."""
        variant = self.generation()
        rows, elapsed_s = np.arange(variant.block) % len(self.reference), []
        for _ in range(num_repeats):
            started_at = process_time()
            variant.solve(rows)
            elapsed_s.append((process_time() - started_at) / len(rows))
        return elapsed_s


def mean_relative_l2(found: States, reference: States) -> float:
    """Return ‖û - u‖₂ / ‖u‖₂, averaged over samples, steps and fields."""
    with np.errstate(over="ignore", invalid="ignore"):
        error, norm = (
            np.sqrt(np.square(u, dtype=np.float64).sum(axis=(-2, -1)))
            for u in (np.subtract(found, reference, dtype=np.float64), reference)
        )
        mean = float((error / norm).mean())
    return mean if np.isfinite(mean) else np.inf
