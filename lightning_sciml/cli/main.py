"""`sciml`: a dispatcher that imports only what the verb needs, so that its help comes at once."""

import importlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from time import sleep

from lightning_sciml.cli.run_help import asks_for_page_of_run, page_of_run
from lightning_sciml.errors import InputError, reported_cause
from lightning_sciml.launcher import launched, lightning_rank
from lightning_sciml.option_help import HELP_FLAGS, HelpPage
from lightning_sciml.option_parser import OneLineParser
from lightning_sciml.option_values import COMPLETING
from lightning_sciml.plain_text import for_terminal

VERBS = {
    "generate": ("generate", "make a data set, on the ranks of mpirun or srun"),
    "config": ("configs", "list and copy the configs that come with sciml"),
    "fit": ("fit", "train or fine-tune an operator: --config FILE"),
    "validate": ("fit", "errors on the validation split"),
    "test": ("released_test", "errors on the test split; of a released operator, its numbers"),
    "predict": ("predict", "predictions for a data set, or for a file of arrays"),
    "study": ("study", "a grid of runs: plan, run, report"),
    "models": ("models", "released operators: list, show, make, push, pull"),
    "inspect": ("checkpoint", "what a checkpoint is"),
    "export": ("export", "an operator as ONNX, torch.export archive or safetensors"),
    "doctor": ("doctor", "check the machine: srun sciml doctor"),
    "data": ("data", "look at a data set, check it, time it; import and export"),
    "completion": ("completion", "complete commands in bash, zsh or fish"),
}
EXAMPLES = [
    "sciml models list",
    "sciml config list",
    "mpirun -n 4 sciml generate data/poisson_1_5 --output data/poisson_1_5",
    "sciml fit --config pretrain/poisson",
    "sciml test --config runs/pretrain_poisson/config.yaml",
]

TRACEBACK = "SCIML_TRACEBACK"  # set: errors of one line are shown with their traceback
PRECEDENCE_S = 10.0  # for rank 0 to reach the same error


def parser() -> OneLineParser:
    """The parser of the first word."""
    parser = OneLineParser(prog="sciml")
    parser.add_argument("VERB", choices=VERBS, help="what to do")
    parser.add_argument("--version", action="version", version=version("lightning_sciml"))
    parser.help_page = HelpPage(
        usage="sciml VERB ...",
        summary="Pre-train neural operators on PDE data sets and measure how they transfer.",
        rows=[(verb, text) for verb, (_, text) in VERBS.items()],
        examples=EXAMPLES,
        more="`sciml VERB --help` shows what a verb takes, `sciml --version` the version.",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb; input that cannot be used ends in one line on rank 0 and exit code 2."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _prepare()
    command = "sciml"
    if COMPLETING in os.environ:
        importlib.import_module("lightning_sciml.cli.completion").complete(VERBS)
        return
    try:
        verb = parser().parse_args(arguments[:1] or HELP_FLAGS[:1]).VERB
        command = f"sciml {verb}"
        if asks_for_page_of_run(arguments):
            sys.stdout.write(str(page_of_run(verb)))
            return
        importlib.import_module(f"lightning_sciml.cli.{VERBS[verb][0]}").main(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:  # before training listens for it, there is nothing to save
        sys.stderr.write(f"\n{command}: interrupted\n")
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        reported = reported_cause(error)
        if reported is None or os.environ.get(TRACEBACK):
            raise
        if _is_to_speak(os.environ):
            line = for_terminal(reported, keep="\n")  # a study has several faults
            sys.stderr.write(f"{command}: error: {line}\n")
        sys.exit(reported.EXIT_CODE)


def _prepare() -> None:
    """Set up threads, the module path and the streams of this process."""
    # Threads that wait for each other sleep, not spin: on cores that other processes use as well,
    # spinning made a training step ten times slower. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # A class_path may name a module of the working folder, which Python finds by itself only where
    # it is started as `python -m`. Behind all other folders: it shadows nothing.
    with suppress(FileNotFoundError):  # the folder was removed: what needs it says so
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal without Unicode shows ? for an arrow
            stream.reconfigure(errors="replace")


def _is_to_speak(environment: Mapping[str, str]) -> bool:
    """Rank 0 speaks, unless what is wrong is wrong elsewhere only.

    Whoever leaves first is the end of all under srun and torchrun: other ranks let rank 0 go ahead,
    and speak if they are still there after that.
    """
    try:
        if (rank := lightning_rank(environment)) is not None:
            return rank == 0
        is_first = launched(environment).rank == 0
    except InputError:  # of a launcher's variables, which is then what is reported
        return True
    if not is_first:
        sleep(PRECEDENCE_S)
    return True
