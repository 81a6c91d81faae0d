"""`sciml study`: plan, run and report a grid of pre-trainings and downstream runs."""

import argparse
import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lightning_sciml.errors import InputError, reject_below
from lightning_sciml.option_errors import OneLineArgumentParser
from lightning_sciml.paths import expanded
from lightning_sciml.plain_text import for_terminal
from lightning_sciml.study.definition.study_file import StudyFile

CLEAR_LINE = "\r\x1b[K"
INTERRUPTED = 130  # as a shell says of what Ctrl-C has ended


def parser() -> argparse.ArgumentParser:
    """Options of the verb."""
    parser = OneLineArgumentParser(
        prog="sciml study",
        description="A study is one YAML file: launch/configs/study. Its runs are folders; what is "
        "finished is not run again, whatever ends the command.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("file", type=Path, help="the study")
        command.add_argument("--scale", help="one of the scales of the file; its first by default")
        if name == "plan":
            command.add_argument(
                "--measure", action="store_true", help="time training steps here, for the hours"
            )
        if name == "run":
            command.add_argument("--jobs", type=int, default=1, help="runs at a time")
            command.add_argument("--index", type=int, help="this run of the plan alone, from 0")
        if name == "report":
            command.add_argument(
                "--recipes", nargs="+", default=(), help="show these; results.csv has all"
            )
        if name == "generate":
            command.add_argument("--num_ranks", type=int, default=2, help="processes of mpirun")
    return parser


def plan(options: argparse.Namespace) -> None:
    """Show what would run; nothing is started."""
    from lightning_sciml.cli.config_check import config_fault
    from lightning_sciml.study.execution.plan import checked_plan, describe_plan, speed_here

    study, runs, datasets = checked_plan(options.file, config_fault, options.scale)
    speed = speed_here(study, runs, datasets, _show) if options.measure else None
    _say(describe_plan(study, runs, datasets, speed).replace("FILE", str(options.study)))


def generate(options: argparse.Namespace) -> None:
    """Make the data sets that are missing, each by the command that is shown."""
    import shlex
    import subprocess

    from lightning_sciml.study.execution.generated_sets import generation_command, missing_datasets

    reject_below(1, num_ranks=options.num_ranks)
    study = StudyFile.load(options.file, options.scale)
    for name in missing_datasets(study):
        command = generation_command(study, name, options.num_ranks)
        _say(f"$ {command}")
        words = shlex.split(command)
        words = [{"mpirun": _mpirun(), "python": sys.executable}.get(word, word) for word in words]
        result = subprocess.run(words, check=False)
        if result.returncode:
            raise InputError(f"the command above ended with exit code {result.returncode}")


def _mpirun() -> str:
    """The one that was installed with this Python, or else that of the site."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("mpirun", path=path)
    if found is None:
        raise InputError(
            "mpirun is not on the PATH; load the site's MPI, or pip install -e '.[mpich]'"
        )
    return found


def run(options: argparse.Namespace) -> None:
    """Run what is not finished; failed runs are tried again."""
    reject_below(1, jobs=options.jobs)
    num_cores = len(os.sched_getaffinity(0))
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, num_cores // options.jobs)))
    from lightning_sciml.cli import fit  # torch, once for all runs
    from lightning_sciml.cli.config_check import config_fault
    from lightning_sciml.study.execution.plan import checked_plan

    study, runs, datasets = checked_plan(options.file, config_fault, options.scale)
    if options.index is not None and not 0 <= options.index < len(runs):
        raise InputError(f"index must lie in 0 … {len(runs) - 1}, got {options.index}")
    _make_folder(study.output)
    wanted = runs if options.index is None else [runs[options.index]]
    from lightning_sciml.study.execution.execute import Executor
    from lightning_sciml.study.execution.run_process import STOPPED

    executor = Executor(study, datasets, verb=fit.main, jobs=options.jobs, say=_say, show=_show)
    outcome = executor.execute(wanted)
    _say(
        f"{len(outcome.finished)} of {len(wanted)} runs are finished, "
        f"{len(outcome.failed)} failed, {len(outcome.left)} are left"
    )
    if outcome.is_stopped:
        sys.exit(STOPPED)
    if outcome.failed or outcome.left:
        sys.exit(1)


def _make_folder(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"output {output} cannot be written: {error.strerror}; name another folder in the study"
        ) from None


def status(options: argparse.Namespace) -> None:
    """Count finished, failed, started and waiting runs; name the errors."""
    from lightning_sciml.study.execution.results import finished_results
    from lightning_sciml.study.execution.run_files import State, error_message, state_of

    study = StudyFile.load(options.file, options.scale)
    runs = study.runs()
    states = {run: state_of(study, run) for run in runs}
    counts = Counter(states.values())
    _say("  ".join(f"{counts[state]} {state}" for state in State))
    for index, run in enumerate(runs):
        if states[run] == State.FAILED:
            _say(f"{index} {run.name}: {error_message(study.run_dir(run))}")
    for line in finished_results(study, runs)[1]:
        _say(line)


def report(options: argparse.Namespace) -> None:
    """Write results.csv, figures and report.html from the finished runs; show the errors."""
    from lightning_sciml.study.report.report import write_report

    page, errors = write_report(StudyFile.load(options.file, options.scale), options.recipes)
    _say(f"{errors}\nTable: {page.parent / 'results.csv'}  Figures: {page.parent}  Page: {page}")


COMMANDS = {
    "plan": (plan, "what would run, and all that stands in its way"),
    "generate": (generate, "make the data sets that are missing"),
    "run": (run, "run what is not finished"),
    "status": (status, "how far the runs are, and why some failed"),
    "report": (report, "results.csv, figures and one HTML page of what is finished"),
}


def _say(line: str) -> None:
    if sys.stdout.isatty():
        sys.stdout.write(CLEAR_LINE)
    sys.stdout.write(for_terminal(line, keep="\n") + "\n")
    sys.stdout.flush()


def _show(line: str) -> None:
    """Show a line on a terminal until the next one is shown or said."""
    if sys.stdout.isatty():
        sys.stdout.write(CLEAR_LINE + for_terminal(line)[: shutil.get_terminal_size().columns - 1])
        sys.stdout.flush()


def main(arguments: Sequence[str]) -> None:
    """Run `sciml study COMMAND FILE`."""
    options = parser().parse_args(list(arguments[1:]))
    options.file = expanded(options.file)
    options.study = f"{options.file} --scale {options.scale}" if options.scale else options.file
    try:
        COMMANDS[options.command][0](options)
    except KeyboardInterrupt:  # before runs are started, or while data sets are made
        _say(f"interrupted; sciml study {options.command} {options.study} starts again from there")
        sys.exit(INTERRUPTED)
