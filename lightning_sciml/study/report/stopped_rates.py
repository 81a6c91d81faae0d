"""The learning rates that a search by halving has stopped, by arm and rung."""

from collections.abc import Iterator

from lightning_sciml.study.execution.halving import stopped_runs
from lightning_sciml.study.execution.results import Arm
from lightning_sciml.study.execution.searches import searches
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.sections import Findings

HEADER = ("test set", "arm", "n", "seed", "draw", "rate", "stopped at step", "validation error")


def stopped_section(page: Page, found: Findings) -> None:
    """Add a table of the runs that have lost, with the validation error that decided."""
    rows = list(_rows(found))
    if rows:
        page.heading("Learning rates stopped by halving")
        page.note(
            "The smallest validation error up to the step decided; errors on test sets are of the "
            "checkpoint at that step. A run that failed before has no error."
        )
        page.table(HEADER, rows)


def _rows(found: Findings) -> Iterator[list[object]]:
    runs = []
    for run in found.study.runs():
        needed = {*run.datasets, *(run.pretrained.datasets if run.pretrained else ())}
        runs += [run] if needed <= {*found.manifests} else []
    for search in searches(found.study, runs, found.manifests):
        for run, rung, error in stopped_runs(found.study, search):
            arm = Arm(run.init, run.pretraining, run.model, run.recipe)
            name = found.styles.whole(arm)
            replicate = [f"{run.num_samples:,}", run.seed, run.subset_draw]
            shown = "failed" if error is None else f"{error:.4g}"
            title = found.styles.title(run.datasets[0])
            yield [title, name, *replicate, f"{run.learning_rate:g}", rung, shown]
