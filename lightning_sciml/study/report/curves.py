"""Error curves over replicates, their bootstrap bands, and the samples that an error takes.

A replicate is a pair (seed, draw of the subset). Arms are compared on the same replicates, so the
bootstrap resamples replicates and not runs: what a lucky subset gives, it gives to all arms.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import Arm, Replicate, ResultRow

NUM_RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Errors of one arm on one test set.

    Attributes:
        arm: what its runs share.
        dataset: the test set.
        num_samples: X numbers of downstream samples, rising; (0,) for zero-shot.
        replicates: R pairs of seed and draw.
        errors: relative L2 of every replicate at every number.
        num_parameters: of the network.
        num_trained_parameters: those that training changes; 0 where it is not known.
    """

    arm: Arm
    dataset: str
    num_samples: tuple[int, ...]
    replicates: tuple[Replicate, ...]
    errors: Float[np.ndarray, "R X"]
    num_parameters: int
    num_trained_parameters: int = 0

    @property
    def mean(self) -> Float[np.ndarray, " X"]:
        """Mean over replicates."""
        return self.errors.mean(axis=0)

    def resampled(self) -> Float[np.ndarray, "B X"]:
        """Means over bootstrap resamples of the replicates; equal ones for equal replicates."""
        return resampling_weights(self.replicates) @ self.errors

    @property
    def band(self) -> Float[np.ndarray, "2 X"]:
        """95 % interval of the mean."""
        return interval(self.resampled())

    def cell(self, column: int, *, has_band: bool = True) -> str:
        """Write a mean error; of several replicates with its interval, unless that is left out."""
        low, high = self.band[:, column]
        is_shown = has_band and len(self.replicates) > 1
        return f"{self.mean[column]:.4f}" + (f" [{low:.4f}, {high:.4f}]" if is_shown else "")

    def on(self, replicates: Sequence[Replicate]) -> "Curve":
        """Restrict the curve to some of its replicates."""
        rows = [self.replicates.index(r) for r in replicates]
        return Curve(**{**vars(self), "replicates": tuple(replicates), "errors": self.errors[rows]})


def interval(values: Float[np.ndarray, "B ..."]) -> Float[np.ndarray, "2 ..."]:
    """Compute the central 95 % over the first axis; infinite values count as large."""
    tail = (1 - CONFIDENCE) / 2
    return np.quantile(values, (tail, 1 - tail), axis=0, method="nearest")


def resampling_weights(replicates: Sequence[Replicate]) -> Float[np.ndarray, "B R"]:
    """Draw weights of replicates in bootstrap resamples, each row adding up to one.

    Where every seed meets every draw, seeds and draws are resampled independently: runs that share
    one of them are not independent (the pigeonhole bootstrap, Owen 2007). Else the pairs are.
    """
    rng = np.random.default_rng(0)
    seeds, draws = (sorted({r[axis] for r in replicates}) for axis in (0, 1))
    is_crossed = min(len(seeds), len(draws)) > 1 and len(replicates) == len(seeds) * len(draws)
    if not is_crossed:
        return _multinomial(rng, len(replicates))
    of_seed, of_draw = _multinomial(rng, len(seeds)), _multinomial(rng, len(draws))
    columns = [(seeds.index(s), draws.index(d)) for s, d in replicates]
    return np.stack([of_seed[:, s] * of_draw[:, d] for s, d in columns], axis=1)


def _multinomial(rng: np.random.Generator, size: int) -> Float[np.ndarray, "B size"]:
    return rng.multinomial(size, np.full(size, 1 / size), NUM_RESAMPLES) / size


def curves(
    rows: Sequence[ResultRow],
    error: Callable[[ResultRow], float | None] = lambda row: row.relative_l2,
) -> list[Curve]:
    """Build curves of all downstream arms at the selected learning rates.

    A replicate counts where it has a result at every number of samples that any replicate has.
    Results without a finite error do not count.
    """
    groups: dict[tuple[str, Arm], list[tuple[ResultRow, float]]] = {}
    for row in rows:
        is_shown = row.is_selected and row.run.init != Init.PRETRAIN
        if is_shown and (value := error(row)) is not None:
            groups.setdefault((row.dataset, row.arm), []).append((row, value))
    return [_curve(dataset, arm, group) for (dataset, arm), group in groups.items()]


def _curve(dataset: str, arm: Arm, rows: Sequence[tuple[ResultRow, float]]) -> Curve:
    errors: dict[Replicate, dict[int, float]] = {}
    for row, value in sorted(rows, key=lambda pair: pair[0].replicate):
        errors.setdefault(row.replicate, {})[row.run.num_samples] = value
    num_samples = sorted({n for of_replicate in errors.values() for n in of_replicate})
    whole = [r for r, of_replicate in errors.items() if len(of_replicate) == len(num_samples)]
    if not whole:  # an unfinished study: what all have so far
        sizes = [set(of_replicate) for of_replicate in errors.values()]
        shared = set.intersection(*sizes) or max(sizes, key=len)
        whole = [r for r, of_replicate in errors.items() if shared <= set(of_replicate)]
        num_samples = sorted(shared)
    return Curve(
        arm=arm,
        dataset=dataset,
        num_samples=tuple(num_samples),
        replicates=tuple(whole),
        errors=np.array([[errors[r][n] for n in num_samples] for r in whole]),
        num_parameters=max(row.result.num_parameters for row, _ in rows),
        num_trained_parameters=max(row.result.num_trained_parameters or 0 for row, _ in rows),
    )


@dataclass(frozen=True, kw_only=True)
class Amount:
    """A number of samples, or a ratio of two, with its 95 % interval.

    Attributes:
        value: the number; the bound where there is only one.
        bound: "" where the data contain it, "≤" or ">" where they end before.
        interval: infinite where resamples do not reach the error; None of one replicate.
    """

    value: float
    bound: str
    interval: tuple[float, float] | None

    def __str__(self) -> str:
        if self.bound or self.interval is None:
            return f"{self.bound} {self.value:.3g}".strip()
        low, high = (f"{x:.3g}" if np.isfinite(x) else "∞" for x in self.interval)
        return f"{self.value:.3g} [{low}, {high}]"


def samples_needed(curve: Curve, target: float) -> Amount:
    """Find the samples at which the mean error falls to `target`, interpolated in logarithms."""
    value, bound = _crossing(curve.num_samples, curve.mean, target)
    resampled = _crossings(curve, target)
    return Amount(value=value, bound=bound, interval=_interval_over(curve.replicates, resampled))


def samples_ratio(slow: Curve, fast: Curve, target: float) -> Amount | None:
    """Divide the samples that one arm needs for an error by those of another, paired.

    None where neither ends in a number: no replicate in common, or `fast` does not reach it.
    """
    common = [r for r in slow.replicates if r in fast.replicates]
    if not common:
        return None
    slow, fast = slow.on(common), fast.on(common)
    above, above_bound = _crossing(slow.num_samples, slow.mean, target)
    below, below_bound = _crossing(fast.num_samples, fast.mean, target)
    if below_bound == ">" or above_bound == "≤":
        return None
    of_slow, of_fast = _crossings(slow, target), _crossings(fast, target)
    is_reached = np.isfinite(of_fast)
    ratios = np.divide(of_slow, of_fast, out=np.zeros_like(of_slow), where=is_reached)
    bound = "≥" if above_bound or below_bound else ""
    return Amount(value=above / below, bound=bound, interval=_interval_over(common, ratios))


def _interval_over(
    replicates: Sequence[Replicate], values: Float[np.ndarray, " B"]
) -> tuple[float, float] | None:
    """Compute the interval of values over resamples; None of one replicate, which has none."""
    low, high = interval(values)
    return (float(low), float(high)) if len(replicates) > 1 else None


def _crossings(curve: Curve, target: float) -> Float[np.ndarray, " B"]:
    """Find the samples that resamples of a curve need; infinite where they do not reach it."""
    found = (_crossing(curve.num_samples, errors, target) for errors in curve.resampled())
    return np.array([np.inf if bound == ">" else value for value, bound in found])


def _crossing(
    num_samples: Sequence[int], errors: Float[np.ndarray, " X"], target: float
) -> tuple[float, str]:
    reached = np.flatnonzero(errors <= target)
    if not len(reached):
        return float(num_samples[-1]), ">"
    i = reached[0]
    if i == 0:
        return float(num_samples[0]), "≤"
    x, y = np.log(num_samples[i - 1 : i + 1]), np.log(errors[i - 1 : i + 1])
    share = (y[0] - np.log(target)) / (y[0] - y[1])
    return float(np.exp(x[0] + share * (x[1] - x[0]))), ""
