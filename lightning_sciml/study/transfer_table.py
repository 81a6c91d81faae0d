"""Results of a few transfer runs as a table: one row a run."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lightning_sciml.study.runs import Init


@dataclass(frozen=True, kw_only=True)
class TransferResult:
    """Test error of one downstream run.

    Attributes:
        init: where its weights came from.
        num_samples: downstream samples it was trained on; 0 for zero-shot.
        learning_rate: the rate that validation chose; None for zero-shot.
        relative_l2: mean over test samples.
        band: 5 % and 95 % quantiles over test samples.
    """

    init: Init
    num_samples: int
    learning_rate: float | None
    relative_l2: float
    band: tuple[float, float]


def best_validation_error(run_dir: Path) -> float:
    """Smallest val/relative_l2 of a finished run."""
    return float(json.loads((run_dir / "summary.json").read_text())["best_val_relative_l2"])


def transfer_result(
    report: Path, init: Init, num_samples: int, learning_rate: float | None
) -> TransferResult:
    """Read the JSON that ``sciml test`` wrote."""
    error = json.loads(report.read_text())["relative_l2"]
    return TransferResult(
        init=init,
        num_samples=num_samples,
        learning_rate=learning_rate,
        relative_l2=error["mean"],
        band=(error["quantiles"]["0.05"], error["quantiles"]["0.95"]),
    )


def write_table(results: Sequence[TransferResult], path: Path) -> None:
    """Write the results as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(TransferResult)])
        writer.writeheader()
        writer.writerows(asdict(r) for r in results)


def format_table(results: Sequence[TransferResult]) -> str:
    """One line for each number of samples: zero-shot, fine-tuned, scratch, and their ratio."""
    by_key = {(r.init, r.num_samples): r.relative_l2 for r in results}
    zero_shot = by_key[Init.ZERO_SHOT, 0]
    lines = ["examples   zero-shot   fine-tuned   from scratch   scratch / fine-tuned"]
    for n in sorted({r.num_samples for r in results if r.num_samples}):
        tuned, scratch = by_key[Init.FINE_TUNE, n], by_key[Init.SCRATCH, n]
        lines.append(f"{n:8d}{zero_shot:12.4f}{tuned:13.4f}{scratch:15.4f}{scratch / tuned:23.2f}")
    return "\n".join(lines)
