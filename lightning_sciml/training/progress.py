"""Show what a run does: speed, progress, a summary."""

import math
from pathlib import Path
from time import perf_counter
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.callbacks import ProgressBar as LightningProgress
from lightning.pytorch.utilities import rank_zero_info

from lightning_sciml.json_files import json_text
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.durable import write_whole
from lightning_sciml.streaming.loader import ResumableLoader
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.random_streams import Stream, stream_words


class SeededSteps(Callback):
    """Makes torch's random numbers in a step a function of (seed, step, rank).

    Nothing about them then needs to be saved: a resumed run draws what an undisturbed one draws.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Seed the generators."""
        step, rank = trainer.global_step, trainer.global_rank
        [word] = stream_words(self.seed, Stream.TORCH, step, rank, count=1)
        # torch.manual_seed notes for every other kind of device where it was called from: 0.4 ms
        is_on_cpu = trainer.strategy.root_device.type == "cpu"
        set_seed = torch.default_generator.manual_seed if is_on_cpu else torch.manual_seed
        set_seed(int(word >> np.uint64(1)))


class Throughput(Callback):
    """Logs train/samples_per_s over all ranks, and the share of the time spent waiting for data.

    Validation between two steps is left out.

    Args:
        every_n_steps: steps it is measured over.
    """

    ADVISE_ABOVE = 0.05
    WARM_UP_S = 5.0  # the first batches are waited for in any case

    def __init__(self, every_n_steps: int = 10) -> None:
        self.every_n_steps = every_n_steps
        self._has_advised = False
        self._total_s = self._waited_s = 0.0
        self._elapsed_s = 0.0
        self._num_samples = 0
        self._started_at = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock where a run is resumed within an epoch."""
        self._started_at = perf_counter()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock: the first batch of an epoch counts with its loading."""
        self._started_at = perf_counter()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Count the batch, and log where the trainer logs."""
        now = perf_counter()
        self._elapsed_s += now - self._started_at
        self._num_samples += batch.global_size
        self._started_at = now
        if trainer.global_step % self.every_n_steps == 0:
            rate = self._num_samples / self._elapsed_s
            pl_module.log("train/samples_per_s", rate, prog_bar=True, batch_size=1)
            self._log_wait(trainer, pl_module)
            self._elapsed_s, self._num_samples = 0.0, 0

    def _log_wait(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        loader = trainer.train_dataloader
        if not isinstance(loader, ResumableLoader):
            return
        fraction = loader.wait_s / self._elapsed_s
        pl_module.log("train/data_wait_fraction", fraction, batch_size=1)
        self._total_s += self._elapsed_s
        self._waited_s += loader.wait_s
        loader.wait_s = 0.0
        share = self._waited_s / self._total_s
        if not self._has_advised and self._total_s > self.WARM_UP_S and share > self.ADVISE_ABOVE:
            self._has_advised = True
            rank_zero_info(
                f"{share:.0%} of the time is spent waiting for data: try --data.cache memory, or "
                "see by `sciml data bench DATASET` what it gives"
            )


class ProgressBar(TQDMProgressBar):
    """Lightning's bar, without the logger's version; a GPU is not waited for in every step."""

    STEPS_ON_GPU = 10

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Update the bar every few steps: reading a metric waits for the GPU."""
        super().setup(trainer, pl_module, stage)
        if trainer.strategy.root_device.type != "cpu":
            self._refresh_rate = self.STEPS_ON_GPU

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return loss, samples/s and validation error."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


class EpochLines(LightningProgress):
    """A line an epoch of what it measured, for the log of a job, which would keep every bar.

    The trainer keeps metrics until they are measured again.
    """

    _SPEED = "train/samples_per_s"  # measured over some steps, which may be of several epochs

    def __init__(self) -> None:
        super().__init__()
        self._has_validated, self._last_speed = False, math.nan

    def disable(self) -> None:
        """Do nothing: Lightning calls this on ranks other than 0, which print nothing."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show loss, samples/s and validation error, as far as they are of this epoch."""
        metrics = trainer.progress_bar_metrics
        new = [
            f", {name} {value:.4g}" for name, value in metrics.items() if self._is_new(name, value)
        ]
        rank_zero_info(f"epoch {trainer.current_epoch}, step {trainer.global_step}{''.join(new)}")
        self._has_validated, self._last_speed = False, metrics.get(self._SPEED, math.nan)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note that this epoch has validation errors."""
        self._has_validated = True

    def _is_new(self, name: str, value: float) -> bool:
        if name.startswith("val/"):
            return self._has_validated
        return name != self._SPEED or value != self._last_speed


def _num_parameters(module: pl.LightningModule) -> tuple[int, int]:
    """Count the parameters, and those of them that are trained."""
    sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, is_trained in sizes if is_trained)


class ParameterCount(Callback):
    """Says how many parameters there are; Lightning's table has FLOPs too, which are zero here."""

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count them before the first step."""
        all_of_them, trained = _num_parameters(pl_module)
        rank_zero_info(f"{trained:,} of {all_of_them:,} parameters are trained")


class RunSummary(Callback):
    """Writes RUN_DIR/summary.json when training ends: steps, time, best validation error.

    Also where it stops at `stop_after_step`.

    Args:
        run_dir: folder of the run.
        best: the callback that keeps the best checkpoint.
        stop_after_step: step at which the run stops and waits to be resumed.
    """

    def __init__(
        self, run_dir: Path, best: ModelCheckpoint, *, stop_after_step: int | None = None
    ) -> None:
        self.path, self.best = RunFolder(run_dir).summary, best
        self.stop_after_step = stop_after_step
        self._started_at, self._earlier_s = perf_counter(), 0.0
        self._num_parameters = self._num_trained_parameters = 0

    @property
    def _elapsed_s(self) -> float:
        return self._earlier_s + perf_counter() - self._started_at

    def state_dict(self) -> dict[str, float]:
        """Save the seconds of training up to this checkpoint."""
        return {"elapsed_s": self._elapsed_s}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Continue to count from the saved seconds."""
        self._earlier_s = state_dict["elapsed_s"]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the parameters, and those that are trained."""
        self._num_parameters, self._num_trained_parameters = _num_parameters(pl_module)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the summary on rank 0, after the last checkpoint."""
        if trainer.is_global_zero:
            self._write(trainer)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Write the summary where the run stops as planned."""
        is_planned = trainer.global_step == self.stop_after_step
        if is_planned and isinstance(exception, SystemExit) and trainer.is_global_zero:
            self._write(trainer)

    def _write(self, trainer: pl.Trainer) -> None:
        score = self.best.best_model_score
        best = math.nan if score is None else float(score)
        summary = {
            "num_steps": trainer.global_step,
            "num_epochs": trainer.current_epoch,
            "best_val_relative_l2": best if math.isfinite(best) else None,
            "num_parameters": self._num_parameters,
            "num_trained_parameters": self._num_trained_parameters,
            "world_size": trainer.world_size,
            "num_threads": torch.get_num_threads(),  # of this process
            "elapsed_s": self._elapsed_s,
        }
        write_whole(self.path, json_text(summary, indent=2))
