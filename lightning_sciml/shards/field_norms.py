"""Norms of the fields of samples: what statistics are computed from."""

import numpy as np
from jaxtyping import Float, Float32


def field_norms(
    inputs: Float32[np.ndarray, "n S H W"], targets: Float32[np.ndarray, "n T F H W"]
) -> Float[np.ndarray, "n k"]:
    """Compute the columns of ``norm_names`` in float64; targets over all times, T = 1 if steady."""
    fields = [*inputs.swapaxes(0, 1), *targets.transpose(2, 0, 1, 3, 4)]
    flat = [field.reshape(len(field), -1) for field in fields]
    largest = [np.abs(field).max(axis=1) for field in flat[inputs.shape[1] :]]
    norms = [np.sqrt(np.square(field, dtype=np.float64).mean(axis=1)) for field in flat]
    means = [field.mean(axis=1, dtype=np.float64) for field in flat]
    return np.stack([*norms, *means, *largest], axis=1)
