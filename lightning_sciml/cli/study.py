"""`sciml study`: plan, run and report a grid of pre-trainings and downstream runs."""

import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lightning_sciml.errors import InputError, reject_below
from lightning_sciml.lists import listed
from lightning_sciml.option_parser import call_one
from lightning_sciml.paths import expanded
from lightning_sciml.plain_text import for_terminal
from lightning_sciml.shipped_configs import config_path

if TYPE_CHECKING:
    from lightning_sciml.study.definition.study_file import StudyFile

Names = Sequence[str] | str
CLEAR_LINE = "\r\x1b[K"
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

    path, speed = _path(file), None
    study, runs, manifests = checked_plan(path, config_fault, scale, listed(datasets))
    if measure:
        from lightning_sciml.study.execution.training_speed import speed_here

        speed = speed_here(study, runs, manifests, _show)
    words = [path, *(["--scale", scale] if scale else [])]
    words += ["--datasets", f"[{', '.join(listed(datasets))}]"] if datasets else []
    _say(describe_plan(study, runs, manifests, words=shlex.join(words), speed=speed))


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
    import subprocess

    from lightning_sciml.study.execution.generated_sets import generation_command, load_manifests

    reject_below(1, num_ranks=num_ranks)
    study = _study(file, scale, datasets)
    _, missing = load_manifests(study)
    for name in missing:
        command = generation_command(study, name, num_ranks)
        _say(f"$ {command}")
        words = shlex.split(command)
        words = [_mpirun(), *words[1:3], sys.executable, "-m", "lightning_sciml.cli", *words[4:]]
        result = subprocess.run(words, check=False)
        if result.returncode:
            raise InputError(f"the command above ended with exit code {result.returncode}")


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

    study, runs, manifests = checked_plan(_path(file), config_fault, scale, listed(datasets))
    if index is not None and not 0 <= index < len(runs):
        raise InputError(f"index must lie in 0 … {len(runs) - 1}, got {index}")
    wanted = runs if index is None else [runs[index]]
    from lightning_sciml.study.execution.execute import Executor
    from lightning_sciml.study.execution.run_process import STOPPED

    executor = Executor(study, manifests, verb=fit.main, jobs=jobs, say=_say, show=_show)
    outcome = executor.execute(wanted)
    lost = f", {len(outcome.lost)} failed and lost by that" if outcome.lost else ""
    waiting = f", {len(outcome.at_rung)} wait at a rung" if outcome.at_rung else ""
    _say(
        f"{len(outcome.finished)} of {len(wanted)} runs are finished{lost}, "
        f"{len(outcome.failed)} failed, {len(outcome.left)} are left{waiting}"
    )
    if outcome.is_stopped:
        sys.exit(STOPPED)
    if outcome.failed or outcome.left:
        sys.exit(1)


def measure(
    file: str,
    *,
    scale: str | None = None,
    datasets: Names = (),
    num_samples: int = 16,
    num_repeats: int = 5,
) -> None:
    """Time the networks of finished runs, and the solvers of their data sets; one core each.

    The report says then after how many solves a network has paid. What is measured already is kept.

    Args:
        file: YAML file of the study, or a name of `sciml config list`.
        scale: One of the scales of the study; its first by default.
        datasets: Only downstream runs on these data sets, and what they start from; all by default.
        num_samples: Test samples, at most, on which the errors of solvers are measured.
        num_repeats: How often everything is timed; medians count, and extremes are kept.

    Examples:
        sciml study measure study/downstream_data --scale tiny
    """
    reject_below(1, num_samples=num_samples, num_repeats=num_repeats)
    path = _path(file)
    if os.environ.get("OMP_NUM_THREADS") != "1":  # read where NumPy is loaded, which it is
        words = [path, *(["--scale", scale] if scale else [])]
        words += ["--datasets", f"[{', '.join(listed(datasets))}]"] if datasets else []
        words += [f"--num_samples={num_samples}", f"--num_repeats={num_repeats}"]
        _measure_on_one_thread(words)
    from data_gen.solver_cost import solver_of
    from lightning_sciml.process_memory import keep_freed_memory
    from lightning_sciml.study.definition.runs import Init
    from lightning_sciml.study.execution.cost_measurement import CostMeasurement
    from lightning_sciml.study.execution.plan import checked_plan
    from lightning_sciml.study.execution.results import finished_results

    keep_freed_memory()  # as generation does
    study, runs, manifests = checked_plan(path, None, scale, listed(datasets))
    finished, _ = finished_results(study, runs)
    if all(run.init == Init.PRETRAIN for run in finished):
        raise InputError(
            f"study {study.name} has no finished downstream run; sciml study run first"
        )
    measurement = CostMeasurement(
        study,
        finished,
        manifests,
        solver_of=solver_of,
        num_samples=num_samples,
        num_repeats=num_repeats,
        say=_say,
        show=_show,
    )
    _say(f"Costs: {measurement.measure()}  `sciml study report` draws them")


def _measure_on_one_thread(words: Sequence[str]) -> NoReturn:
    """Start again with one thread: several cores are better used by several solves.

    The process stays the same one, so that a signal to it ends the measurement.
    """
    program = [sys.executable, "-m", "lightning_sciml.cli", "study", "measure", *words]
    os.execve(sys.executable, program, {**os.environ, "OMP_NUM_THREADS": "1"})


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

    study = _study(file, scale, datasets)
    runs = study.runs()
    states = {run: state_of(study, run) for run in runs}
    counts = Counter(states.values())
    _say("  ".join(f"{counts[state]} {state}" for state in State))
    for index, run in enumerate(runs):
        if states[run] == State.FAILED:
            _say(f"{index} {run.name}: {error_message(study.run_dir(run))}")
    for line in finished_results(study, runs)[1]:
        _say(line)


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

    study = _study(file, scale, datasets)
    page, errors = write_report(study, listed(recipes), listed(formats))
    _say(f"{errors}\nTable: {page.parent / 'results.csv'}  Figures: {page.parent}  Page: {page}")


COMMANDS: dict[str, Callable[..., None]] = {
    "plan": plan,
    "generate": generate,
    "run": run,
    "measure": measure,
    "status": status,
    "report": report,
}


def _path(file: str) -> str:
    return config_path(str(expanded(file)))


def _study(file: str, scale: str | None, datasets: Names) -> "StudyFile":
    from lightning_sciml.study.definition.reading import load_study

    return load_study(_path(file), scale, listed(datasets))


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
    description = (
        "Run a study: one YAML file, whose runs are folders. What is finished is not run again, "
        "whatever ends the command."
    )
    try:
        call_one(COMMANDS, arguments[1:], "sciml study", description)
    except KeyboardInterrupt:  # before runs are started, or while data sets are made
        _say(f"interrupted; `sciml {shlex.join(arguments)}` starts again from there")
        sys.exit(INTERRUPTED)
