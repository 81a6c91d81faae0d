"""The report of a study: results.csv, figures, and one page that opens without a network."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from lightning_sciml.errors import InputError
from lightning_sciml.plain_text import counted
from lightning_sciml.shards.figure_style import check_formats
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.judged_windows import tested_windows
from lightning_sciml.study.execution.results import collect, finished_results, write_table
from lightning_sciml.study.report import sections
from lightning_sciml.study.report.arm_frames import frames_section
from lightning_sciml.study.report.compute import compute_section
from lightning_sciml.study.report.cost_section import break_even_table, cost_section
from lightning_sciml.study.report.curves import Curve
from lightning_sciml.study.report.drift import drift_section
from lightning_sciml.study.report.error_table import aligned, error_tables, rate_table
from lightning_sciml.study.report.lead_times import lead_time_section, rollout_needed_section
from lightning_sciml.study.report.mixtures import mixture_section, mixture_table
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.rollout_spectra import spectra_section
from lightning_sciml.study.report.sample_panels import samples_section
from lightning_sciml.study.report.shift_section import shift_section
from lightning_sciml.study.report.stopped_rates import stopped_section
from lightning_sciml.study.report.styles import PlainNames
from lightning_sciml.study.report.trained_parameters import trained_parameters_section

SELECTIONS = {
    "full_val": "on the whole validation split, as in the paper; with few training samples this "
    "flatters every arm",
    "budgeted": "on a quarter of the downstream samples themselves, which are then not trained on",
    "last": "by nothing: the last checkpoint at one rate",
}
SECTIONS = (
    sections.curve_section,
    sections.field_section,
    sections.rate_section,
    stopped_section,
    sections.needed_section,
    lead_time_section,
    rollout_needed_section,
    drift_section,
    spectra_section,
    frames_section,
    sections.recipe_section,
    trained_parameters_section,
    sections.law_section,
    sections.size_section,
    shift_section,
    sections.pretraining_section,
    mixture_section,
    samples_section,
    compute_section,
    cost_section,
)


def write_report(
    study: StudyFile, recipes: Collection[str] = (), formats: Sequence[str] = ("png", "svg")
) -> tuple[Path, str]:
    """Write OUTPUT/report/ from what is finished; return the path of the page, and tables as text.

    Args:
        study: the study.
        recipes: figures and page show these; all by default. results.csv always has all.
        formats: of the files of figures beside the page.

    Raises:
        InputError: nothing is finished yet, or there is no such recipe or format.
    """
    unknown = [name for name in recipes if name not in study.recipes]
    if unknown:
        raise InputError(
            f"recipes must be some of {', '.join(study.recipes)}, got {', '.join(unknown)}"
        )
    known_formats = check_formats(formats)
    runs = study.runs()
    finished, damaged = finished_results(study, runs)
    if all(run.init == Init.PRETRAIN for run in finished):
        raise InputError(
            f"study {study.name} has no finished downstream run; sciml study run first"
        )
    page, rows = Page(study.output / "report", known_formats), collect(finished)
    page.directory.mkdir(parents=True, exist_ok=True)
    write_table(rows, page.directory / "results.csv")
    shown = [row for row in rows if not recipes or row.run.recipe in recipes]
    found = sections.Findings(study, shown)
    for line in (*_notes(found, len(runs)), *damaged):
        page.note(line)
    for section in SECTIONS:
        section(page, found)
    _names_section(page, found)
    names = PlainNames(found.curves)
    tables = error_tables(found.curves, names, study.pretrain.seeds)
    by_rate = rate_table(found.rows, names)
    of_mixtures = mixture_table(study, found.rows, names)
    tables += [table for table in (by_rate, of_mixtures) if len(table) > 1]
    tables += [costs] if (costs := break_even_table(found, names)) else []
    return page.write(study.title), "\n".join(map(aligned, tables))


def _notes(found: sections.Findings, num_runs: int) -> Iterator[str]:
    num_finished = len({row.run for row in found.rows})
    yield (
        f"{num_finished} of {num_runs} runs are finished. Checkpoint and learning rate are chosen "
        f"{SELECTIONS[found.study.selection]}. Lines: mean over replicates (seed, draw of the "
        "samples); bands: 95 % bootstrap intervals of that mean, resampled over replicates, the "
        f"same for all arms. {_replicates(found.curves)}"
    )
    yield from _windows(found)
    diverged = ", ".join(row.run.name for row in found.rows if row.relative_l2 is None)
    if diverged:
        yield f"In no figure, having no finite error: {diverged}."


def _names_section(page: Page, found: sections.Findings) -> None:
    """Add the names that commands and results.csv have for what the page calls in words."""
    page.heading("Names of data sets")
    names = [*found.manifests, *found.study.pretrainings]
    titles = {name: found.styles.title(name) for name in names}
    page.table(["in words", "name"], [[t, name] for name, t in titles.items() if t != name])


def _windows(found: sections.Findings) -> Iterator[str]:
    """Say where recipes are tested on different windows of the same trajectories."""
    recipes: dict[str, dict[str, None]] = {}
    for row in found.rows:
        manifest = found.manifests[row.dataset]
        if row.run.init != Init.PRETRAIN and manifest.is_evolution:
            windows = tested_windows(found.study, row.run, manifest)
            name = f"{counted(windows.history, 'input state')} at stride {windows.stride}"
            recipes.setdefault(name, {})[row.run.recipe] = None
    if len(recipes) > 1:
        told = "; ".join(f"{name}: {', '.join(own)}" for name, own in recipes.items())
        yield (
            f"Recipes are tested on windows of their own. {told}. Between these groups errors "
            "compare only roughly: steps are longer, or begin at other stored times."
        )


def _replicates(all_curves: Sequence[Curve]) -> str:
    numbers = {len(curve.replicates) for curve in all_curves} or {1}
    fewest, most = min(numbers), max(numbers)
    if most == 1:
        return (
            "There is one replicate: no band can be drawn, and no difference is shown to be real."
        )
    if fewest == 1:
        return (
            f"Arms have 1 to {most} replicates: those with one have no band, and no difference to "
            "them is shown to be real."
        )
    if fewest < 6:
        return f"With {fewest} replicates a bootstrap band spans little more than their range."
    return f"There are at least {fewest} replicates."
