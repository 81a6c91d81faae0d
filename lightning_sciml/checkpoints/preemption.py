"""Stop a run on request: at a completed step, with everything saved.

Whoever wants the run to stop sends SIGUSR1, SIGTERM or SIGINT (Ctrl-C) to its processes, or puts a
file STOP_REQUESTED into its folder, which works through containers and before Python has started.
All ranks then write last.ckpt at the same step and leave with exit code 0 and a file PREEMPTED
beside it; that tells the batch script to queue the job again. Signal handlers do nothing but
remember: a collective inside a handler meets ranks that already wait in another one, for ever. A
second Ctrl-C ends the process at once.
"""

import os
import signal
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities import rank_zero_info

from lightning_sciml.checkpoints.step_boundary import StepBoundary
from lightning_sciml.run_folder import RunFolder

MAX_STEPS_BETWEEN_POLLS = 1000


class StopRequest:
    """A request to stop: SIGUSR1, SIGTERM or SIGINT from `listen` on, or a file STOP_REQUESTED.

    Args:
        run_dir: folder of the run.
    """

    SIGNALS = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)
    ONE_PRESS_S = 0.5  # the terminal and a launcher may both pass on one Ctrl-C
    ON_FIRST_INTERRUPT = (
        b"\nCtrl-C: the run saves after this step, or after this validation, and ends; "
        b"press it again to end at once and lose what came after the last checkpoint\n"
    )

    def __init__(self, run_dir: Path) -> None:
        self.file = RunFolder(run_dir).stop_requested
        self._is_signalled = self._speaks = False
        self._interrupted_at: float | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def listen(self, *, speaks: bool) -> None:
        """Replace Lightning's handlers, which save inside the handler.

        Args:
            speaks: whether this process says what Ctrl-C does.
        """
        self._speaks = speaks
        for number in self.SIGNALS:  # what runs in the background ignores Ctrl-C
            if number != signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._is_signalled = True
        if number == signal.SIGINT:
            self._interrupt()

    def _interrupt(self) -> None:
        if self._interrupted_at is None:
            self._interrupted_at = monotonic()
            if self._speaks:  # a handler must not use buffered output
                os.write(2, self.ON_FIRST_INTERRUPT)
        elif monotonic() - self._interrupted_at > self.ONE_PRESS_S:
            os._exit(128 + signal.SIGINT)  # cleaning up could wait for ranks that have gone

    def is_made(self, *, look_for_file: bool) -> bool:
        """Return whether a stop is requested."""
        return self._is_signalled or (look_for_file and self.file.exists())

    def close(self) -> None:
        """Restore the previous signal handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}


class PreemptionCheckpoint(StepBoundary):
    """Ends a run on request: last.ckpt, a file PREEMPTED with the step, exit code 0 on all ranks.

    A request that comes before the first step ends the run there, without a checkpoint: nothing has
    changed. One that comes during validation waits for the validation's end.

    Args:
        run_dir: folder of the run.
        checkpoint: file that is written.
        poll_s: seconds between two looks; each is one collective of two numbers.
        stop_after_step: ends the run after this step without a request.
    """

    def __init__(
        self,
        run_dir: Path,
        checkpoint: Path,
        *,
        poll_s: float = 2.0,
        stop_after_step: int | None = None,
    ) -> None:
        self.request = StopRequest(run_dir)
        self.marker = RunFolder(run_dir).preempted
        self.checkpoint, self.poll_s = checkpoint, poll_s
        self.stop_after_step = stop_after_step
        self._polled_at, self._polled_step, self._next_poll = 0.0, 0, 0
        self._is_leaving = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start to listen; stop at once if the request is already there."""
        super().on_train_start(trainer, pl_module)
        if trainer.is_global_zero:
            self.marker.unlink(missing_ok=True)  # of an earlier start
        self.request.listen(speaks=trainer.is_global_zero)
        self._polled_at, self._polled_step = monotonic(), trainer.global_step
        self._is_leaving = self._is_agreed(trainer) or self._is_at_end(trainer)
        self._leave_if_agreed(trainer)

    def between_steps(self, trainer: pl.Trainer) -> None:
        """Save if any rank was asked to stop."""
        is_asked = trainer.global_step >= self._next_poll and self._is_agreed(trainer)
        if is_asked or self._is_at_end(trainer):
            trainer.save_checkpoint(self.checkpoint)
            self._is_leaving = True  # at the next hook: this step is yet to be logged

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Stop before the next step of this epoch."""
        self._leave_if_agreed(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save if any rank was asked to stop, and stop before the next epoch."""
        super().on_train_epoch_start(trainer, pl_module)
        self._leave_if_agreed(trainer)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Stop listening; a request after the last step is ignored."""
        self.request.close()
        if trainer.is_global_zero:
            self.request.file.unlink(missing_ok=True)

    def _is_at_end(self, trainer: pl.Trainer) -> bool:
        return self.stop_after_step is not None and trainer.global_step >= self.stop_after_step

    def _is_agreed(self, trainer: pl.Trainer) -> bool:
        """Agree on all ranks whether to stop, and on the next step at which to ask again."""
        elapsed_s = monotonic() - self._polled_at
        is_made = self.request.is_made(look_for_file=trainer.is_global_zero)
        votes = torch.tensor([is_made, elapsed_s], device=trainer.strategy.root_device)
        is_agreed, slowest_s = trainer.strategy.reduce(votes, reduce_op="max").tolist()
        steps_per_s = (trainer.global_step - self._polled_step) / max(slowest_s, 1e-6)
        num_steps = min(int(steps_per_s * self.poll_s), MAX_STEPS_BETWEEN_POLLS)
        self._next_poll = trainer.global_step + max(num_steps, 1)
        self._polled_at, self._polled_step = monotonic(), trainer.global_step
        return bool(is_agreed)

    def _leave_if_agreed(self, trainer: pl.Trainer) -> None:
        if not self._is_leaving:
            return
        if trainer.is_global_zero:
            self.request.file.unlink(missing_ok=True)
            self.marker.write_text(f"{trainer.global_step}\n")
            asking = (
                f"stop_after_step={self.stop_after_step} says; a later step, or none, resumes it"
                if self._is_at_end(trainer)
                else f"a signal or {self.request.file} asked; type the same command again to resume"
            )
            rank_zero_info(f"stopped after step {trainer.global_step}, as {asking}")
        trainer.strategy.barrier("preempted")
        raise SystemExit(0)
