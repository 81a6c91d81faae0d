"""`sciml study`: plan, run and report a grid of pre-trainings and downstream runs."""

import os
import shlex
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from lightning_sciml.cli.chosen_study import Names, choice_words, chosen_study, study_path
from lightning_sciml.cli.study_measurement import measure
from lightning_sciml.cli.terminal_lines import say, show
from lightning_sciml.commands import call_one
from lightning_sciml.errors import InputError, reject_below
from lightning_sciml.lists import listed

INTERRUPTED = 130  # as a shell says of what Ctrl-C has ended


def plan(
    file: str, *, scale: str | None = None, datasets: Names = (), measure: bool = False
) -> None:
    """Show what would run, and all that stands in its way.

    Args:
        file: YAML file of the study, or a name of `sciml config list`.
        scale: One of the scales of the study; its first by default.
        datasets: Only downstream runs on these data sets, and what they start from; all by default.
        measure: Time training steps here, for the hours.

    Examples:
        sciml study plan study/downstream_data --scale tiny
    """
    from lightning_sciml.cli.config_check import config_fault
    from lightning_sciml.study.execution.plan import checked_plan, describe_plan

    path, speed = study_path(file), None
    study, runs, manifests = checked_plan(path, config_fault, scale, listed(datasets))
    if measure:
        from lightning_sciml.study.execution.training_speed import speed_here

        speed = speed_here(study, runs, manifests, show)
    words = choice_words(path, scale, datasets)
    say(describe_plan(study, runs, manifests, words=shlex.join(words), speed=speed))


def generate(
    file: str, *, scale: str | None = None, datasets: Names = (), num_ranks: int = 2
) -> None:
    """Make the data sets that are missing, each by the command that is shown.

    Args:
        file: YAML file of the study, or a name of `sciml config list`.
        scale: One of the scales of the study; its first by default.
        datasets: Only downstream runs on these data sets, and what they start from; all by default.
        num_ranks: Processes of mpirun.

    Examples:
        sciml study generate study/downstream_data --scale tiny
    """
    from lightning_sciml.study.execution.generated_sets import generation_command, load_manifests

    reject_below(1, num_ranks=num_ranks)
    study = chosen_study(file, scale, datasets)
    _, missing = load_manifests(study)
    for name in missing:
        command = generation_command(study, name, num_ranks)
        say(f"$ {command}")
        words = shlex.split(command)
        words = [_mpirun(), *words[1:3], sys.executable, "-m", "lightning_sciml.cli", *words[4:]]
        if code := _exit_code(words):
            raise InputError(f"the command above ended with exit code {code}")


def _exit_code(words: Sequence[str]) -> int:
    """Run a command to its end; what stops this process stops the command."""
    import subprocess

    with subprocess.Popen(words) as process:
        before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
        try:
            return process.wait()
        finally:
            process.terminate()  # of one that has ended nothing happens
            process.wait()
            signal.signal(signal.SIGTERM, before)


def _mpirun() -> str:
    """The one that was installed with this Python, or else that of the site."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("mpirun", path=path)
    if found is None:
        raise InputError(
            "mpirun is not on the PATH; load the site's MPI module, or pip install mpich"
        )
    return found


def run(
    file: str,
    *,
    scale: str | None = None,
    datasets: Names = (),
    jobs: int = 1,
    index: int | None = None,
) -> None:
    """Run what is not finished; failed runs are tried again.

    Args:
        file: YAML file of the study, or a name of `sciml config list`.
        scale: One of the scales of the study; its first by default.
        datasets: Only downstream runs on these data sets, and what they start from; all by default.
        jobs: Runs at a time.
        index: This run of the plan alone, counted from 0.

    Examples:
        sciml study run study/downstream_data --scale tiny --jobs 2
    """
    reject_below(1, jobs=jobs)
    num_cores = len(os.sched_getaffinity(0))
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, num_cores // jobs)))
    from lightning_sciml.cli import fit  # torch, once for all runs
    from lightning_sciml.cli.config_check import config_fault
    from lightning_sciml.study.execution.plan import checked_plan

    study, runs, manifests = checked_plan(study_path(file), config_fault, scale, listed(datasets))
    if index is not None and not 0 <= index < len(runs):
        raise InputError(f"index must lie in 0 … {len(runs) - 1}, got {index}")
    wanted = runs if index is None else [runs[index]]
    from lightning_sciml.study.execution.execute import Executor
    from lightning_sciml.study.execution.run_process import STOPPED

    executor = Executor(study, manifests, verb=fit.main, jobs=jobs, say=say, show=show)
    outcome = executor.execute(wanted)
    lost = f", {len(outcome.lost)} failed and lost by that" if outcome.lost else ""
    waiting = f", {len(outcome.at_rung)} wait at a rung" if outcome.at_rung else ""
    say(
        f"{len(outcome.finished)} of {len(wanted)} runs are finished{lost}, "
        f"{len(outcome.failed)} failed, {len(outcome.left)} are left{waiting}"
    )
    if outcome.is_stopped:
        sys.exit(STOPPED)
    if outcome.failed or outcome.left:
        sys.exit(1)


def status(file: str, *, scale: str | None = None, datasets: Names = ()) -> None:
    """Count finished, failed, started and waiting runs; name the errors.

    Args:
        file: YAML file of the study, or a name of `sciml config list`.
        scale: One of the scales of the study; its first by default.
        datasets: Only downstream runs on these data sets, and what they start from; all by default.

    Examples:
        sciml study status study/downstream_data --scale tiny
    """
    from lightning_sciml.study.execution.results import finished_results
    from lightning_sciml.study.execution.run_files import State, error_message, state_of

    study = chosen_study(file, scale, datasets)
    runs = study.runs()
    states = {run: state_of(study, run) for run in runs}
    counts = Counter(states.values())
    say("  ".join(f"{counts[state]} {state}" for state in State))
    for index, run in enumerate(runs):
        if states[run] == State.FAILED:
            say(f"{index} {run.name}: {error_message(study.run_dir(run))}")
    for line in finished_results(study, runs)[1]:
        say(line)


def report(
    file: str,
    *,
    scale: str | None = None,
    datasets: Names = (),
    recipes: Names = (),
    formats: Names = ("png", "svg"),
) -> None:
    """Write results.csv, figures and one HTML page of what is finished; show the errors.

    Args:
        file: YAML file of the study, or a name of `sciml config list`.
        scale: One of the scales of the study; its first by default.
        datasets: Only downstream runs on these data sets, and what they start from; all by default.
        recipes: Show these alone; results.csv has all.
        formats: Files of each figure beside the page: some of png, svg, pdf.

    Examples:
        sciml study report study/downstream_data --scale tiny
        sciml study report study/downstream_data --formats '[pdf, svg]'
    """
    from lightning_sciml.study.report.report import write_report

    study = chosen_study(file, scale, datasets)
    page, errors = write_report(study, listed(recipes), listed(formats))
    say(f"{errors}\nTable: {page.parent / 'results.csv'}  Figures: {page.parent}  Page: {page}")


COMMANDS: dict[str, Callable[..., None]] = {
    "plan": plan,
    "generate": generate,
    "run": run,
    "measure": measure,
    "status": status,
    "report": report,
}


def main(arguments: Sequence[str]) -> None:
    """Run `sciml study COMMAND FILE`."""
    description = (
        "Run a study: one YAML file, whose runs are folders. What is finished is not run again, "
        "whatever ends the command."
    )
    try:
        call_one(COMMANDS, arguments[1:], "sciml study", description)
    except KeyboardInterrupt:  # before runs are started, or while data sets are made
        say(f"interrupted; `sciml {shlex.join(arguments)}` starts again from there")
        sys.exit(INTERRUPTED)
