"""Errors of rollouts over replicates: by lead time, and in one number."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lightning_sciml.shards.titles import words
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import Arm, Replicate, ResultRow
from lightning_sciml.study.execution.rollout_results import Number, Rollout
from lightning_sciml.study.report.curves import interval, resampling_weights
from lightning_sciml.study.report.styles import Styles

BLOWN_UP = 10.0
"""Error over all steps that a run counts with where a rollout of it has left all bounds."""


@dataclass(frozen=True, kw_only=True)
class LeadCurve:
    """Rollouts of one arm on one test set, with one number of downstream samples.

    Attributes:
        arm: what its runs share.
        dataset: the test set.
        num_samples: downstream samples; 0 for zero-shot.
        replicates: R pairs of seed and draw.
        rollouts: of each replicate.
    """

    arm: Arm
    dataset: str
    num_samples: int
    replicates: tuple[Replicate, ...]
    rollouts: tuple[Rollout, ...]

    @property
    def lead_times(self) -> list[float]:
        """Lead times of the K steps."""
        return self.rollouts[0].lead_times

    @property
    def errors(self) -> Float[np.ndarray, "R K"]:
        """Relative L2 of every replicate at every step; NaN where no trajectory is in bounds."""
        return np.array([rollout.relative_l2 for rollout in self.rollouts], dtype=float)

    def drift(self, name: str) -> Float[np.ndarray, "R K"]:
        """Drift of an invariant, or violation of its budget, of every replicate at every step."""
        return np.array([rollout.drift[name] for rollout in self.rollouts], dtype=float)

    @property
    def num_blown_up(self) -> int:
        """Count the rollouts of all replicates that leave all bounds."""
        return sum(rollout.num_blown_up for rollout in self.rollouts)

    @property
    def first_left(self) -> int | None:
        """Number of the first step at which a rollout has left all bounds; None without any."""
        steps = np.flatnonzero(np.any([r.num_left_out for r in self.rollouts], axis=0))
        return int(steps[0]) if len(steps) else None

    def mean_and_band(
        self, values: Float[np.ndarray, "R ..."]
    ) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "2 ..."]]:
        """Mean over replicates, and its 95 % interval over bootstrap resamples of them."""
        return values.mean(axis=0), interval(resampling_weights(self.replicates) @ values)

    def cell(self, number: Callable[[Rollout], Number]) -> str:
        """Write a number of rollouts as its mean with its interval; "-" where one is missing."""
        values = np.array([number(rollout) for rollout in self.rollouts], dtype=float)
        if np.isnan(values).any():
            return "-"
        mean, (low, high) = self.mean_and_band(values)
        is_band = len(self.replicates) > 1
        return f"{mean:.3g}" + (f" [{low:.3g}, {high:.3g}]" if is_band else "")


def lead_curves(rows: Sequence[ResultRow]) -> list[LeadCurve]:
    """Collect the rollouts of all downstream arms at the selected learning rates."""
    groups: dict[tuple[str, Arm, int], list[ResultRow]] = {}
    for row in rows:
        if row.is_selected and row.run.init != Init.PRETRAIN and row.rollout is not None:
            groups.setdefault((row.dataset, row.arm, row.run.num_samples), []).append(row)
    found = []
    for (dataset, arm, num_samples), own in groups.items():
        ordered = sorted(own, key=lambda row: row.replicate)
        found.append(
            LeadCurve(
                arm=arm,
                dataset=dataset,
                num_samples=num_samples,
                replicates=tuple(row.replicate for row in ordered),
                rollouts=tuple(row.rollout for row in ordered if row.rollout is not None),
            )
        )
    return found


def rollout_error(row: ResultRow) -> Number:
    """Relative L2 over all steps; 10 where a rollout leaves all bounds, which has reached none."""
    if row.rollout is None:
        return None
    return BLOWN_UP if row.rollout.num_blown_up else row.rollout.mean_relative_l2


def few_some_many(curves: Sequence[LeadCurve]) -> list[int]:
    """Choose up to three numbers of downstream samples that curves have; 0 of zero-shot alone."""
    sizes = sorted({c.num_samples for c in curves if c.num_samples}) or [0]
    return list(dict.fromkeys(sizes[i] for i in (0, len(sizes) // 2, -1)))


def by_set_and_model(
    all_curves: Sequence[LeadCurve], styles: Styles
) -> Iterator[tuple[str, str, list[LeadCurve]]]:
    """Group curves by test set and model, each group behind an ending of names and a title."""
    has_models = len({c.arm.model for c in all_curves}) > 1
    for dataset, model in dict.fromkeys((c.dataset, c.arm.model) for c in all_curves):
        own = [c for c in all_curves if (c.dataset, c.arm.model) == (dataset, model)]
        name, title = dataset, styles.title(dataset)
        if has_models:
            name, title = f"{dataset}_{model}", f"{title}; {words(model)}"
        yield name, title, own
