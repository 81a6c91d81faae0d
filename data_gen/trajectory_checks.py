"""What is measured of trajectories while they are integrated, and the bounds on it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32

from data_gen.etdrk import Integrator
from data_gen.evolution_configuration import EvolutionConfig
from data_gen.float32_range import LEAST_FIELD
from data_gen.slab_exchange import Reductions
from data_gen.step_trial import MARGIN, enough_steps
from lightning_sciml.errors import InputError


class TrajectoryNorms:
    """Collects what ``field_norms`` computes, in an order that a division of the grid keeps.

    Args:
        shape: (T, B, F), stored times, samples and fields.
        reductions: over the grid.
    """

    def __init__(self, shape: tuple[int, int, int], reductions: Reductions) -> None:
        self._reductions = reductions
        self._of_states = np.empty((3, *shape))

    def add(self, t: int, stored: Float32[np.ndarray, "B F H W"]) -> None:
        """Take in the states at time t as they are stored."""
        squares, sums, largest = self._of_states[:, t]
        largest[:] = self._reductions.largest(np.abs(stored).max(axis=(-2, -1)))
        values = stored.astype(np.float64)  # sums that convert on the way split rows into pieces
        sums[:] = self._reductions.sum(values.sum(axis=-1))
        squares[:] = self._reductions.sum(np.square(values, out=values).sum(axis=-1))

    @property
    def largest(self) -> Float[np.ndarray, "T B"]:
        """Return max|u| of each state, over its fields."""
        return self._of_states[2].max(axis=-1)

    def rms(self, num_points: int) -> Float[np.ndarray, "T B F"]:
        """Return √(mean u²) of each state on so many points."""
        return np.sqrt(self._of_states[0] / num_points)

    def columns(self, num_points: int) -> Float[np.ndarray, "B 3F"]:
        """Return the columns of ``norm_names`` for states on so many points."""
        squares, sums, largest = self._of_states
        number = num_points * len(squares)
        norms, means = np.sqrt(squares.sum(axis=0) / number), sums.sum(axis=0) / number
        return np.concatenate([norms, means, largest.max(axis=0)], axis=1)


def relative_difference(
    state: Float[np.ndarray, "B F H W"],
    reference: Float[np.ndarray, "B F H W"],
    reductions: Reductions,
) -> Float[np.ndarray, " B"]:
    """‖u - v‖ / ‖v‖ over all fields; 0 where v vanishes, which ``check_sizes`` rejects."""
    difference, norm = (
        np.sqrt(reductions.sum(np.square(u).sum(axis=-1).sum(axis=1)))
        for u in (state - reference, reference)
    )
    has_digits = ~(norm < LEAST_FIELD)  # NaN has, and stays
    return np.divide(difference, norm, out=np.zeros_like(norm), where=has_digits)


def spectral_tail(integrator: Integrator, reductions: Reductions) -> Float[np.ndarray, " B"]:
    """Share of the L2 norm that lies in modes with |ky| > ⅔ K_y or |kx| > ⅔ K_x."""
    transform = integrator.transform
    (K_y, K_x), columns = transform.max_modes, transform.columns
    squares = np.square(integrator.u_hat.view(np.float64))  # of real and imaginary parts
    upper, lower = squares[:, :, 0], squares[:, :, 1, ::-1]  # |ky| = 0 … K_y; 1 … K_y, zeros
    last = 2 * K_y // 3  # of the low ones
    low = _sum_of_columns(upper[:, :, : last + 1], lower[:, :, :last])
    high = _sum_of_columns(upper[:, :, last + 1 :], lower[:, :, last:])
    kx = np.arange(columns.start, columns.stop)
    weights = np.where(kx > 0, 2.0, 1.0)  # -kx, too
    tail, whole = (
        reductions.sum(weights * part) for part in (high + low * (3 * kx > 2 * K_x), high + low)
    )
    return np.sqrt(np.divide(tail, whole, out=np.zeros_like(whole), where=whole > 0))


def _sum_of_columns(*rows: Float[np.ndarray, "F B r 2*columns"]) -> Float[np.ndarray, "B columns"]:
    """Sum squares of real and imaginary parts over rows and fields."""
    of_parts = sum(part.sum(axis=2).sum(axis=0) for part in rows)
    return of_parts.reshape(len(of_parts), -1, 2).sum(axis=-1)


def check_finite(
    stored: Float32[np.ndarray, "B F H W"],
    reductions: Reductions,
    labels: Sequence[str],
    time: float,
    steps: int,
) -> None:
    """Reject states that are not finite in float32.

    Raises:
        InputError: naming the first of them, and the time.
    """
    num_wrong = reductions.sum((~np.isfinite(stored).all(axis=-1)).sum(axis=1))
    if num_wrong.any():
        raise InputError(
            f"{labels[int(num_wrong.astype(bool).argmax())]} is not finite at time {time:g} with "
            f"steps={steps}; raise steps, say to {2 * steps}, or choose milder coefficients"
        )


def check_time_errors(
    errors: Float[np.ndarray, "T B"], labels: Sequence[str], config: EvolutionConfig
) -> None:
    """Reject a trajectory whose largest error is above the bound.

    Raises:
        InputError: naming the first of them, the time, and the steps that will do.
    """
    largest, bound = errors.max(axis=0, initial=0.0), config.max_time_error
    for error, label, over_time in zip(largest, labels, errors.T, strict=True):
        if not error <= bound:  # NaN as well
            time = config.times.values[int(np.argmax(~(over_time <= bound)))]
            wanted = enough_steps(int(config.steps), float(error), bound / MARGIN)
            raise InputError(
                f"{label} has a time error of {error:.1e}, above max_time_error={bound:g} from "
                f"time {time:g} on, with steps={config.steps}; set steps={wanted}, or where the "
                "system is chaotic an earlier error_horizon"
            )


def check_tails(
    tails: Float[np.ndarray, "T B"], labels: Sequence[str], config: EvolutionConfig
) -> None:
    """Reject a trajectory that its grid does not resolve.

    Raises:
        InputError: naming the first of them, and the time.
    """
    bound = config.max_spectral_tail
    for label, over_time in zip(labels, tails.T, strict=True):
        if over_time.max() > bound:
            first = int(np.argmax(over_time > bound))
            milder = (
                "choose smoother initial states or coefficients"
                if config.times.values[first]
                else f"lower initial_state.num_modes={config.initial_state.num_modes}"
            )
            raise InputError(
                f"{label} is not resolved at time {config.times.values[first]:g}: the highest "
                f"third of its modes has {over_time[first]:.1e} of its norm, max_spectral_tail is "
                f"{bound:g}; raise num_points={config.num_points}, or {milder}"
            )


def check_sizes(
    largest: Float[np.ndarray, "T B"], labels: Sequence[str], config: EvolutionConfig
) -> None:
    """Reject a trajectory that decays until float32 loses its digits.

    Raises:
        InputError: naming the first of them, and the time.
    """
    for label, over_time in zip(labels, largest.T, strict=True):
        if over_time.min() < LEAST_FIELD:
            first = int(np.argmax(over_time < LEAST_FIELD))
            raise InputError(
                f"{label} has max|u| = {over_time[first]:.1e} at time "
                f"{config.times.values[first]:g}, float32 holds {LEAST_FIELD:.0e} and more; "
                "choose earlier times, or larger initial states"
            )
