"""Draws whose max|u| is too large: warn when a sample takes many, end where none will be kept."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int64

from lightning_sciml.errors import InputError

if TYPE_CHECKING:
    from data_gen.coefficients import Coefficients
    from data_gen.decomposition import ShardTask

MANY_DRAWS = 1000
MAX_ATTEMPTS = 100_000
# After so many draws that all miss the limit by this factor, MAX_ATTEMPTS would not meet it either.
_FAR = {100: 1e4, MANY_DRAWS: 10.0}


class Rejections:
    """Watches the rejected draws of one shard.

    Args:
        task: the shard.
        coefficients: say which draws are rejected.
        warn: called with one line when a sample has been rejected a thousand times.
    """

    def __init__(
        self, task: "ShardTask", coefficients: "Coefficients", warn: Callable[[str], object]
    ) -> None:
        self._task = task
        self._coefficients = coefficients
        self._warn = warn
        self._least = np.full(task.num_samples, np.inf)
        self._num_attempts = 0
        self.num_draws = 0

    def add(self, rows: Int64[np.ndarray, " R"], solution_max: Float[np.ndarray, " R"]) -> None:
        """Note that one more draw was rejected of each sample in these rows of the shard.

        Raises:
            InputError: no draw of the sample, which is named, will be kept.
        """
        self._num_attempts += 1
        self.num_draws += rows.size
        self._least[rows] = np.fmin(self._least[rows], solution_max)
        row, num_draws = int(rows[self._least[rows].argmax()]), self._num_attempts
        least = self._least[row]
        if rows.size == self._task.num_samples:  # all draws are of the same distribution
            row, num_draws, least = int(rows[0]), self.num_draws, self._least.min()
        limit, remedy = self._coefficients.max_solution, "raise coefficients.max_solution"
        if self._coefficients.resample == "source":
            remedy += " or choose coefficients.resample: all"
        line = (
            f"{self._task.split} sample {self._task.first_index + row} was rejected: of "
            f"{num_draws:,} draws the smallest max|u| is {least:.2g}, max_solution is {limit:g}; "
            f"{remedy}"
        )
        miss = least / limit
        is_far = any(num_draws >= many and miss > far for many, far in _FAR.items())
        if is_far or self._num_attempts >= MAX_ATTEMPTS:
            raise InputError(line)
        if self._num_attempts == MANY_DRAWS:
            self._warn(f"warning: {line}")
