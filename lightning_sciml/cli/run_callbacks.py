"""Make the callbacks of a run: checkpoints, progress, reports."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch.callbacks import Callback, LearningRateMonitor

from lightning_sciml.checkpoints.exact_resume import ExactResume
from lightning_sciml.checkpoints.folder_guard import FolderGuard
from lightning_sciml.checkpoints.plain_state import ReadableState
from lightning_sciml.checkpoints.preemption import PreemptionCheckpoint
from lightning_sciml.checkpoints.provenance import Provenance
from lightning_sciml.checkpoints.writing import BestCheckpoint, LastCheckpoint
from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.outcome import ValidationReport
from lightning_sciml.evaluation.predictions import PredictionWriter
from lightning_sciml.evaluation.test_report import TestReport
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.figure_style import FigureFormat
from lightning_sciml.shards.movie import MovieFormat
from lightning_sciml.training.early_stopping import EndedEarly
from lightning_sciml.training.progress import (
    EpochLines,
    ParameterCount,
    ProgressBar,
    RunSummary,
)
from lightning_sciml.training.rollout_panels import RolloutPanels
from lightning_sciml.training.tracking import Tracking
from lightning_sciml.training.trainer_options import has_progress_bar, reject_conflicts
from lightning_sciml.training.validation_panels import SolutionPanels


def reject_idle_movie(verb: str, config: Any) -> None:
    """Reject a movie of what has no rollouts.

    Raises:
        InputError: the verb is not test, or `data.rollout` is not given.
    """
    if config.movie and (verb != "test" or config.data.rollout is None):
        raise InputError(
            f"movie={config.movie} is of rollouts that sciml test makes, this is sciml {verb} with "
            f"data.rollout={config.data.rollout}; leave it out, or test with --data.rollout all"
        )


def evaluation_callback(
    verb: str,
    folder: RunFolder,
    movie: MovieFormat | None = None,
    formats: Sequence[FigureFormat] = ("png",),
) -> Callback:
    """Make the callback that reports a validation, writes a test, or writes predictions."""
    if verb == "validate":
        return ValidationReport()
    if verb == "test":
        return TestReport(folder.tests, movie, formats)
    return PredictionWriter(folder.predictions)


def showing_callbacks(config: Any) -> list[Callback]:
    """Make the callbacks that show progress, on the screen and to the logger."""
    callbacks: list[Callback] = []
    if config.trainer.enable_model_summary is None:
        config.trainer.enable_model_summary = False
        callbacks.append(ParameterCount())
    shows_progress = config.trainer.enable_progress_bar is not False
    if shows_progress and not has_progress_bar(config.trainer.callbacks):
        callbacks.append(ProgressBar() if sys.stdout.isatty() else EpochLines())
    if config.trainer.logger is not False:
        callbacks += [LearningRateMonitor("step"), SolutionPanels()]
        callbacks += [RolloutPanels()] if config.data.val_rollout else []
    return callbacks


def keeping_callbacks(config: Any, guard: FolderGuard, config_text: str) -> list[Callback]:
    """Make the callbacks that keep a training in its folder."""
    folder = RunFolder(Path(config.run_dir))
    reject_conflicts(config.trainer, config.model, folder.checkpoints)
    best = BestCheckpoint(folder.checkpoints)
    return [
        guard,
        ReadableState(),
        ExactResume(),
        EndedEarly(),
        best,
        LastCheckpoint(
            folder.checkpoints,
            every_s=60 * config.checkpoint_every_minutes,
            every_n_steps=config.checkpoint_every_n_steps,
        ),
        PreemptionCheckpoint(
            Path(config.run_dir),
            folder.last,
            poll_s=config.poll_s,
            stop_after_step=config.stop_after_step,
        ),
        RunSummary(Path(config.run_dir), best, stop_after_step=config.stop_after_step),
        Tracking(Path(config.run_dir), yaml.safe_load(config_text), best),
        Provenance(config_text),
    ]
