"""Describe a data set in words: its manifest as a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightning_sciml.pde.grid import Grid
from lightning_sciml.plain_text import counted, for_terminal
from lightning_sciml.shards.dataset_statistics import realised_range
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.outliers import outliers
from lightning_sciml.shards.schema import ATTEMPT, MEASURES, SPECTRAL_TAIL, TIME_ERROR

_ROUNDING = 3e-7  # of steps between times in float32, relative to the largest time


def describe(directory: str | Path) -> str:
    """Describe a data set and how it was made, one line a fact.

    Raises:
        InputError: no data set, or generation unfinished.
    """
    manifest = Manifest.load(directory)
    facts = [
        ("name", manifest.name),
        ("equation", f"{manifest.equation} {_in_words(manifest.equation_parameters)}".rstrip()),
        *_fields(manifest),
        ("grid", _grid(manifest.grid)),
        *([("times", _times(manifest.times))] if manifest.is_evolution else []),
        ("trajectories" if manifest.is_evolution else "samples", _sizes(manifest)),
        ("coefficients", ", ".join(manifest.coefficient_names) or "none"),
        *((f"config.{key}", text) for key, v in manifest.config.items() if (text := _in_words(v))),
        *_generation(manifest),
        *(
            (f"realised {name}", _range(*realised_range(histogram)))
            for name, histogram in manifest.histograms.items()
            if name not in MEASURES
        ),
        *_statistics(manifest),
        *outliers(directory, manifest),
        ("made with", ", ".join(f"{name} {v}" for name, v in manifest.versions.items())),
        ("made in", f"{manifest.elapsed_s:.1f} s"),
    ]
    return "\n".join(f"{for_terminal(name):27s} {for_terminal(value)}" for name, value in facts)


def _in_words(value: Any) -> str:
    """Write a value of a configuration: name and value of each entry, without those empty."""
    if isinstance(value, Mapping):
        entries = [(name, _in_words(part)) for name, part in value.items()]
        return "; ".join(f"{name} {text}" for name, text in entries if text)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_in_words, value))}]" if value else ""
    return "" if value is None else str(value)


def _generation(manifest: Manifest) -> list[tuple[str, str]]:
    """Write how samples were drawn and how well they solve the equation; nothing of an import."""
    facts = accuracy(manifest)
    if "decomposition" in manifest.config:
        facts.append(("seed", str(manifest.seed)))
    if (number := num_rejected(manifest)) is not None:
        share = number / sum(manifest.num_samples.values())
        facts.append(("draws rejected", f"{number:,} ({share:.2f} a sample)"))
    return facts


def num_rejected(manifest: Manifest) -> int | None:
    """Count the draws that were thrown away; None of sets whose draws are all kept."""
    number = sum(record.num_rejected for record in manifest.shards)
    return number if number or ATTEMPT in manifest.histograms else None


def accuracy(manifest: Manifest) -> list[tuple[str, str]]:
    """Write how well samples solve the equation, each measure with its name."""
    facts = []
    residuals = [r.max_residual for r in manifest.shards if r.max_residual is not None]
    if residuals:
        facts.append(("largest residual", f"{max(residuals):.1e}"))
    for name in (TIME_ERROR, SPECTRAL_TAIL):
        if histogram := manifest.histograms.get(name):
            largest = realised_range(histogram)[1]
            facts.append((f"largest {name.replace('_', ' ')}", f"{largest:.1e}"))
    return facts


def _fields(manifest: Manifest) -> list[tuple[str, str]]:
    inputs, targets = ", ".join(manifest.input_fields), ", ".join(manifest.target_fields)
    if not manifest.is_evolution:
        return [("fields", f"{inputs} → {targets}")]
    return [("fields", f"{targets} over time"), *([("static fields", inputs)] if inputs else [])]


def _grid(grid: Grid) -> str:
    """Write shape, lengths and boundary, [y, x] as arrays are."""
    y, x = grid.boundary
    boundary = y if y == x else f"{y} along y, {x} along x"
    lengths = "×".join(f"{length:.6g}" for length in grid.lengths)
    return f"{'×'.join(map(str, grid.shape))} (y×x), lengths {lengths}, {boundary}"


def _times(times: Sequence[float]) -> str:
    """Write number, first and last time, and the spacing where it is even."""
    steps = np.diff(times)
    low, high = steps.min(), steps.max()
    is_even = high - low <= _ROUNDING * np.abs(times).max()
    spacing = f"every {np.mean(steps):.4g}" if is_even else f"steps {_range(low, high)}"
    return f"{len(times)}, {times[0]:.6g} … {times[-1]:.6g}, {spacing}"


def _sizes(manifest: Manifest) -> str:
    num_bytes = sum(manifest.num_samples.values()) * manifest.sample_bytes
    splits = ", ".join(f"{split} {number:,}" for split, number in manifest.num_samples.items())
    size = f"{num_bytes / 1e9:.2f} GB" if num_bytes > 1e8 else f"{num_bytes / 1e6:.2f} MB"
    return f"{splits}; {size} in {counted(len(manifest.shards), 'shard')}"


def _statistics(manifest: Manifest) -> list[tuple[str, str]]:
    """Write the statistics of the training samples: a line a field, and one of coefficients."""
    known = {**manifest.statistics}
    facts = []
    for name in manifest.field_names if known else ():
        told = [_numbers(known.pop(name, {}))]
        for quantity in ("norm", "max"):
            if (key := f"median_{name}_{quantity}") in known:
                told.append(f"median {quantity} {_numbers(known.pop(key))}")
        facts.append((f"train: {name}", ", ".join(told)))
    return facts + [(f"train: {name}", _numbers(value)) for name, value in known.items()]


def _numbers(told: float | dict[str, float]) -> str:
    """Write a number, or several by name, to six digits."""
    if not isinstance(told, dict):
        return f"{told:.6g}"
    return ", ".join(f"{name} {number:.6g}" for name, number in told.items()) or "none"


def _range(low: float, high: float) -> str:
    return f"{low:.4g} … {high:.4g}" if low < high else f"{low:.4g}, constant"
