"""The report of a study: results.csv, figures, and one page that opens without a network."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from lightning_sciml.errors import InputError
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.titles import titles
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.results import (
    PRETRAIN,
    ResultRow,
    collect,
    finished_results,
    write_table,
)
from lightning_sciml.study.report.curves import Curve, curves, samples_needed, samples_ratio
from lightning_sciml.study.report.error_table import arm_name, error_table
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.plotting import (
    Laws,
    error_by_samples,
    error_by_shift,
    error_by_size,
)
from lightning_sciml.study.report.sample_panels import samples_section
from lightning_sciml.study.report.scaling_law import MIN_SIZES, fit_law
from lightning_sciml.study.report.shift import shift
from lightning_sciml.study.report.styles import Styles

SELECTIONS = {
    "full_val": "on the whole validation split, as in the paper; with few training samples this "
    "flatters every arm",
    "budgeted": "on a quarter of the downstream samples themselves, which are then not trained on",
    "last": "by nothing: the last checkpoint at one rate",
}
ROUND_OFF = 1 + 1e-12  # an error is reached by the arm that sets it


def write_report(study: StudyFile, recipes: Collection[str] = ()) -> tuple[Path, str]:
    """Write OUTPUT/report/ from what is finished; return the path of the page, and a table as text.

    Args:
        study: the study.
        recipes: figures and page show these; all by default. results.csv always has all.

    Raises:
        InputError: nothing is finished yet, or there is no such recipe.
    """
    unknown = [name for name in recipes if name not in study.recipes]
    if unknown:
        raise InputError(
            f"recipes must be some of {', '.join(study.recipes)}, got {', '.join(unknown)}"
        )
    runs = study.runs()
    finished, damaged = finished_results(study, runs)
    rows = collect(finished)
    if not any(row.init != PRETRAIN for row in rows):
        raise InputError(
            f"study {study.name} has no finished downstream run; sciml study run first"
        )
    directory = study.output / "report"
    directory.mkdir(parents=True, exist_ok=True)
    write_table(rows, directory / "results.csv")
    rows = [row for row in rows if not recipes or row.recipe in recipes]
    manifests = {d: Manifest.load(study.dataset_dir(d)) for d in study.dataset_names}
    all_curves = curves(rows)
    styles, laws = Styles(all_curves, _titles(study, manifests)), _laws(all_curves)
    page = Page(directory)
    num_finished = len({row.run for row in rows})
    page.note(
        f"{num_finished} of {len(runs)} runs are finished. Checkpoint and learning rate are chosen "
        f"{SELECTIONS[study.selection]}. Lines: mean over replicates (seed, draw of the samples); "
        "bands: 95 % bootstrap intervals of that mean, resampled over replicates, the same for all "
        f"arms. {_replicates(all_curves)}"
    )
    for line in (*damaged, *_without_error(rows)):
        page.note(line)
    _curve_section(page, all_curves, laws, styles)
    _needed_section(page, study, all_curves, styles)
    _recipe_section(page, study, all_curves, styles)
    _law_section(page, laws, styles)
    _size_section(page, all_curves, styles)
    _shift_section(page, study, all_curves, styles, manifests)
    _pretraining_section(page, rows)
    samples_section(page, study.output / "runs", rows, styles, manifests)
    _compute_section(page, rows)
    return page.write(study.title), error_table(all_curves, styles, study.pretrain.seeds)


def _titles(study: StudyFile, manifests: Mapping[str, Manifest]) -> dict[str, str]:
    """Name data sets in words; a pre-training on one of them has its title."""
    of_sets = titles(manifests)
    single = {n: p.datasets[0] for n, p in study.pretrainings.items() if len(p.datasets) == 1}
    once = [n for n, d in single.items() if [*single.values()].count(d) == 1 and d in of_sets]
    return {**of_sets, **{name: of_sets[single[name]] for name in once}}


def _without_error(rows: Sequence[ResultRow]) -> list[str]:
    names = [row.run for row in rows if row.relative_l2 is None]
    return [f"In no figure, having no finite error: {', '.join(names)}."] if names else []


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


def _laws(all_curves: Sequence[Curve]) -> Laws:
    return {(c.dataset, c.arm): fit_law(c) for c in all_curves if len(c.num_samples) >= MIN_SIZES}


def _curve_section(page: Page, all_curves: Sequence[Curve], laws: Laws, styles: Styles) -> None:
    page.heading("Error against downstream samples")
    page.figure("error_by_samples", error_by_samples(all_curves, laws, styles))
    page.note(
        "Thin lines: fitted laws, drawn to twice the largest size at most. "
        "Horizontal dashes: the pre-trained network as it is (zero-shot)."
    )
    for dataset in dict.fromkeys(c.dataset for c in all_curves):
        own = [c for c in all_curves if c.dataset == dataset]
        sizes = sorted({n for c in own for n in c.num_samples})
        names = [f"{c.arm.model}, {arm_name(c, own, styles)}" for c in own]
        page.table(
            [f"{dataset}: arm", *(f"n = {n:,}" for n in sizes)],
            [[name, *_errors(c, sizes)] for name, c in zip(names, own, strict=True)],
        )


def _errors(curve: Curve, sizes: Sequence[int]) -> list[str]:
    cells = dict.fromkeys(sizes, "")
    for n, mean, low, high in zip(curve.num_samples, curve.mean, *curve.band, strict=True):
        band = f" [{low:.4f}, {high:.4f}]" if len(curve.replicates) > 1 else ""
        cells[n] = f"{mean:.4f}{band}"
    return list(cells.values())


def _name(curve: Curve, styles: Styles) -> str:
    return f"{curve.arm.model}, {styles.label(curve.arm)}"


def _saved(slow: Curve, fast: Curve, target: float, styles: Styles) -> list[object]:
    """Name an arm, the samples that it needs for an error, and how many more another one needs."""
    ratio = samples_ratio(slow, fast, target * ROUND_OFF)
    return [_name(fast, styles), samples_needed(fast, target * ROUND_OFF), ratio or "-"]


def _needed_section(
    page: Page, study: StudyFile, all_curves: Sequence[Curve], styles: Styles
) -> None:
    rows: list[list[object]] = []
    trained = [c for c in all_curves if c.arm.init != Init.ZERO_SHOT]
    for scratch in (c for c in trained if c.arm.init == Init.SCRATCH):
        same = (scratch.dataset, scratch.arm.model, scratch.arm.recipe)
        of_recipe = [c for c in trained if (c.dataset, c.arm.model, c.arm.recipe) == same]
        others = [c for c in of_recipe if c is not scratch]
        for target in (float(scratch.mean.min()), *study.target_errors):
            needed = samples_needed(scratch, target * ROUND_OFF)
            rows.append([scratch.dataset, f"{target:.3g}", _name(scratch, styles), needed, ""])
            rows += [["", "", *_saved(scratch, c, target, styles)] for c in others]
    page.heading("Samples needed for an error")
    page.note(
        "Interpolated between sizes in logarithms; ≤ and >: the error is reached before the "
        "smallest, or not up to the largest size. Ratio: samples from scratch over samples with "
        "pre-training, on the same replicates. The first target of a set is the error that scratch "
        "reaches with all its samples."
    )
    page.table(["test set", "error", "arm", "samples", "ratio scratch / fine-tuned"], rows)


def _recipe_section(
    page: Page, study: StudyFile, all_curves: Sequence[Curve], styles: Styles
) -> None:
    first = next(iter(study.recipes))
    tuned = [c for c in all_curves if c.arm.init == Init.FINE_TUNE]
    rows: list[list[object]] = []
    for paper in (c for c in tuned if c.arm.recipe == first):
        target = float(paper.mean.min())
        same = (paper.dataset, paper.arm)
        of_recipes = [c for c in tuned if (c.dataset, c.arm._replace(recipe=first)) == same]
        for other in of_recipes if len(of_recipes) > 1 else ():
            rows.append([paper.dataset, f"{target:.3g}", *_saved(paper, other, target, styles)])
    if rows:
        page.heading(f"Samples that recipes need for the best error of {first}")
        page.note(f"Ratio: samples that {first} needs over those of the recipe, both fine-tuned.")
        page.table(["test set", "error", "arm", "samples", f"ratio {first} / recipe"], rows)


def _law_section(page: Page, laws: Laws, styles: Styles) -> None:
    page.heading("Power laws: error = a n^-b + c")
    rows = []
    for (dataset, arm), law in laws.items():
        exponent = "{:.3f} [{:.3f}, {:.3f}]".format(law.exponent, *law.exponent_interval)
        rest = "{:.4f} [{:.4f}, {:.4f}]".format(law.irreducible_error, *law.irreducible_interval)
        row = [dataset, f"{arm.model}, {styles.label(arm)}", f"{law.prefactor:.3g}", exponent, rest]
        rows.append([*row, f"{law.r_squared:.3f}", "{:,} … {:,}".format(*law.sizes)])
    if rows:
        header = ["test set", "arm", "a", "b", "c", "R² of log error", "fitted on n"]
        page.table(header, rows)
    else:
        page.note(f"No arm has {MIN_SIZES} sizes: no law of three numbers is fitted.")


def _size_section(page: Page, all_curves: Sequence[Curve], styles: Styles) -> None:
    if len({c.arm.model for c in all_curves}) > 1:
        page.heading("Error against model size")
        page.figure("error_by_model_size", error_by_size(all_curves, styles))
        page.note("One line an arm and number of samples, at the real parameters of each network.")


def _shift_section(
    page: Page,
    study: StudyFile,
    all_curves: Sequence[Curve],
    styles: Styles,
    manifests: Mapping[str, Manifest],
) -> None:
    members = {name: p.datasets for name, p in study.pretrainings.items()}
    pairs = dict.fromkeys((c.arm.pretraining, c.dataset) for c in all_curves if c.arm.pretraining)
    shifts = {(p, d): shift([manifests[m] for m in members[p]], manifests[d]) for p, d in pairs}
    page.heading("Shift from the pre-training set")
    page.note(
        "1 - overlap of realised histograms, of the coefficient that moved furthest; marginal "
        "distributions only. 1: disjoint, or another equation. A narrower set inside the range of "
        "pre-training counts as shifted as well."
    )
    page.table(
        ["pre-trained on", "test set", "shift"], [[*k, f"{s:.3f}"] for k, s in shifts.items()]
    )
    single = [p for p, _ in shifts if len(members[p]) == 1]
    drawn = {(p, d): s for (p, d), s in shifts.items() if single.count(p) > 2}
    if drawn:
        own = [c for c in all_curves if c.arm.model == all_curves[0].arm.model]
        page.figure("error_by_shift", error_by_shift(own, drawn, styles))


def _pretraining_section(page: Page, rows: Sequence[ResultRow]) -> None:
    own = [r for r in rows if r.init in (PRETRAIN, Init.ZERO_SHOT)]
    if not own:
        return
    datasets = list(dict.fromkeys(r.dataset for r in own))
    errors: dict[str, dict[str, str]] = {}
    for r in own:
        name = f"{r.pretraining}, {r.model}, {r.recipe}, seed {r.seed}"
        error = "" if r.relative_l2 is None else f"{r.relative_l2:.4f}"
        errors.setdefault(name, dict.fromkeys(datasets, ""))[r.dataset] = error
    page.heading("Pre-trained models as they are, on every test set")
    page.table(["pre-trained", *datasets], [[n, *e.values()] for n, e in errors.items()])


def _compute_section(page: Page, rows: Sequence[ResultRow]) -> None:
    page.heading("Compute spent")
    page.note(
        "All learning rates and replicates, also those that validation did not choose. Several "
        "runs may have shared the machine."
    )
    by_run = {row.run: row for row in rows}
    table = []
    for arm in dict.fromkeys(row.arm for row in by_run.values()):
        own = [r for r in by_run.values() if r.arm == arm]
        steps, seen = sum(r.num_steps for r in own), sum(r.num_samples_seen for r in own)
        seconds = f"{sum(r.fit_elapsed_s for r in own):,.0f}"
        table.append([", ".join(filter(None, arm)), len(own), f"{steps:,}", f"{seen:,}", seconds])
    page.table(["arm", "runs", "steps", "samples seen", "seconds of training"], table)
