"""The section of a report on costs: error against seconds a solve, and when a network has paid."""

from collections.abc import Sequence

from lightning_sciml.errors import InputError
from lightning_sciml.study.execution.costs import Costs, read_costs
from lightning_sciml.study.report.break_even import Seconds
from lightning_sciml.study.report.comparisons import Comparison, comparisons
from lightning_sciml.study.report.cost_figure import error_by_cost
from lightning_sciml.study.report.lead_curves import BLOWN_UP
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.sections import Findings
from lightning_sciml.study.report.styles import Styles


def cost_section(page: Page, found: Findings) -> None:
    """Add the figure of errors against costs, and the solves after which networks have paid."""
    page.heading("After how many solves a network has paid")
    costs = _known_costs(page, found)
    if costs is None:
        return
    compared = list(comparisons(found, costs))
    if not compared:
        page.note(
            "No network is compared: none that was measured has a finite error on a test set that "
            "a solver of this project has made."
        )
        return
    of_sets = {c.curve.dataset: costs.sets[c.curve.dataset] for c in compared}
    page.figure("error_by_cost", error_by_cost(compared, of_sets, found.styles))
    for note in _notes(found, costs, compared):
        page.note(note)
    header = ["test set", "network", "n", "error", "network s", "solver s", "solver"]
    header += ["generation s", "pre-training s", "search and training s"]
    header += ["solves", "solves, pre-training given"]
    page.table(header, [_row(c, found) for c in compared])


def break_even_table(found: Findings, names: Styles) -> list[list[str]]:
    """Tabulate when networks have paid; the first row names the columns. Empty if not measured."""
    try:
        costs = read_costs(found.study)
    except InputError:  # which the page says
        costs = None
    compared = [] if costs is None else list(comparisons(found, costs))
    rows = [
        [
            *(
                f"{c.curve.dataset}, {names.whole(c.curve.arm)}",
                f"{c.num_samples:,}",
                f"{c.error:.4f}",
            ),
            *map(str, (c.solves, c.solves_if_given)),
        ]
        for c in compared
    ]
    header = ["solves until a network has paid", "n", "error", "solves", "pre-training given"]
    return [header, *rows] if rows else []


def _known_costs(page: Page, found: Findings) -> Costs | None:
    try:
        costs = read_costs(found.study)
    except InputError as error:
        page.note(str(error))
        return None
    if costs is None:
        page.note(
            f"Not measured. sciml study measure, with the file of study {found.study.name}, times "
            "its networks and the solvers of its data sets on this machine."
        )
    return costs


def _row(compared: Comparison, found: Findings) -> list[object]:
    c, paid = compared, compared.paid
    generation = paid.generation.plus(paid.generation_before)
    return [
        *(found.styles.title(c.curve.dataset), found.styles.whole(c.curve.arm)),
        *(f"{c.num_samples:,}", c.curve.cell(c.column)),
        *(_shown(c.network), _shown(Seconds.of(c.solver.elapsed_s)), c.solver.name),
        *(f"{s.median:,.3g}" for s in (generation, paid.pretraining, paid.training)),
        *(c.solves, c.solves_if_given),
    ]


def _shown(seconds: Seconds) -> str:
    return "{:.3g} [{:.3g}, {:.3g}]".format(*seconds)


def _notes(found: Findings, costs: Costs, compared: Sequence[Comparison]) -> list[str]:
    judged = {name: costs.sets[name].judged for name in {c.curve.dataset for c in compared}}
    notes = [
        "Thin lines: the solver on each grid, dashed in float32, from the step or residual of the "
        "data set to larger ones; thick line: the best of all. Larger markers: more samples; "
        "open ones: zero-shot.",
        f"Seconds of one core of {costs.machine}, for networks and solvers alike: medians of "
        "repeats, the smallest and the largest in brackets. A network is timed with the batch that "
        "suits it best, a solver in blocks as data sets are made. "
        + "; ".join(f"{found.styles.title(name)}: {text}" for name, text in judged.items())
        + ".",
        "Solves: (generation + pre-training + search + training) / (seconds of the cheapest solver "
        "whose error is no larger - seconds of the network). Never: that solver costs no more. "
        "Intervals: 95 % over resampled replicates, at the extremes of the repeats. Search and "
        "training are all learning rates and replicates, pre-training all its seeds; seconds of "
        "training count once for each thread. Generation is the number of training and validation "
        "samples times the seconds of the solver at full accuracy, since a manifest does not tell "
        "how many ranks have made it.",
    ]
    unknown = dict.fromkeys(name for c in compared for name in c.paid.unknown)
    if unknown:
        notes.append(f"Not known, and not counted: {', '.join(unknown)}.")
    if any(row.rollout is not None and row.rollout.num_blown_up for row in found.rows):
        notes.append(f"A run of which a rollout leaves all bounds has the error {BLOWN_UP:g}.")
    return notes
