"""What a run of a study keeps of its rollouts: curves over lead times, windows, times."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_sciml.errors import InputError
from lightning_sciml.pde.budgets import INVARIANTS
from lightning_sciml.study.execution.test_reports import reports

CURVES = ("relative_l2", "vrmse")
COLUMNS = (
    *("rollout_relative_l2", "rollout_relative_l2_last"),
    *("correlation_time", "num_blown_up"),
)
"""Columns of results.csv."""
Number = float | None


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """Rollouts over a test set, in the mean over its fields or in one of them.

    Errors are means over the trajectories that have not left all bounds; None where none is left,
    or an error is not finite.

    Attributes:
        num_samples: trajectories.
        num_blown_up: those that leave all bounds, in one field or another.
        lead_times: of the K steps.
        relative_l2: at each step.
        vrmse: at each step.
        num_left_out: trajectories that have left all bounds at a step or before.
        mean_relative_l2: over all steps, of the trajectories that stay within bounds.
        windows: errors over the steps of the windows of The Well, by name and metric.
        correlation_time: median of the time until the correlation falls below 0.8; None where it is
            not defined.
        is_correlated: whether at least half of the trajectories keep their correlation to the end,
            so that `correlation_time` is a lower bound.
        drift: what ``budget_errors`` measures at each step, by name; empty without a budget.
    """

    num_samples: int
    num_blown_up: int
    lead_times: list[float]
    relative_l2: list[Number]
    vrmse: list[Number]
    num_left_out: list[int]
    mean_relative_l2: Number
    windows: dict[str, dict[str, Number]]
    correlation_time: Number
    is_correlated: bool
    drift: dict[str, list[Number]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Reject values that no rollout can have."""
        of_steps: list[Sequence[Number]] = [self.lead_times, self.num_left_out]
        of_steps += [self.relative_l2, self.vrmse, *self.drift.values()]
        if len({len(values) for values in of_steps}) > 1 or not self.lead_times:
            raise ValueError("a rollout must have as many errors and counts as steps")
        numbers: list[Number] = [self.num_samples, self.num_blown_up]
        numbers += [self.mean_relative_l2, self.correlation_time]
        numbers += [number for values in of_steps for number in values]
        numbers += [error for errors in self.windows.values() for error in errors.values()]
        if not all(number is None or 0 <= number < math.inf for number in numbers):
            raise ValueError("numbers and errors of a rollout must be at least 0 and finite")

    @classmethod
    def of(cls, report: Mapping[str, Any], blow_up: Mapping[str, Any]) -> "Rollout":
        """Take from a report of ``sciml test`` what a study keeps."""
        steps, times = report["steps"], report["correlation_time"]
        num_known = times["num_samples"] - times["num_undefined"]
        return cls(
            num_samples=blow_up["num_samples"],
            num_blown_up=blow_up["num_blown_up"],
            lead_times=[step["lead_time"] for step in steps],
            relative_l2=[_mean(step, "relative_l2") for step in steps],
            vrmse=[_mean(step, "vrmse") for step in steps],
            num_left_out=[step["num_left_out"] for step in steps],
            mean_relative_l2=_mean(report, "relative_l2"),
            windows={
                name: {metric: _mean(window, metric) for metric in CURVES}
                for name, window in report["windows"].items()
            },
            correlation_time=times.get("median"),
            is_correlated=2 * times["num_censored"] >= num_known,
            drift={
                name: [_mean(step, name) for step in steps]
                for name in steps[0]
                if name.partition("_")[0] in INVARIANTS
            },
        )

    @property
    def columns(self) -> dict[str, Number]:
        """Numbers of results.csv."""
        errors = (self.mean_relative_l2, self.relative_l2[-1])
        values = (*errors, self.correlation_time, self.num_blown_up)
        return dict(zip(COLUMNS, values, strict=True))


@dataclass(frozen=True, kw_only=True)
class Rollouts:
    """Rollouts over a test set.

    Attributes:
        mean: in the mean over fields.
        fields: in each field, where there are several.
    """

    mean: Rollout
    fields: dict[str, Rollout]


def read_rollouts(folder: Path) -> dict[str, Rollouts]:
    """Read what the reports on rollouts of a run say of each data set.

    Raises:
        InputError: a report is damaged, or lacks what rollouts have.
    """
    found = {}
    for path, name, report in reports(folder, on_rollouts=True):
        try:
            blow_up, fields = report["blow_up"], report.get("fields", {})
            found[name] = Rollouts(
                mean=Rollout.of(report, blow_up),
                fields={field: Rollout.of(own, blow_up) for field, own in fields.items()},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path} is no report on rollouts over several steps ({error!r}); "
                "run the test again"
            ) from error
    return found


def _mean(report: Mapping[str, Any], metric: str) -> Number:
    """Return the mean of a metric; None where it is not finite, or of no sample."""
    mean: Number = report.get(metric, {}).get("mean")
    return mean
