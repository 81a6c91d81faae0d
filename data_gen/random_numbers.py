"""Random numbers as a function of (seed, split, sample index, attempt) and nothing else."""

import numpy as np
from jaxtyping import Float, Int64

from lightning_sciml.shards.schema import SPLITS

_WORDS_PER_COUNT = 4  # Philox-4×64 gives four 64-bit words for each value of its counter


def sample_uniforms(
    seed: int, split: str, indices: Int64[np.ndarray, " B"], *, attempt: int, count: int
) -> Float[np.ndarray, "B count"]:
    """Draw ``count`` numbers uniform in [0, 1) for each sample, with 53 random bits.

    The key of Philox is (seed, split), its counter (index, attempt): samples are independent, and
    a run of consecutive indices in one call gives the same bits as one call for each.
    """
    counts_per_sample = -(-count // _WORDS_PER_COUNT)
    words = np.empty((len(indices), counts_per_sample * _WORDS_PER_COUNT), np.uint64)
    run_starts = np.flatnonzero(np.diff(indices, prepend=indices[0] - 2) != 1)
    for start, stop in zip(run_starts, [*run_starts[1:], len(indices)], strict=True):
        generator = np.random.Philox(
            key=[seed, SPLITS.index(split)],
            counter=[int(indices[start]) * counts_per_sample, attempt, 0, 0],
        )
        words[start:stop] = generator.random_raw(words[start:stop].size).reshape(stop - start, -1)
    return (words[:, :count] >> np.uint64(11)) * 2.0**-53


def standard_normals(uniforms: Float[np.ndarray, "*batch 2*n"]) -> Float[np.ndarray, "*batch 2*n"]:
    """Turn uniform numbers into as many standard normal ones, pair by pair.

    Source: G. E. P. Box, M. E. Muller, Ann. Math. Statist. 29 (1958) 610.
    """
    radius = np.sqrt(-2 * np.log1p(-uniforms[..., 0::2]))
    angle = 2 * np.pi * uniforms[..., 1::2]
    normals = np.empty_like(uniforms)
    np.multiply(radius, np.cos(angle), out=normals[..., 0::2])
    np.multiply(radius, np.sin(angle), out=normals[..., 1::2])
    return normals
