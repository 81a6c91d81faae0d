"""Coefficients of ETDRK4 without cancellation, as means over circles in the complex plane.

Source: A.-K. Kassam, L. N. Trefethen, SIAM J. Sci. Comput. 26 (2005) 1214.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from data_gen.aligned_memory import aligned_zeros

_NUM_CIRCLE_POINTS = 32
_CHUNK = 8192  # modes at a time: work arrays stay in the cache


class StepCoefficients(NamedTuple):
    """What ETDRK4 multiplies by, each for every field, sample and mode.

    Attributes:
        whole: exp(Lh).
        half: exp(Lh/2).
        stage: (exp(Lh/2) - 1)/L.
        first: of N(u) in the step.
        middle: of the sum of both stages at h/2.
        last: of the stage at h.
    """

    whole: np.ndarray
    half: np.ndarray
    stage: np.ndarray
    first: np.ndarray
    middle: np.ndarray
    last: np.ndarray


def step_coefficients(
    symbol: Shaped[np.ndarray, "*B K"], step: float, times: int = 1
) -> StepCoefficients:
    """Compute them for û_t = symbol û + N̂, without cancellation where symbol · step is small.

    Each function is the mean of its values on a circle round z = Lh; of a real z both halves of the
    circle are conjugate, and one does.

    Args:
        symbol: L.
        step: h.
        times: that each number stands in the last axis, one after the other.
    """
    z = step * symbol.ravel()
    found = [aligned_zeros((z.size, times), z.dtype) for _ in StepCoefficients._fields]
    for start in range(0, z.size, _CHUNK):
        chunk = slice(start, start + _CHUNK)
        for numbers, values in zip(found, _of_chunk(z[chunk], step), strict=True):
            numbers[chunk] = values[:, None]
    return StepCoefficients(*(numbers.reshape(*symbol.shape[:-1], -1) for numbers in found))


def _of_chunk(z: Shaped[np.ndarray, " n"], step: float) -> Sequence[Shaped[np.ndarray, " n"]]:
    is_real = np.isrealobj(z)
    num_points = _NUM_CIRCLE_POINTS // 2 if is_real else _NUM_CIRCLE_POINTS
    turns = (np.arange(num_points) + 0.5) / _NUM_CIRCLE_POINTS
    sums = np.zeros((4, *z.shape), np.complex128)
    for point in np.exp(2j * np.pi * turns):
        w = z + point
        growth = np.exp(w)
        sums[0] += (np.exp(w / 2) - 1) / w
        sums[1] += (-4 - w + growth * (4 - 3 * w + w * w)) / w**3
        sums[2] += 2 * (2 + w + growth * (w - 2)) / w**3
        sums[3] += (-4 - 3 * w - w * w + growth * (4 - w)) / w**3
    means = step / num_points * (sums.real if is_real else sums)
    return np.exp(z), np.exp(z / 2), *means
