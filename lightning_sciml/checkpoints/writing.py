"""Write checkpoints that are whole at any moment: ``last.ckpt`` to resume, ``best.ckpt`` to use.

``previous.ckpt`` is the ``last.ckpt`` before: what a run resumes from if the file system loses the
end of the newest file.
"""

import os
import shutil
from pathlib import Path
from time import monotonic
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_info

from lightning_sciml.checkpoints.plain_state import reject_unreadable
from lightning_sciml.checkpoints.resumption import given_state
from lightning_sciml.checkpoints.step_boundary import StepBoundary, is_last_step
from lightning_sciml.errors import ReportedError
from lightning_sciml.run_folder import BEST, LAST, PREVIOUS
from lightning_sciml.shards.durable import TEMPORARY_SUFFIX, remove_temporaries, replacing


class WholeFileCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, syncs, then renames: a kill leaves the old file or the new one.

    Lightning's own atomic save moves the file from $TMPDIR, which is a copy where that is another
    file system.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write `checkpoint` to `path`.

        Raises:
            InputError: `checkpoint` could not be read back.
            ReportedError: the disk is full, or `path` cannot be written; the old file is whole.
        """
        path = Path(path)
        reject_unreadable(checkpoint)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                with temporary.open("wb") as file:  # by its path, torch hides what went wrong
                    torch.save(checkpoint, file)
                if path.name == LAST and path.exists():
                    keep_as_previous(path)
        except (OSError, RuntimeError) as error:
            # torch finds the file shorter than it should be, after the OSError that made it so
            cause = error if isinstance(error, OSError) else error.__context__
            if not isinstance(cause, OSError):
                raise
            raise ReportedError(
                f"{path} cannot be written ({cause.strerror}), what was written before is whole; "
                "free some space and type the same line again to resume"
            ) from error

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read the state of a run from `path`, without running code in it.

        Raises:
            InputError: it is damaged, or no checkpoint of a run.
        """
        return given_state(Path(path))


def keep_as_previous(path: Path) -> None:
    """Give the file a second name; it keeps its own until the new one takes it."""
    link = path.with_name(f".{PREVIOUS}.{os.getpid()}{TEMPORARY_SUFFIX}")
    link.unlink(missing_ok=True)
    try:
        os.link(path, link)
    except OSError:  # a file system without hard links
        shutil.copyfile(path, link)
    link.replace(path.with_name(PREVIOUS))


class LastCheckpoint(StepBoundary):
    """Writes last.ckpt between optimizer steps: every so often, and when training ends.

    Args:
        directory: where to.
        every_s: seconds between two writes, by rank 0's clock.
        every_n_steps: if given, write at each multiple of this many steps, too.
    """

    WORLD_SIZE = "world_size"  # in the checkpoint

    POLL_STEPS = 10  # ranks agree by a broadcast, which costs as much as a small step

    def __init__(
        self, directory: Path, *, every_s: float = 60.0, every_n_steps: int | None = None
    ) -> None:
        self.path = directory / LAST
        self.every_s, self.every_n_steps = every_s, every_n_steps
        self._written_at = monotonic()
        self._written_step = 0

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the number of processes."""
        checkpoint[self.WORLD_SIZE] = trainer.world_size

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Log what another number of processes changes."""
        saved = checkpoint.get(self.WORLD_SIZE, trainer.world_size)
        if saved != trainer.world_size:
            rank_zero_info(
                f"resuming over {trainer.world_size} processes, so far there were {saved}: batches "
                "hold the same samples in the same order, but results may differ in the last bits, "
                "since sums are taken in another order and each process has its own random numbers"
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove temporary files of killed writes; the resumed checkpoint counts as written."""
        super().on_train_start(trainer, pl_module)
        if trainer.is_global_zero:
            remove_temporaries(self.path.parent)
        self._written_step = trainer.global_step

    def between_steps(self, trainer: pl.Trainer) -> None:
        """Write last.ckpt if it is time."""
        if self._is_due(trainer):
            self._write(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the final state to last.ckpt."""
        self._write(trainer)

    def _is_due(self, trainer: pl.Trainer) -> bool:
        n = self.every_n_steps
        if n is not None and trainer.global_step // n > self._written_step // n:
            return True
        if trainer.global_step % self.POLL_STEPS:
            return False
        return bool(trainer.strategy.broadcast(monotonic() - self._written_at >= self.every_s))

    def _write(self, trainer: pl.Trainer) -> None:
        trainer.save_checkpoint(self.path)
        self._written_at, self._written_step = monotonic(), trainer.global_step


class BestCheckpoint(ModelCheckpoint):
    """Keeps the state with the smallest `monitor` in best.ckpt, wherever the folder moves.

    A run that no validation falls into is validated after its last step.

    Args:
        directory: where to.
        monitor: name of a logged metric.
    """

    def __init__(self, directory: Path, monitor: str = "val/relative_l2") -> None:
        super().__init__(
            dirpath=directory,
            filename=Path(BEST).stem,
            monitor=monitor,
            mode="min",
            save_top_k=1,
            enable_version_counter=False,
            save_on_train_epoch_end=False,  # an epoch may have no validation
        )

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        """Validate the last step if there is no best state yet."""
        super().on_train_batch_end(trainer, *args, **kwargs)
        if is_last_step(trainer) and trainer.enable_validation and not self.best_model_path:
            trainer.check_val_every_n_epoch = None
            trainer._val_check_time_interval = None  # type: ignore[attr-defined]
            trainer.val_check_batch = trainer.fit_loop.total_batch_idx + 1

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the best score; Lightning forgets it when a run folder has been moved."""

        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        moved: dict[str, Any] = {name: here(state_dict[name]) for name in paths}
        moved["best_k_models"] = {here(p): s for p, s in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **moved, "dirpath": self.dirpath})
