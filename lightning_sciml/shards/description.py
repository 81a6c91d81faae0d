"""Describe a data set in words: its manifest as a table."""

from pathlib import Path

from lightning_sciml.plain_text import for_terminal
from lightning_sciml.shards.dataset_statistics import realised_range
from lightning_sciml.shards.manifest import Manifest


def describe(directory: str | Path) -> str:
    """Describe a data set and how it was made, one line a fact.

    Raises:
        InputError: no data set, or generation unfinished.
    """
    manifest = Manifest.load(directory)
    num_samples = sum(manifest.num_samples.values())
    num_bytes = num_samples * manifest.sample_bytes
    num_rejected = sum(record.num_rejected for record in manifest.shards)
    residuals = [r.max_residual for r in manifest.shards if r.max_residual is not None]
    splits = ", ".join(f"{split} {number:,}" for split, number in manifest.num_samples.items())
    facts = [
        ("name", manifest.name),
        ("equation", f"{manifest.equation} {manifest.equation_parameters or ''}".rstrip()),
        ("fields", f"{', '.join(manifest.input_fields)} → {', '.join(manifest.target_fields)}"),
        ("grid", "×".join(map(str, manifest.grid.shape))),
        ("samples", f"{splits}; {num_bytes / 1e9:.2f} GB in {len(manifest.shards)} shards"),
        ("seed", str(manifest.seed)),
        *((f"config.{key}", str(value)) for key, value in manifest.config.items()),
        ("largest residual", f"{max(residuals):.1e}" if residuals else "no equation to measure by"),
        ("draws rejected", f"{num_rejected:,} ({num_rejected / num_samples:.2f} a sample)"),
        *(
            (f"realised {name}", _range(*realised_range(histogram)))
            for name, histogram in manifest.histograms.items()
            if name != "attempt"
        ),
        *((f"train: {key}", str(value)) for key, value in manifest.statistics.items()),
        ("made with", ", ".join(f"{name} {v}" for name, v in manifest.versions.items())),
        ("made in", f"{manifest.elapsed_s:.1f} s"),
    ]
    return "\n".join(f"{for_terminal(name):28s}{for_terminal(value)}" for name, value in facts)


def _range(low: float, high: float) -> str:
    return f"{low:.4g} … {high:.4g}" if low < high else f"{low:.4g}, constant"
