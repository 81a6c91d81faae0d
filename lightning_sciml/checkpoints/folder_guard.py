"""Guard the folder of a run: one process writes, and only after the run has passed its checks.

A start that fails leaves the folder as it was; a run that starts over removes what the one before
has written, and nothing else.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import h5py
import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from lightning_sciml.checkpoints.resumption import remove_checkpoints
from lightning_sciml.errors import InputError
from lightning_sciml.folder_lock import FolderLock
from lightning_sciml.launcher import training_launch
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.durable import write_whole
from lightning_sciml.trackers.waiting import WaitingLogger


class FolderGuard(Callback):
    """Locks the folder of a run and keeps RUN_DIR/config.yaml there, from the first step on.

    Args:
        run_dir: the folder.
        config: the whole configuration of the run, as YAML.
        starts_over: remove what an earlier run in this folder has written.
        but: a checkpoint that this run starts from, which is kept.
    """

    def __init__(self, run_dir: Path, config: str, *, starts_over: bool, but: str | None) -> None:
        self.run_dir, self.config = run_dir, config
        self._removing = RunFolder(run_dir).removing  # half of a run cannot be resumed
        self.starts_over, self.but = starts_over or self._removing.exists(), but
        self.is_taken = self._has_begun = False

    @contextmanager
    def held(self, trainer: pl.Trainer) -> Iterator[None]:
        """Keep other runs out of the folder within the block; rank 0 holds the lock.

        Loggers make their files when the run begins.

        Raises:
            InputError: another process trains in this folder. Processes that a launcher has started
                together hear of it in `setup`, others at once.
        """
        trainer.loggers = [
            logger if isinstance(logger, WaitingLogger) else WaitingLogger(partial(_itself, logger))
            for logger in trainer.loggers
        ]
        if not trainer.is_global_zero:
            yield
            return
        with removing_empty(self.run_dir):
            self.run_dir.mkdir(parents=True, exist_ok=True)
            lock = FolderLock(self.run_dir)
            self.is_taken = not lock.acquire()
            started = training_launch(os.environ)
            try:
                if started is None or started.size == 1:
                    self._reject_taken(self.is_taken)
                yield
            finally:
                lock.release(remove=True)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Tell all processes whether another run holds the folder."""
        self._reject_taken(trainer.strategy.broadcast(self.is_taken))

    def on_before_backward(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor
    ) -> None:
        """Take over the folder at the first step, when every process has checked its data."""
        if not self._has_begun:
            trainer.strategy.barrier()
            self._begin(trainer)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Take over the folder if the run is stopped before its first step: it will resume."""
        if isinstance(exception, SystemExit):
            self._begin(trainer)

    def _begin(self, trainer: pl.Trainer) -> None:
        """Take over the folder, once."""
        if self._has_begun:
            return
        self._has_begun = True
        if trainer.is_global_zero:
            if self.starts_over:
                self._removing.touch()
                remove_results(self.run_dir, but=self.but)
            elif not self._is_resuming(trainer):
                remove_curves(self.run_dir)
            write_whole(RunFolder(self.run_dir).config, self.config)
            self._removing.unlink(missing_ok=True)
        trainer.loggers = [
            logger.opened(trainer.global_step) if isinstance(logger, WaitingLogger) else logger
            for logger in trainer.loggers
        ]

    def _is_resuming(self, trainer: pl.Trainer) -> bool:
        """Return whether the run resumed from its own checkpoint."""
        checkpoint = trainer.ckpt_path
        own = RunFolder(self.run_dir).checkpoints.resolve()
        return bool(checkpoint) and Path(str(checkpoint)).resolve().parent == own

    def _reject_taken(self, is_taken: bool) -> None:
        if is_taken:
            raise InputError(
                f"another process trains in {self.run_dir}; wait for it, stop it, or give another "
                "--run_dir"
            )


def _itself(logger: Any) -> Any:
    return logger


@contextmanager
def removing_empty(folder: Path) -> Iterator[None]:
    """Remove the folder and those above it that the block makes and leaves empty."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    finally:
        for path in made:
            with suppress(OSError):  # not empty, or gone
                path.rmdir()


def remove_curves(run_dir: Path) -> None:
    """Remove what loggers hold of a training of which no checkpoint is left, and its summary."""
    folder = RunFolder(run_dir)
    for path in folder.curves.glob("events.out.tfevents.*"):
        path.unlink()
    for directory in (folder.table, folder.store, folder.wandb):  # by the loggers alone
        shutil.rmtree(directory, ignore_errors=True)
    for path in (folder.trackers, folder.summary):
        path.unlink(missing_ok=True)


def remove_results(run_dir: Path, *, but: str | None) -> None:
    """Remove checkpoints, curves, tests and predictions that an earlier run has written.

    Args:
        run_dir: folder of the run.
        but: a checkpoint that is kept.
    """
    folder = RunFolder(run_dir)
    remove_checkpoints(folder.checkpoints, but=but)
    remove_curves(run_dir)
    for report in filter(_is_report, folder.tests.glob("*.json")):
        for path in (*folder.tests.glob(f"{report.stem}.*.npz"), report.with_suffix(".npz")):
            path.unlink(missing_ok=True)
        for suffix in (".csv", ".json"):
            report.with_suffix(suffix).unlink(missing_ok=True)
    for predictions in filter(_is_predictions, folder.predictions.glob("*.h5")):
        predictions.unlink()


def _is_report(path: Path) -> bool:
    """Return whether ``sciml test`` wrote the file; files of others stay."""
    with suppress(OSError, ValueError, RecursionError):
        content = json.loads(path.read_text())
        return isinstance(content, dict) and "checksums" in content
    return False


def _is_predictions(path: Path) -> bool:
    """Return whether ``sciml predict`` wrote the file."""
    with suppress(OSError), h5py.File(path, "r", locking=False) as file:
        return {"checksums", "split"} <= set(file.attrs)
    return False


def reject_unwritable(run_dir: Path) -> None:
    """Raise an InputError if nothing can be written to `run_dir`; nothing is left there.

    The file of the trial has no name, so a kill leaves none.
    """
    folder = run_dir.absolute()
    try:
        while not folder.exists() and not folder.is_symlink():
            folder = folder.parent
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"run_dir must be a folder that can be written, {run_dir} is not ({error.strerror}); "
            "give another --run_dir"
        ) from error
