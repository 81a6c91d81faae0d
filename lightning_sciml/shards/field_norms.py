"""Norms of the fields of samples: what statistics are computed from."""

import math

import numpy as np
from jaxtyping import Float, Float32

_CHUNK = 2**15  # numbers in float64 that stay in the cache


def field_norms(
    inputs: Float32[np.ndarray, "n S H W"], targets: Float32[np.ndarray, "n T F H W"]
) -> Float[np.ndarray, "n k"]:
    """Compute the columns of ``norm_names`` in float64; targets over all times, T = 1 if steady."""
    fields = [*inputs.swapaxes(0, 1)[:, :, None], *targets.transpose(2, 0, 1, 3, 4)]
    norms, means, largest = np.stack([_moments(field) for field in fields]).T  # each (n, S + F)
    return np.concatenate([norms, means, largest[:, inputs.shape[1] :]], axis=1)


def _moments(field: Float32[np.ndarray, "n T H W"]) -> Float[np.ndarray, "n 3"]:
    """Compute root mean square, mean and largest magnitude, a few states at a time."""
    num_states = max(1, _CHUNK // (field.shape[2] * field.shape[3]))
    sums = np.zeros((len(field), 3))
    for sample, of_sample in zip(field, sums, strict=True):
        for first in range(0, len(sample), num_states):
            part = sample[first : first + num_states].astype(np.float64)
            of_sample[1] += part.sum()
            of_sample[2] = np.maximum(of_sample[2], np.maximum(part.max(), -part.min()))
            of_sample[0] += np.square(part, out=part).sum()
    sums[:, :2] /= max(1, math.prod(field.shape[1:]))
    sums[:, 0] = np.sqrt(sums[:, 0])
    return sums
