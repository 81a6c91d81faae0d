"""Statistics of errors over samples: of all fields together, by field, and by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from jaxtyping import Bool, Float, Int

from lightning_sciml.evaluation.budget_errors import BUDGET_ERRORS
from lightning_sciml.evaluation.lead_times import lead_times
from lightning_sciml.evaluation.metrics import METRICS
from lightning_sciml.streaming.mixture_member import MixtureMember

PLACE = ("dataset", "sample_index", "time_index")
"""What tells samples apart, in the order in which they are sorted."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
Columns = dict[str, Float[np.ndarray, " n"]]


@dataclass(frozen=True, kw_only=True)
class ErrorTable:
    """Errors of n samples at up to K steps in up to F fields.

    Attributes:
        fields: names of the F fields.
        dataset: which data set each sample is of.
        sample_index: its index in the split.
        time_index: number of the last input state among the stored times.
        is_own: whether a sample has a step and a field.
        lead_times: of the steps; NaN where a sample does not have one, or is steady.
        errors: by metric.
        has_left: of rollouts, whether each has left all bounds at a step or before; then its errors
            are NaN, and statistics are those of the others.
    """

    fields: tuple[str, ...]
    dataset: Int[np.ndarray, " n"]
    sample_index: Int[np.ndarray, " n"]
    time_index: Int[np.ndarray, " n"]
    is_own: Bool[np.ndarray, "n K F"]
    lead_times: Float[np.ndarray, "n K"]
    errors: dict[str, Float[np.ndarray, "n K F"]]
    has_left: Bool[np.ndarray, "n K"] | None = None

    @classmethod
    def of(
        cls,
        arrays: Mapping[str, np.ndarray],
        fields: Sequence[str],
        members: Sequence[MixtureMember],
    ) -> Self:
        """Order the samples of all ranks by data set, sample and time.

        Args:
            arrays: dataset, sample_index and time_index, and errors by metric; of rollouts also
                has_left, (n, K, 1).
            fields: names of the F fields.
            members: data sets by `dataset`.
        """
        order = np.lexsort([arrays[name] for name in reversed(PLACE)])
        ordered = {name: values[order] for name, values in arrays.items()}
        dataset, sample_index, time_index = (ordered.pop(name) for name in PLACE)
        has_left = ordered.pop("has_left", None)
        num_steps = next(iter(ordered.values())).shape[1]
        is_own = np.zeros((len(order), num_steps, len(fields)), bool)
        leads = np.full((len(order), num_steps), np.nan)
        for d, member in enumerate(members):
            rows, last = np.flatnonzero(dataset == d), member.windows.num_steps
            for place in member.output_channels:
                is_own[rows, :last, place] = True
            if member.dataset.is_evolution:
                leads[rows, :last] = lead_times(member, time_index[rows])
        return cls(
            fields=tuple(fields),
            dataset=dataset,
            sample_index=sample_index,
            time_index=time_index,
            is_own=is_own,
            lead_times=leads,
            errors=ordered,
            has_left=None if has_left is None else has_left[..., 0] > 0,
        )

    def part(
        self,
        rows: Bool[np.ndarray, " n"] | slice = slice(None),
        steps: slice = slice(None),
        fields: slice = slice(None),
    ) -> Self:
        """Take some of the samples, steps and fields."""
        return replace(
            self,
            fields=self.fields[fields],
            dataset=self.dataset[rows],
            sample_index=self.sample_index[rows],
            time_index=self.time_index[rows],
            is_own=self.is_own[rows][:, steps, fields],
            lead_times=self.lead_times[rows][:, steps],
            errors={name: v[rows][:, steps, fields] for name, v in self.errors.items()},
            has_left=None if self.has_left is None else self.has_left[rows][:, steps],
        )

    def means(self) -> Columns:
        """Average the errors of each sample over its steps and fields; NaN where it has none."""
        number = self.is_own.sum(axis=(1, 2), dtype=float)
        number[number == 0] = np.nan
        own = ((name, np.where(self.is_own, v, 0.0)) for name, v in self.errors.items())
        return {name: values.sum(axis=(1, 2)) / number for name, values in own}

    def report(self) -> dict[str, Any]:
        """Sum up the samples; where there are several fields or steps, also each of them."""
        report = self.summed_up()
        fields = np.flatnonzero(self.is_own.any(axis=(0, 1))).tolist()
        if len(fields) > 1:
            parts = {self.fields[f]: self.part(fields=slice(f, f + 1)) for f in fields}
            report["fields"] = {name: part.report() for name, part in parts.items()}
        steps = np.flatnonzero(self.is_own.any(axis=(0, 2))).tolist()
        if len(steps) > 1:
            has_step = ~np.isnan(self.lead_times)
            of_steps = (self.part(has_step[:, k], steps=slice(k, k + 1)) for k in steps)
            report["steps"] = [
                {"step": k + 1, "lead_time": float(part.lead_times.mean()), **part.summed_up()}
                for k, part in zip(steps, of_steps, strict=True)
            ]
        return report

    def summed_up(self) -> dict[str, Any]:
        """Sum up the samples' means; rollouts that have left all bounds are counted only."""
        has_any, left = self.is_own.any(axis=(1, 2)), {}
        if self.has_left is not None:
            has_left = self.has_left.any(axis=1)
            left = {"num_left_out": int(np.count_nonzero(has_any & has_left))}
            has_any &= ~has_left
        found = summary({name: values[has_any] for name, values in self.means().items()})
        return {"num_samples": found.pop("num_samples"), **left, **found}


def summary(errors: Mapping[str, Float[np.ndarray, " n"]]) -> dict[str, Any]:
    """Compute mean, median, quantiles and largest value of each error over samples.

    What needs an equation is measured over the samples that have one, if there are any. Where an
    error of some sample is not finite, all its values are None, and ``reason`` says why.
    """
    is_finite, known = np.isfinite(errors["relative_l2"]), dict(errors)
    of_equations = [n for m in METRICS if m.takes == "equation" for n in m.names]
    for name in (name for name in (*of_equations, *BUDGET_ERRORS) if name in errors):
        known[name] = errors[name][~np.isnan(errors[name]) | ~is_finite]
    return {
        "num_samples": len(is_finite),
        **{name: _statistics(name, values) for name, values in known.items() if len(values)},
    }


def middle(values: Float[np.ndarray, " n"]) -> dict[str, Any]:
    """Compute mean, median and quantiles of finite values; nothing of none."""
    if not len(values):
        return {}
    return {
        "mean": float(values.mean()),
        "median": float(np.median(values)),
        "quantiles": {str(q): float(np.quantile(values, q)) for q in QUANTILES},
    }


def _statistics(name: str, values: Float[np.ndarray, " n"]) -> dict[str, Any]:
    num_undefined = np.count_nonzero(~np.isfinite(values))
    if not num_undefined:
        return {**middle(values), "max": float(values.max())}
    causes = [m.undefined_where for m in METRICS if name in m.names and m.undefined_where]
    causes.append("the reference it is divided by is zero, or the prediction is not finite")
    return {
        **dict.fromkeys(("mean", "median", "max")),
        "quantiles": {str(q): None for q in QUANTILES},
        "reason": f"not finite for {num_undefined} of {len(values)} samples: {', '.join(causes)}",
    }
