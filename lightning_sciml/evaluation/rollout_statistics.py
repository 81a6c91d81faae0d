"""Statistics of rollouts: windows of lead times, time to decorrelation, time of blow-up."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from lightning_sciml.evaluation.error_statistics import Columns, ErrorTable, middle
from lightning_sciml.evaluation.rollout_errors import REACH

WINDOWS = ((6, 12), (13, 30))
"""First and last step of the windows in which The Well reports errors (Ohana et al. 2024)."""
LEAST_CORRELATION = 0.8


def rollout_report(table: ErrorTable) -> dict[str, Any]:
    """Sum up rollouts as an ``ErrorTable`` does, with `windows`, `correlation_time`, `blow_up`.

    `windows` are the errors at steps 6 to 12 and 13 to 30, both ends included, where rollouts are
    so long. Statistics of errors are those of the rollouts that have not left all bounds so far;
    `num_left_out` counts the others.
    """
    report = {**table.report(), "blow_up": _blow_up(table), **_by_lead_time(table)}
    for name, of_field in report.get("fields", {}).items():
        place = table.fields.index(name)
        of_field |= _by_lead_time(table.part(fields=slice(place, place + 1)))
    return report


def rollout_columns(table: ErrorTable) -> Columns:
    """Return what a table of rollouts has beside errors: times, of the blow-up NaN without one.

    The time to decorrelation is infinite where the correlation does not fall within the rollout.
    """
    columns = {"blow_up_time": blow_up_times(table), "correlation_time": correlation_times(table)}
    for place, name in enumerate(table.fields if len(table.fields) > 1 else ()):
        of_field = table.part(fields=slice(place, place + 1))
        columns[f"correlation_time/{name}"] = correlation_times(of_field)
    return columns


def rollout_outcome(report: Mapping[str, Any]) -> str:
    """Continue the line of a data set by what its rollouts came to; nothing for other reports."""
    if "blow_up" not in report:
        return ""
    blow_up, times = report["blow_up"], report["correlation_time"]
    told = f"; {blow_up['num_blown_up']} of {blow_up['num_samples']} left all bounds"
    if "first" in blow_up:
        told += f", the first after {blow_up['first']:.3g}"
    if "median" in times:
        is_reached = 2 * times["num_censored"] < times["num_samples"] - times["num_undefined"]
        told += f"; correlation {'below' if is_reached else 'at least'} {times['below']} "
        told += f"{'after' if is_reached else 'until'} {times['median']:.3g} (median)"
    return told


def blow_up_times(table: ErrorTable) -> Float[np.ndarray, " n"]:
    """Return the lead time at which each rollout has left all bounds first, else NaN."""
    has_left = _has_left(table)
    first = table.lead_times[np.arange(len(has_left)), has_left.argmax(axis=1)]
    return np.where(has_left.any(axis=1), first, np.nan)


def correlation_times(table: ErrorTable) -> Float[np.ndarray, " n"]:
    """Return the lead time at which the correlation of the first field falls below 0.8.

    Between steps it is interpolated linearly, from 1 at lead time 0 on. Infinite where it does not
    fall within the rollout, NaN where a field of the reference was constant before it did.
    """
    n, num_steps, num_fields = table.is_own.shape
    leads = np.concatenate([np.zeros((n, 1)), table.lead_times], axis=1)
    at_start = np.ones((n, 1, num_fields))
    values = np.concatenate([at_start, table.errors["correlation"]], axis=1)
    is_own = np.concatenate([table.is_own[:, :1], table.is_own], axis=1)
    is_end = is_own & ~(values >= LEAST_CORRELATION)  # or undefined
    k = np.clip(is_end.argmax(axis=1), 1, num_steps)  # (n, F)
    rows, fields = np.arange(n)[:, None], np.arange(num_fields)
    before, after = values[rows, k - 1, fields], values[rows, k, fields]
    start, end = leads[rows, k - 1], leads[rows, k]
    ends, has_field = np.any(is_end, axis=1), np.any(is_own, axis=1)
    share = (before - LEAST_CORRELATION) / np.where(ends, before - after, 1.0)
    times = np.where(ends, start + share * (end - start), np.inf).min(axis=1)
    return np.where(has_field.any(axis=1), times, np.nan)


def _by_lead_time(table: ErrorTable) -> dict[str, Any]:
    return {"windows": _windows(table), "correlation_time": _correlation_time(table)}


def _windows(table: ErrorTable) -> dict[str, Any]:
    """Sum up the rollouts that are so long in each window."""
    windows = {}
    for first, last in WINDOWS:
        steps = slice(first - 1, last)
        reaches = table.lead_times[:, steps]
        rows = (reaches.shape[1] == last - first + 1) & ~np.isnan(reaches).any(axis=1)
        rows &= table.is_own.any(axis=(1, 2))
        if rows.any():
            leads = [float(t) for t in reaches[rows][:, [0, -1]].mean(axis=0)]
            part = table.part(rows, steps=steps)
            windows[f"{first}:{last}"] = {"lead_times": leads, **part.summed_up()}
    return windows


def _correlation_time(table: ErrorTable) -> dict[str, Any]:
    """Sum up times; a rollout that keeps its correlation counts with its last lead time."""
    has_any = table.is_own.any(axis=(1, 2))
    times = correlation_times(table)[has_any]
    ends = np.nanmax(table.lead_times[has_any], axis=1)
    is_known, is_censored = ~np.isnan(times), np.isinf(times)
    return {
        "below": LEAST_CORRELATION,
        "num_samples": len(times),
        "num_censored": int(np.count_nonzero(is_censored)),
        "num_undefined": int(np.count_nonzero(~is_known)),
        **middle(np.where(is_censored, ends, times)[is_known]),
    }


def _blow_up(table: ErrorTable) -> dict[str, Any]:
    times = blow_up_times(table)
    known = times[~np.isnan(times)]
    of_times = {"first": float(known.min()), **middle(known)} if len(known) else {}
    counts = {"num_samples": len(times), "num_blown_up": len(known)}
    return {"beyond_ranges": REACH, **counts, **of_times}


def _has_left(table: ErrorTable) -> Bool[np.ndarray, "n K"]:
    return np.zeros_like(table.lead_times, bool) if table.has_left is None else table.has_left
