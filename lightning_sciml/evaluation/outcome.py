"""Lines at the end of a verb: what it measured, and where that lies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_info

from lightning_sciml.plain_text import for_terminal
from lightning_sciml.streaming.datamodule import pde_data


def say(lines: Sequence[str]) -> None:
    """Show these lines, once over all processes."""
    rank_zero_info("\n".join(for_terminal(line) for line in lines))


def measured(name: str, split: str, report: Mapping[str, Any]) -> str:
    """Format the errors of one data set as a line.

    Args:
        name: of the data set, or of several.
        split: train, val or test.
        report: as `test_report.summary` gives it.
    """
    error = report["relative_l2"]
    return (
        f"{name}, {split} split, {report['num_samples']:,} samples: relative L2 error "
        f"{error['mean']:.4g} on average, median {error['median']:.4g}, "
        f"largest {error['max']:.4g}"
    )


def written(paths: Mapping[Path, str]) -> list[str]:
    """Format lines that say what lies in each file."""
    return [f"{text}: {path}" for path, text in paths.items()]


class ValidationReport(Callback):
    """Says after ``sciml validate`` what was measured; nothing is written."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the mean error of each data set."""
        members = pde_data(trainer).mixtures["val"].members
        metrics = trainer.callback_metrics
        lines = []
        for member in members:
            own = f"val/relative_l2/{member.name}" if len(members) > 1 else "val/relative_l2"
            lines.append(
                f"{member.name}, {member.dataset.split} split, {member.subset.num_samples:,} "
                f"samples: relative L2 error {float(metrics[own]):.4g} on average"
            )
        say(lines)
