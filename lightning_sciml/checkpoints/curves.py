"""Make no file of a logger before the run begins, and continue the curves of a resumed run."""

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.utilities import rank_zero_only

from lightning_sciml.shards.durable import replacing


class WaitingLogger(Logger):
    """Stands for a logger until the run begins: what is logged waits in memory.

    Args:
        logger: any logger of Lightning's.
    """

    def __init__(self, logger: Logger) -> None:
        super().__init__()
        self._logger = logger
        self._waiting: list[Callable[[], Any]] = []

    @property
    def name(self) -> str | None:
        """Return the logger's name."""
        return self._logger.name

    @property
    def version(self) -> int | str | None:
        """Return the logger's version."""
        return self._logger.version

    @property
    def save_dir(self) -> str | None:
        """Return the logger's folder."""
        return self._logger.save_dir

    @property
    def experiment(self) -> Any:
        """Return a stand-in of the logger's writer; its methods are called when it is `opened`."""
        return _WaitingWriter(self._logger, self._wait)

    def __getattr__(self, name: str) -> Any:
        """Return what this kind of logger has; a method is called when it is `opened`."""
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self._logger, name)
        return partial(self._wait, value) if callable(value) else value

    def log_metrics(self, *args: Any, **kwargs: Any) -> None:
        """Keep values until `opened`."""
        self._wait(self._logger.log_metrics, *args, **kwargs)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Keep hyperparameters until `opened`."""
        self._wait(self._logger.log_hyperparams, *args, **kwargs)

    def log_graph(self, *args: Any, **kwargs: Any) -> None:
        """Keep the graph of the network until `opened`."""
        self._wait(self._logger.log_graph, *args, **kwargs)

    def _wait(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._waiting.append(partial(call, *args, **kwargs))

    def opened(self, step: int) -> Logger:
        """Let the logger make its files and write what waits.

        Args:
            step: at which the run begins; what a killed run logged from there on is drawn anew.
        """
        _take_back(self._logger, step)
        for call in self._waiting:
            call()
        return self._logger


class _WaitingWriter:
    """Stands for the writer of a logger, which makes its files as soon as it is asked for."""

    def __init__(self, logger: Any, wait: Callable[..., None]) -> None:
        self._logger, self._wait = logger, wait

    def __getattr__(self, name: str) -> Callable[..., None]:
        return partial(self._wait, lambda *a, **k: getattr(self._logger.experiment, name)(*a, **k))


@rank_zero_only
def _take_back(logger: Logger, step: int) -> None:
    """Remove or hide the points of an earlier start from `step` on."""
    if isinstance(logger, TensorBoardLogger):
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        restart = SessionLog(status=SessionLog.START)
        logger.experiment.file_writer.add_event(Event(step=step, session_log=restart))
    elif isinstance(logger, CSVLogger) and step:
        logger._experiment = _ContinuedTable(logger.log_dir, step)


class _ContinuedTable(ExperimentWriter):
    """Appends to an existing metrics.csv, which Lightning's writer would remove.

    Args:
        log_dir: folder of the file.
        step: rows from this step on are removed.
    """

    def __init__(self, log_dir: str, step: int) -> None:
        super().__init__(log_dir)
        path = Path(self.metrics_file_path)
        if not path.exists():
            return
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            self.metrics_keys = list(reader.fieldnames or ())
            rows = [row for row in reader if _is_before(step, row.get("step"))]
        with replacing(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=self.metrics_keys)
            writer.writeheader()
            writer.writerows(rows)

    def _check_log_dir_exists(self) -> None:
        """Keep the file that is there."""


def _is_before(step: int, told: str | None) -> bool:
    """Return whether a row is whole and of an earlier step; a kill may cut the last one short."""
    return bool(told and told.isdecimal()) and int(str(told)) < step
