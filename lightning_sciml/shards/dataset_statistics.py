"""Statistics and histograms of a data set, as its manifest holds them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.manifest import Histogram, Manifest, ShardRecord
from lightning_sciml.shards.schema import ATTEMPT, COEFFICIENTS, NORMS, norm_names

_NUM_BINS = 50
_CONSTANT_MARGIN = 1e-9  # of the bin around a constant, relative
_MAX_INTEGER = 2**50  # beyond it half an integer is no float
_MAX_CLASSES = 100  # integers over a range up to this get a bin each


def finished_manifest(
    plan: DatasetPlan,
    records: Sequence[ShardRecord],
    arrays: Sequence[Mapping[str, np.ndarray]],
    *,
    versions: dict[str, str],
    elapsed_s: float,
) -> Manifest:
    """Sum up a data set whose shards are on disk.

    Args:
        plan: of the data set.
        records: all shards, by split and first index.
        arrays: what each shard holds beside the fields.
        versions: of the programs that made the data.
        elapsed_s: wall time.
    """
    train = [small for small, r in zip(arrays, records, strict=True) if r.split == "train"]
    joined = _joined(arrays)
    quantities = dict(zip(plan.coefficient_names, joined[COEFFICIENTS].T, strict=True))
    if ATTEMPT in joined:
        quantities[ATTEMPT] = joined[ATTEMPT].astype(float)
    quantities |= {n: v for n, v in joined.items() if v.ndim == 1 and v.dtype == np.float64}
    return Manifest(
        **vars(plan),
        shards=tuple(records),
        statistics=_train_statistics(plan, _joined(train)) if train else {},
        histograms={
            name: histogram(known)
            for name, values in quantities.items()
            if (known := values[~np.isnan(values)]).size
        },
        versions=versions,
        elapsed_s=elapsed_s,
    )


def _joined(arrays: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([small[name] for small in arrays]) for name in arrays[0]}


def _train_statistics(plan: DatasetPlan, train: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Compute the scales of the train split.

    Returns:
        ``median_coefficients`` of |c| by name, ``median_FIELD_norm`` of √mean(f²) of inputs and
        states, ``median_FIELD_max`` of max|u| of targets, and for each field mean and std over
        samples, times and grid.
    """
    names = norm_names(plan.input_fields, plan.target_fields)
    columns = dict(zip(names, train[NORMS].T, strict=True))
    known_before = (*plan.input_fields, *plan.state_fields)
    medians = np.median(np.abs(train[COEFFICIENTS]), axis=0).tolist()
    moments = {
        field: _moments(columns[f"{field}_mean"], columns[f"{field}_norm"])
        for field in plan.field_names
    }
    return {
        "median_coefficients": dict(zip(plan.coefficient_names, medians, strict=True)),
        **{f"median_{f}_norm": float(np.median(columns[f"{f}_norm"])) for f in known_before},
        **{f"median_{f}_max": float(np.median(columns[f"{f}_max"])) for f in plan.target_fields},
        **moments,
    }


def histogram(values: Float[np.ndarray, " n"]) -> Histogram:
    """Count values in a bin for each integer, in 50 equal bins, or in one around a constant."""
    low, high = values.min(), values.max()
    is_of_integers = np.all(values == np.round(values)) and max(-low, high) < _MAX_INTEGER
    if is_of_integers and high - low < _MAX_CLASSES:
        edges = np.arange(low - 0.5, high + 1.0)
    else:
        # a constant: narrow, so that sets with other constants do not overlap
        margin = 0.0 if high > low else _CONSTANT_MARGIN * abs(low)
        num_bins = _NUM_BINS if high > low else 1
        edges = np.linspace(low - margin, high + margin, num_bins + 1)
    counts, edges = np.histogram(values, edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def realised_range(histogram: Histogram) -> tuple[float, float]:
    """Return the smallest and largest value behind a histogram; for a constant they are equal."""
    edges, counts = np.asarray(histogram["edges"], float), histogram["counts"]
    if len(counts) == 1:
        return (edges.sum() / 2,) * 2
    if not counts[-1]:  # older sets: fifty bins from a constant upwards
        return (edges[0],) * 2
    is_of_integers = np.all(np.diff(edges) == 1) and np.all(edges % 1 == 0.5)
    margin = 0.5 if is_of_integers else 0.0
    return edges[0] + margin, edges[-1] - margin


def _moments(mean: Float[np.ndarray, " n"], norm: Float[np.ndarray, " n"]) -> dict[str, float]:
    overall = float(mean.mean())
    variance = max(0.0, (norm**2).mean() - overall**2)  # rounding may go below zero
    return {"mean": overall, "std": float(np.sqrt(variance))}
