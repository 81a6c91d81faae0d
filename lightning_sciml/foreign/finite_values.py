"""Find values that are not finite: damaged samples, and trajectories that are padded with NaN."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from lightning_sciml.errors import InputError


def check_finite(
    origin: Path | str,
    name: str,
    values: Float[np.ndarray, "n ..."],
    first_index: int,
    times: Sequence[float],
) -> None:
    """Check the values of some samples.

    Args:
        origin: the file.
        name: of the field or coefficient.
        values: (n, T, H, W) for states, else (n, H, W) or (n,).
        first_index: of the samples, in the file.
        times: of the states.

    Raises:
        InputError: naming the first sample with such values and, of states, the time.
    """
    finite = np.isfinite(values)
    of_samples = finite.reshape(len(values), -1).all(axis=1)
    if of_samples.all():
        return
    row = int(np.flatnonzero(~of_samples)[0])
    last_index = first_index + len(values) - 1
    others = (
        f"{name} with values that are not finite in float32, as have "
        f"{np.count_nonzero(~of_samples)} of samples {first_index} … {last_index}"
    )
    if values.ndim < 4:
        raise InputError(f"{origin}: sample {first_index + row} has {others}; leave them out")
    of_times = finite[row].reshape(len(times), -1).all(axis=1)
    begin = int(np.flatnonzero(~of_times)[0])
    place, remedy = f"at time {times[begin]:g}", "leave it out"
    if begin > 1 and np.isnan(values[row, begin:]).all():
        place = f"from time {times[begin]:g} on is padded with NaN:"
        remedy = f"cut all trajectories to their first {begin} times, or leave it out"
    raise InputError(
        f"{origin}: sample {first_index + row} {place} (number {begin} of 0 … {len(times) - 1}) "
        f"has {others}; {remedy}"
    )
