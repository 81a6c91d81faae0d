"""Options of the verbs that train and evaluate: those of a run, and those shown first."""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any, Literal

from lightning.pytorch.cli import LightningArgumentParser

from lightning_sciml.option_parser import OneLineErrors
from lightning_sciml.training.module import OperatorModule, PretrainingModule

EVALUATION = {
    "--config FILE": "RUN_DIR/config.yaml of a run; of several the last prevails",
    "--run_dir DIR": "folder of the run; results lie below it",
    "--ckpt_path FILE": "checkpoint; RUN_DIR/checkpoints/best.ckpt by default",
    "--data.datasets DIR": "data set; for several, repeat the option or write [a, b]",
    "--data.eval_batch_size N": "samples of a batch, over all processes",
    "--trainer.devices N": "processes on this machine, one a GPU",
    "--trainer.precision bf16-mixed": "numbers of 16 bits where that is safe",
}
ROLLOUT = {"--data.rollout all": "of trajectories: from the first states to the last; or N steps"}
TRAINING = {
    "--config FILE": "file or name (sciml config list); of several the last prevails",
    "--run_dir DIR": "folder of the run: all it writes is there",
    "--data.datasets DIR": "data set; for several, repeat the option or write [a, b]",
    "--data.batch_size N": "samples of a step, over all processes",
    "--data.num_train_samples N": "train on so many samples of each data set",
    "--model.network.size 1M": "64K, 1M, 4M, 16M, 64M or 256M parameters",
    "--model.optimizer.lr 0.001": "learning rate at its peak",
    "--model.checkpoint FILE": "of a FineTuningModule: the weights that it starts from",
    "--trainer.max_epochs N": "passes over the training samples",
    "--trainer.devices N": "processes on this machine, one a GPU",
    "--trainer.precision bf16-mixed": "numbers of 16 bits where that is safe",
    "--resume false": "start over instead of resuming from RUN_DIR/checkpoints/last.ckpt",
    "--print_config": "show all options with their values, and end",
}
OPTIONS: dict[str, Mapping[str, str]] = {
    "fit": TRAINING,
    "validate": EVALUATION,
    "test": {
        **EVALUATION,
        **ROLLOUT,
        "--movie gif": "of rollouts: write a movie of one of each data set, too",
    },
    "predict": {
        "--input FILE.npz": "your own arrays instead of a data set; see sciml predict --input= -h",
        **EVALUATION,
        **ROLLOUT,
        "--data.predict_split val": "train, val or test; test by default",
    },
}


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
        poll_s: Seconds between two looks for a request to stop (a signal, STOP_REQUESTED).
        movie: Make sciml test write a movie of a rollout of each data set; mp4 needs ffmpeg.
        collective_timeout_s: End the run if a process waits for the others for so long; more than
            the longest write of a checkpoint.
        matmul_precision: Precision of products of float32 matrices: high takes TF32 on a GPU, which
            is faster and keeps 11 bits.
    """

    run_dir: str
    resume: bool = True
    checkpoint_every_n_steps: int | None = None
    checkpoint_every_minutes: float = 1.0
    poll_s: float = 2.0
    movie: Literal["gif", "mp4"] | None = None
    collective_timeout_s: float = 600.0
    matmul_precision: Literal["highest", "high", "medium"] = "highest"


class RunParser(OneLineErrors, LightningArgumentParser):
    """LightningCLI's parser with errors of one line, and help that begins with common options."""

    NOT_REPEATED = ("trainer.",)

    def known_options(self) -> list[str]:
        """Name the options of a model, too, which this parser knows by its class alone."""
        models = (OperatorModule, PretrainingModule)
        of_model = [f"model.{name}" for model in models for name in signature(model).parameters]
        common = [option.split()[0].lstrip("-") for option in TRAINING]
        return [*super().known_options(), *of_model, *common]

    def format_help(self, *args: Any) -> str:
        """Show first the options that most runs set."""
        verb, full_help = self.prog.split()[-1], str(super().format_help(*args))
        if verb not in OPTIONS:
            return full_help
        _, _, all_options = full_help.partition("\n\n")  # behind a usage of a hundred lines
        lines = [f"  {option:33s}{text}" for option, text in OPTIONS[verb].items()]
        return (
            f"usage: sciml {verb} --config FILE [--OPTION VALUE ...]\n\n"
            "Options that most runs set:\n" + "\n".join(lines) + "\n\n"
            "`--model.help PretrainingModule` (FineTuningModule, or another class) shows what a "
            "model takes.\nAll options:\n\n" + all_options
        )
