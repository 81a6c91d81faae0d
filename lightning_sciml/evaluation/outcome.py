"""Lines at the end of a verb: what it measured, and where that lies."""

import signal
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.exceptions import SIGTERMException

from lightning_sciml.errors import ReportedError
from lightning_sciml.plain_text import for_terminal
from lightning_sciml.streaming.datamodule import pde_data
from lightning_sciml.streaming.mixture_member import MixtureMember


def say(lines: Sequence[str]) -> None:
    """Show these lines, once over all processes."""
    rank_zero_info("\n".join(for_terminal(line) for line in lines))


def described(member: MixtureMember) -> str:
    """Name the samples that a member of a mixture takes part with."""
    kind = "trajectories" if member.dataset.is_evolution else "samples"
    return f"{member.name}, {member.dataset.split} split, {member.subset.num_samples:,} {kind}"


class TerminatedError(ReportedError):
    """The process was asked to end by SIGTERM."""

    EXIT_CODE = 128 + signal.SIGTERM


def end_if_terminated(trainer: pl.Trainer) -> None:
    """Raise a TerminatedError after SIGTERM."""
    if trainer.received_sigterm:
        raise TerminatedError("ended by SIGTERM, nothing is written; type the same line again")


class EvaluationCallback(Callback):
    """Ends an evaluation on SIGTERM, after which Lightning would leave with exit code 0."""

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Say so where Lightning has seen the signal first."""
        if isinstance(exception, SIGTERMException):
            end_if_terminated(trainer)


class ValidationReport(EvaluationCallback):
    """Says after ``sciml validate`` what was measured; nothing is written."""

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """End between batches, if asked to."""
        end_if_terminated(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the mean error of each data set."""
        members = pde_data(trainer).mixtures["val"].members
        for member in members:
            own = f"val/relative_l2/{member.name}" if len(members) > 1 else "val/relative_l2"
            error = float(trainer.callback_metrics[own])
            say([f"{described(member)}: relative L2 error {error:.4g} on average"])
