"""Make loggers so that they write below the folder of a run, and go on with it when it resumes."""

import inspect
import logging
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from lightning.pytorch.loggers.logger import DummyLogger
from lightning.pytorch.utilities import rank_zero_only

from lightning_sciml.extras import require
from lightning_sciml.json_files import json_text, read_json
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.durable import write_whole
from lightning_sciml.trackers.kinds import tracker_of
from lightning_sciml.trackers.waiting import WaitingLogger

FOLDERS = ("save_dir", "dir", "root_dir", "log_dir", "offline_directory")  # of loggers' options
EXTRAS = {WandbLogger: ("wandb", ["wandb"]), MLFlowLogger: ("mlflow", ["mlflow", "sqlalchemy"])}
_LOCAL_STORE = re.compile(r"(sqlite:///|file:(?://)?|(?!\w+:))(.*)", re.DOTALL)


def give_defaults(run: RunFolder) -> None:
    """Let loggers be named without options: each then has one folder, the same at each start."""
    one_folder = {"save_dir": ".", "version": ""}
    _set_defaults(TensorBoardLogger, **one_folder, name=run.curves.name)
    _set_defaults(CSVLogger, **one_folder, name=run.table.name)
    _set_defaults(MLFlowLogger, save_dir=run.store.name)


def _set_defaults(cls: type[Logger], **defaults: str) -> None:
    """Change what the signature of a class says; calls of it are as before."""
    signature = inspect.signature(cls.__init__)
    parameters = [
        p.replace(default=defaults[p.name]) if p.name in defaults else p
        for p in signature.parameters.values()
    ]
    cls.__init__.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]


class LoggerMaker:
    """Makes the loggers of a run in turn, each as its class and options say.

    A folder, or a local store, that is left out or relative lies below the folder of the run; an
    absolute one, or a server, is where it says.

    Args:
        run_dir: folder of the run.
        is_resuming: whether the run resumes, so that loggers go on with what they have.
    """

    def __init__(self, run_dir: Path, *, is_resuming: bool) -> None:
        self.run_dir = run_dir.absolute()
        self._ids = read_run_ids(run_dir) if is_resuming else []
        self._num_made = 0

    def __call__(self, cls: type[Logger], *args: Any, **options: Any) -> Logger:
        """Make a logger.

        Raises:
            InputError: a package that it needs is not installed.
        """
        _reject_missing(cls)
        for name in set(FOLDERS) & set(options):
            if options[name] is not None:
                options[name] = str(self._placed(options[name]))
        name, run_id = self.run_dir.name, self._next_id(cls)
        if issubclass(cls, WandbLogger):
            options["name"] = options.get("name") or name
            options["id"] = options.get("id") or run_id
        if not issubclass(cls, MLFlowLogger):
            return cls(*args, **options)
        options["run_name"] = options.get("run_name") or name
        options["run_id"] = options.get("run_id") or run_id
        make = partial(_with_store, cls, self._store(options), *args)
        return WaitingLogger(make, save_dir=str(self.run_dir))

    def _next_id(self, cls: type[Logger]) -> str | None:
        """Return the id that the logger at this place had, where it is of the same class."""
        place, self._num_made = self._num_made, self._num_made + 1
        known = self._ids[place] if place < len(self._ids) else ["", None]
        return known[1] if known[0] == cls.__name__ else None

    def _placed(self, path: str | Path) -> Path:
        """Return a path below the folder of the run, unless it is absolute or there already."""
        is_there = Path(path).absolute().is_relative_to(self.run_dir)
        return Path(path).absolute() if is_there else self.run_dir / path

    def _store(self, options: dict[str, Any]) -> dict[str, Any]:
        """Name the store of MLflow: a database in one file, with figures beside it."""
        given = options.get("tracking_uri")
        if not given:
            folder = Path(options.pop("save_dir"))
            uri, beside = f"sqlite:///{folder / 'mlflow.db'}", folder
        elif local := _LOCAL_STORE.fullmatch(given):
            path = self._placed(local[2])
            uri, beside = local[1] + str(path), path if local[1] != "sqlite:///" else path.parent
        else:
            return options
        artifacts = options.get("artifact_location") or str(beside / "artifacts")
        return {**options, "tracking_uri": uri, "artifact_location": artifacts}


def _with_store(cls: type[Logger], options: dict[str, Any], *args: Any) -> Logger:
    """Make MLflow's logger, whose store appears with it: on rank 0 alone, when the run begins."""
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        return DummyLogger()
    for name in ("mlflow", "alembic"):  # they tell of each table that they make
        logging.getLogger(name).setLevel(logging.WARNING)
    if (uri := options["tracking_uri"]).startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return cls(*args, **options)


def _reject_missing(cls: type[Logger]) -> None:
    for known, (extra, modules) in EXTRAS.items():
        if issubclass(cls, known):
            require(f"trainer.logger: {cls.__name__}", modules, extra=extra)


def read_run_ids(run_dir: Path) -> list[list[str | None]]:
    """Read class and id of the run of each logger; none where the run has no such file.

    Raises:
        InputError: the file is damaged.
    """
    path = RunFolder(run_dir).trackers
    if not path.exists():
        return []
    remedy = "remove it, and loggers begin a run of their own"
    return read_json(path, list[list[str | None]], remedy=remedy)


def write_run_ids(run_dir: Path, loggers: Sequence[Logger]) -> None:
    """Write class and id of the run of each logger, where one has an id."""
    ids = [[type(logger).__name__, tracker_of(logger).run_id] for logger in loggers]
    if any(run_id for _, run_id in ids):
        write_whole(RunFolder(run_dir).trackers, json_text(ids))
