"""Options of the verbs that train and evaluate: those of a run, and the parser of all."""

from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Literal

from lightning.pytorch.cli import LightningArgumentParser

from lightning_sciml.cli.run_help import OPTIONS, TRAINING, page_of_run
from lightning_sciml.option_help import HelpPage
from lightning_sciml.option_parser import OneLineErrors
from lightning_sciml.training.module import OperatorModule, PretrainingModule


@dataclass
class RunOptions:
    """The run.

    Args:
        run_dir: Folder of the run: all it writes is there.
        resume: Resume from RUN_DIR/checkpoints/last.ckpt if it is there; false starts over and
            removes what sciml wrote before: checkpoints, curves, tests and predictions. What
            SLURM or torchrun start again is resumed in any case.
        checkpoint_every_n_steps: Write last.ckpt at multiples of this many steps, too.
        checkpoint_every_minutes: Write last.ckpt so often, looked at every ten steps.
        stop_after_step: Save and end after this step of the schedule of the whole run, as on a
            request to stop; a later step, or none, resumes it.
        poll_s: Seconds between two looks for a request to stop (a signal, STOP_REQUESTED).
        movie: Make sciml test write a movie of a rollout of each data set; mp4 needs ffmpeg.
        figure_formats: Files of each figure that sciml test draws of a rollout.
        collective_timeout_s: End the run if a process waits for the others for so long; more than
            the longest write of a checkpoint.
        matmul_precision: Precision of products of float32 matrices: high takes TF32 on a GPU, which
            is faster and keeps 11 bits.
    """

    run_dir: str
    resume: bool = True
    checkpoint_every_n_steps: int | None = None
    checkpoint_every_minutes: float = 1.0
    stop_after_step: int | None = None
    poll_s: float = 2.0
    movie: Literal["gif", "mp4"] | None = None
    figure_formats: list[Literal["png", "svg", "pdf"]] = field(default_factory=lambda: ["png"])
    collective_timeout_s: float = 600.0
    matmul_precision: Literal["highest", "high", "medium"] = "highest"


class RunParser(OneLineErrors, LightningArgumentParser):
    """LightningCLI's parser with errors of one line, and help of one screen."""

    NOT_REPEATED = ("trainer.",)

    def known_options(self) -> list[str]:
        """Name the options of a model, too, which this parser knows by its class alone."""
        models = (OperatorModule, PretrainingModule)
        of_model = [f"model.{name}" for model in models for name in signature(model).parameters]
        common = [option.split()[0].lstrip("-") for option in TRAINING]
        return [*super().known_options(), *of_model, *common]

    def page(self) -> HelpPage | str:
        """Show what `--help` shows without loading this parser."""
        verb = self.prog.split()[-1]
        return page_of_run(verb) if verb in OPTIONS else super().page()

    def format_help(self, *args: Any) -> str:
        """Leave out the usage, a hundred lines."""
        verb, full_help = self.prog.split()[-1], str(super().format_help(*args))
        if verb not in OPTIONS:
            return full_help
        _, _, options = full_help.partition("\n\n")
        return f"usage: {page_of_run(verb).usage}\n\n{options}"
