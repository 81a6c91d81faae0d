"""A callback that makes trouble at a chosen point of a run; jobs find it by PYTHONPATH."""

import os
import signal
import subprocess
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

REACHED = "FAULT_REACHED"


class ActsWhenPickled:
    """Something in a checkpoint that does `act` when its turn comes to be written."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act

    def __reduce__(self) -> tuple:
        self.act()
        return OrderedDict, ()  # what weights_only reads


class Fault(Callback):
    """In the job's start number `restart`, at `point` once `step` steps are done, does `action`.

    Args:
        restart: how often SLURM has queued the job again by then.
        point: "start" (before the first step), "step", "validation" or "save" (amid the file).
        action: "time_limit" sends what --signal=B:USR1@… sends, "time_limit_twice" does so twice,
            "kill" and "freeze" end or stop a process, "wait" calls for the test to act.
        rank: where.
        step: after how many steps.
        step_s: how long each step takes at least.
    """

    def __init__(
        self,
        restart: int,
        point: str,
        action: str,
        *,
        rank: int = 0,
        step: int = 0,
        step_s: float = 0.0,
    ) -> None:
        self.is_armed = int(os.environ.get("SLURM_RESTART_COUNT", "0")) == restart
        self.step_s = step_s if self.is_armed else 0.0
        self.point, self.action = point, action
        self.rank, self.step = rank, step

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._at("start", trainer)

    def on_train_batch_start(self, trainer: pl.Trainer, *args) -> None:
        time.sleep(self.step_s)
        self._at("step", trainer)

    def on_validation_batch_start(self, trainer: pl.Trainer, *args) -> None:
        self._at("validation", trainer)

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module, checkpoint: dict) -> None:
        if self._is_due("save", trainer):
            checkpoint["zzz"] = ActsWhenPickled(lambda: self._at("save", trainer))

    def _is_due(self, point: str, trainer: pl.Trainer) -> bool:
        is_here = point == self.point and trainer.global_rank == self.rank
        return self.is_armed and is_here and trainer.global_step >= self.step

    def _at(self, point: str, trainer: pl.Trainer) -> None:
        if self._is_due(point, trainer):
            self.is_armed = False
            getattr(self, self.action)(Path(trainer.default_root_dir))

    def time_limit(self, run_dir: Path) -> None:
        signal_batch_shell()
        wait_for(run_dir / "STOP_REQUESTED")

    def time_limit_twice(self, run_dir: Path) -> None:
        self.time_limit(run_dir)
        signal_batch_shell()

    def kill(self, run_dir: Path) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def freeze(self, run_dir: Path) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    def wait(self, run_dir: Path) -> None:
        (run_dir / REACHED).touch()


def signal_batch_shell() -> None:
    job = os.environ["SLURM_JOB_ID"]
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    subprocess.run(["scancel", "--batch", "--signal=USR1", job], check=True, timeout=60)


def wait_for(path: Path) -> None:
    give_up_at = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < give_up_at, f"no {path} after 60 s"
        time.sleep(0.05)
