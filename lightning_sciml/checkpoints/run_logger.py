"""Write the TensorBoard curves of a run to RUN_DIR/tensorboard."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import _DummyExperiment, rank_zero_experiment
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from lightning_sciml.run_folder import RunFolder


class RunLogger(TensorBoardLogger):
    """Keeps curves in memory until `open`, so that a start that fails leaves no file."""

    def __init__(self, run_dir: Path) -> None:
        super().__init__(run_dir, name=RunFolder(run_dir).curves.name, version="")
        self._is_open = False
        self._hidden_from: int | None = None
        self._waiting: list[tuple[Mapping[str, float], int | None]] = []

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """Return TensorBoard's writer; before `open` one that writes nothing."""
        return super().experiment if self._is_open else _DummyExperiment()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log values, or keep them until `open`."""
        if self._is_open:
            super().log_metrics(metrics, step)
        else:
            self._waiting.append((metrics, step))

    def hide_from(self, step: int) -> None:
        """Hide older points from `step` on, when the file is opened."""
        self._hidden_from = step

    def open(self) -> None:
        """Make the file and write what waits."""
        self._is_open = True
        if self._hidden_from is not None:
            _write_restart(self, self._hidden_from)
        for metrics, step in self._waiting:
            super().log_metrics(metrics, step)
        self._waiting = []


def hide_later_points(logger: TensorBoardLogger, step: int) -> None:
    """Tell TensorBoard that a killed run's points from `step` on are drawn anew."""
    if isinstance(logger, RunLogger):
        logger.hide_from(step)
    else:
        _write_restart(logger, step)


def _write_restart(logger: TensorBoardLogger, step: int) -> None:
    restart = SessionLog(status=SessionLog.START)
    logger.experiment.file_writer.add_event(Event(step=step, session_log=restart))
