"""Show a run in its loggers: hyperparameters, figures, and how it ended."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from matplotlib.figure import Figure

from lightning_sciml.checkpoints.run_identity import flatten
from lightning_sciml.trackers.kinds import tracker_of
from lightning_sciml.trackers.placement import write_run_ids
from lightning_sciml.trackers.tracker import Hyperparameters

SHOWN = ("model", "data", "trainer", "seed_everything", "matmul_precision")
NOT_SHOWN = ("trainer.logger", "trainer.callbacks", "trainer.plugins", "trainer.default_root_dir")


def hyperparameters(config: Mapping[str, Any]) -> Hyperparameters:
    """List the options of model, data and trainer by dotted name, those that are not null.

    Names are short: ``model.optimizer.lr``, and ``model.optimizer`` for the name of the class.
    Lists are written as text.

    Args:
        config: the whole configuration of a run.
    """
    leaves = flatten({key: config[key] for key in SHOWN if key in config})
    found: dict[str, bool | int | float | str] = {}
    for key, value in leaves.items():
        name = key.replace(".init_args", "")
        if value is None or value in ([], {}) or name.startswith(NOT_SHOWN):
            continue
        if name.endswith(".class_path"):
            name, value = name.removesuffix(".class_path"), str(value).rpartition(".")[2]
        found[name] = value if isinstance(value, bool | int | float) else str(value)
    return found


def log_figure(trainer: pl.Trainer, name: str, figure: Figure) -> None:
    """Write a figure to all loggers, at the step of the curves; on rank 0."""
    for logger in trainer.loggers if trainer.is_global_zero else ():
        tracker_of(logger).figure(name, figure, trainer.global_step - 1)


class Tracking(Callback):
    """Writes hyperparameters when a run begins, and its best validation error when it ends.

    Args:
        run_dir: folder of the run.
        config: its whole configuration.
        best: the callback that keeps the best checkpoint.
    """

    def __init__(self, run_dir: Path, config: Mapping[str, Any], best: ModelCheckpoint) -> None:
        self.run_dir, self.config, self.best = run_dir, config, best
        self._has_begun = False

    def on_before_backward(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: torch.Tensor
    ) -> None:
        """Write hyperparameters at the first step, when loggers have their files."""
        if self._has_begun:
            return
        self._has_begun = True
        if trainer.is_global_zero:
            values = hyperparameters(self.config)
            for logger in trainer.loggers:
                tracker_of(logger).hyperparameters(values)
            write_run_ids(self.run_dir, trainer.loggers)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the smallest validation error, and finish."""
        score = self.best.best_model_score
        if not (self._has_begun and trainer.is_global_zero):
            return
        for logger in trainer.loggers:
            if score is not None:
                best = {"best_val_relative_l2": float(score)}
                logger.log_metrics(best, trainer.global_step - 1)
                logger.save()
            tracker_of(logger).close(has_failed=False)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Finish; a run that was asked to stop has not failed."""
        if self._has_begun and trainer.is_global_zero:
            for logger in trainer.loggers:
                tracker_of(logger).close(has_failed=not isinstance(exception, SystemExit))
