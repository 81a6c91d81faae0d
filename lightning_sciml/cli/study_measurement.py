"""`sciml study measure`: time networks and solvers, in a process of one thread."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from lightning_sciml.cli.chosen_study import Names, choice_words, study_path
from lightning_sciml.cli.terminal_lines import say, show
from lightning_sciml.errors import InputError, reject_below
from lightning_sciml.lists import listed


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
    path = study_path(file)
    if os.environ.get("OMP_NUM_THREADS") != "1":  # read where NumPy is loaded, which it is
        words = choice_words(path, scale, datasets)
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
        say=say,
        show=show,
    )
    say(f"Costs: {measurement.measure()}  `sciml study report` draws them")


def _measure_on_one_thread(words: Sequence[str]) -> NoReturn:
    """Start again with one thread: several cores are better used by several solves.

    The process stays the same one, so that a signal to it ends the measurement.
    """
    program = [sys.executable, "-m", "lightning_sciml.cli", "study", "measure", *words]
    os.execve(sys.executable, program, {**os.environ, "OMP_NUM_THREADS": "1"})
