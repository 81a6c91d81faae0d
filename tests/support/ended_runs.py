"""Runs that are ended in this process at any moment, and what they have done until then."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny_run
import torch
import torch.nn.functional as F
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from windowed_runs import DATA, STRIDES, pushforward_model, windowed_model, windowed_sets

from lightning_sciml.models.fno import FNO
from lightning_sciml.run_folder import RunFolder

NUM_EPOCHS = 4
FULL_EPOCH, ONE_BATCH = 8, 40  # batch sizes: of 40 samples five batches an epoch, or one
VALIDATION = {
    "by_epochs": {},
    "by_steps_that_divide": {"check_val_every_n_epoch": None, "val_check_interval": 5},
    "by_steps_that_do_not": {"check_val_every_n_epoch": None, "val_check_interval": 4},
}
MOMENTS = ("mid_epoch", "last_batch", "one_batch_an_epoch", "during_validation")


class KilledError(Exception):
    """Ends a run in this process as SIGKILL would: nothing of ours handles it."""


class NoisyFNO(FNO):
    """Draws random numbers in every step of training."""

    def forward(self, source: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
        return super().forward(F.dropout(source, 0.1, self.training), coefficients)


class Recorder(Callback):
    """Appends what the run does to RUN_DIR/record.jsonl."""

    def _write(self, trainer: Trainer, **entry: Any) -> None:
        with (Path(trainer.default_root_dir) / "record.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def on_train_start(self, trainer: Trainer, *_: object) -> None:
        self._write(trainer, start=trainer.fit_loop.total_batch_idx)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        where = [trainer.current_epoch, batch_idx, trainer.global_step]
        logged_at = trainer.fit_loop.epoch_loop._batches_that_stepped
        places = batch.dataset, batch.sample_index, batch.time_index, batch.lead_time
        samples = [place.tolist() for place in places]
        self._write(trainer, batch=[*where, samples, rate, logged_at])

    def on_validation_end(self, trainer: Trainer, *_: object) -> None:
        error = float(trainer.callback_metrics["val/relative_l2"])
        logged_at = trainer.fit_loop.epoch_loop._batches_that_stepped
        self._write(trainer, validation=[trainer.global_step, error, logged_at])


class EndAt(Callback):
    """Ends a run at a batch, counted from 1 over all epochs, or in the first validation behind it.

    Args:
        batch: number of the batch.
        moment: one of MOMENTS.
        way: "kill" or "stop".
    """

    def __init__(self, batch: int, moment: str, way: str) -> None:
        self.batch, self.moment, self.way = batch, moment, way
        self._is_done = False

    def on_train_batch_start(self, trainer: Trainer, *_: object) -> None:
        if self.moment != "during_validation":
            self._end(trainer, trainer.fit_loop.total_batch_idx + 1)

    def on_validation_batch_start(self, trainer: Trainer, *_: object) -> None:
        if self.moment == "during_validation":
            self._end(trainer, trainer.fit_loop.total_batch_idx + 1)

    def _end(self, trainer: Trainer, batch: int) -> None:
        if batch < self.batch or self._is_done:
            return
        self._is_done = True
        if self.way == "kill":
            raise KilledError
        RunFolder(trainer.default_root_dir).stop_requested.touch()


def fit_below(root: Path, datasets: dict[str, str]) -> Callable[..., Path]:
    """Return what runs once below a folder, and returns the folder of the run."""

    def run(
        name: str,
        *callbacks: dict,
        batch_size: int = FULL_EPOCH,
        every: int = 2,
        scheduler=None,
        windowed: bool = False,
        pushforward: bool = False,
        **trainer,
    ):
        plateau = {"scheduler": scheduler} if scheduler else {}
        noisy = f"{__name__}.NoisyFNO"
        model, data = {"network": tiny_run.network(class_path=noisy)}, {}
        if windowed:
            model, data = windowed_model(noisy), DATA
        if pushforward:
            model, data = pushforward_model(noisy), STRIDES
        config = tiny_run.write_run(
            root / name,
            windowed_sets(root, datasets) if data else [datasets["poisson_1_5"]],
            model={**model, **plateau},
            data={"batch_size": batch_size, **data},
            trainer={"callbacks": [{"class_path": f"{__name__}.Recorder"}, *callbacks], **trainer},
            checkpoint_every_n_steps=every,
            poll_s=0,
        )
        return tiny_run.fit(config)

    run.root = root
    return run


def segments(run: Path) -> list[list[dict[str, Any]]]:
    """What each start of the run recorded."""
    parts: list[list[dict[str, Any]]] = []
    for line in (run / "record.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if "start" in entry:
            parts.append([])
        else:
            parts[-1].append(entry)
    return parts


def end_state(run: Path) -> dict[str, Any]:
    """Everything of the last and the best checkpoint that a continued training depends on."""
    state = {}
    for name in ("last.ckpt", "best.ckpt"):
        checkpoint = torch.load(run / "checkpoints" / name, weights_only=True)
        best = next(v for k, v in checkpoint["callbacks"].items() if "Checkpoint" in k)
        state[name] = {
            "weights": checkpoint["state_dict"],
            "optimizer": checkpoint["optimizer_states"][0]["state"],
            "scheduler": [
                {name: value for name, value in schedule.items() if not isinstance(value, str)}
                for schedule in checkpoint["lr_schedulers"]
            ],
            "best": best["best_model_score"],
            "step": checkpoint["global_step"],
            "epoch": checkpoint["epoch"],
        }
    return state


def assert_undisturbed(run: Path, whole: Path, *, may_repeat: bool) -> None:
    """Each start did what comes after some point of the undisturbed run, and none left a gap."""
    (wanted,) = segments(whole)
    num_done = 0
    for part in segments(run):
        first = wanted.index(part[0]) if part else num_done
        assert part == wanted[first : first + len(part)]
        assert first <= num_done if may_repeat else first == num_done
        num_done = first + len(part)
    assert num_done == len(wanted)
    torch.testing.assert_close(end_state(run), end_state(whole), rtol=0, atol=0)


def ended_at(batch: int, moment: str = "mid_epoch", way: str = "kill") -> dict[str, Any]:
    """Configure what ends a run; see ``EndAt``."""
    arguments = {"batch": batch, "moment": moment, "way": way}
    return {"class_path": f"{__name__}.EndAt", "init_args": arguments}
