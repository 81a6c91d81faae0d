"""The sections of a report: headings, notes, tables and figures."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.titles import titles
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.results import ResultRow
from lightning_sciml.study.report.curves import Curve, curves, samples_needed, samples_ratio
from lightning_sciml.study.report.error_table import error_tables, rate_table
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.plotting import error_by_samples
from lightning_sciml.study.report.scaling_law import MIN_SIZES, fit_law
from lightning_sciml.study.report.size_figure import error_by_size
from lightning_sciml.study.report.styles import Styles

NEEDED = ("test set", "error", "arm", "samples", "ratio scratch / arm")
ROUND_OFF = 1 + 1e-12  # an error is reached by the arm that sets it


class Findings:
    """What a study has found so far.

    Args:
        study: the study.
        rows: results of the runs that are shown.

    Attributes:
        rows: errors in the mean over fields.
        field_rows: errors by field, of test sets with several.
        curves: of all arms.
        laws: fitted to the curves that are long enough.
        styles: of the arms.
        manifests: of the data sets of these runs; others may not be made yet.
    """

    def __init__(self, study: StudyFile, rows: Sequence[ResultRow]) -> None:
        self.study = study
        self.rows = [row for row in rows if row.field is None]
        self.field_rows = [row for row in rows if row.field is not None]
        self.curves = curves(self.rows)
        runs = dict.fromkeys(r for row in rows for r in (row.run, row.run.pretrained) if r)
        seen = dict.fromkeys(name for run in runs for name in run.datasets)
        self.manifests = {name: Manifest.load(study.dataset_dir(name)) for name in seen}
        long = [c for c in self.curves if len(c.num_samples) >= MIN_SIZES]
        self.laws = {(c.dataset, c.arm): fit_law(c) for c in long}
        self.styles = Styles(self.curves, _titles(study, self.manifests))


def _titles(study: StudyFile, manifests: Mapping[str, Manifest]) -> dict[str, str]:
    """Name data sets in words; a pre-training on one of them has its title."""
    of_sets = titles(manifests)
    found: dict[str, str] = {}
    for name, pretraining in study.pretrainings.items():
        first, *others = pretraining.datasets
        if not others and first in of_sets:
            found[name] = of_sets[first] + ", shuffled" * pretraining.shuffled
    number = Counter(found.values())
    return {**of_sets, **{name: title for name, title in found.items() if number[title] == 1}}


def curve_section(page: Page, found: Findings) -> None:
    """Add the figure and the table of errors against downstream samples."""
    page.heading("Error against downstream samples")
    if not found.curves:
        page.note("No run has a finite error.")
        return
    page.figure("error_by_samples", error_by_samples(found.curves, found.laws, found.styles))
    page.note(
        "Thin lines: fitted laws, drawn to twice the largest size at most. "
        "Horizontal dashes: the pre-trained network as it is (zero-shot)."
    )
    origins = found.study.pretrain.seeds
    for header, *rows in error_tables(found.curves, found.styles, origins, bands=True):
        page.table(header, rows)


def field_section(page: Page, found: Findings) -> None:
    """Add the errors by field, for test sets with several."""
    if not found.field_rows:
        return
    page.heading("Error by field")
    page.note("Mean over replicates, n samples; all other sections show the mean over fields.")
    for dataset in dict.fromkeys(row.dataset for row in found.field_rows):
        errors: dict[tuple[str, int], dict[str, float]] = {}
        own = [row for row in found.field_rows if row.dataset == dataset]
        fields = list(dict.fromkeys(row.field for row in own if row.field is not None))
        for field in fields:
            for curve in curves([row for row in own if row.field == field]):
                name = found.styles.whole(curve.arm)
                for n, error in zip(curve.num_samples, curve.mean, strict=True):
                    errors.setdefault((name, n), {})[field] = float(error)
        rows = [
            [name, f"{n:,}", *(f"{e[f]:.4f}" if f in e else "" for f in fields)]
            for (name, n), e in errors.items()
        ]
        if rows:  # pre-training alone has none
            page.table([f"relative L² error on {found.styles.title(dataset)}", "n", *fields], rows)


def rate_section(page: Page, found: Findings) -> None:
    """Add the errors by learning rate, where the study has several."""
    header, *rows = rate_table(found.rows, found.styles)
    if rows:
        page.heading("Error by learning rate")
        page.note(
            "Error on the test set, mean over replicates, n samples; all other sections show runs "
            "at the chosen rate. Chosen: the rate with the least validation error, and for how "
            "many replicates. Where that is the smallest or largest rate, the study needs more."
        )
        page.table(header, rows)


def needed_section(page: Page, found: Findings) -> None:
    """Add the samples that arms need for the errors of the study, and their ratios to scratch."""
    page.heading("Samples needed for an error")
    page.note(
        "Interpolated between sizes in logarithms; ≤ and >: the error is reached before the "
        "smallest, or not up to the largest size. Ratio: samples from scratch over samples with "
        "pre-training, on the same replicates. The first target of a set is the smallest error "
        "that scratch reaches."
    )
    page.table(NEEDED, needed_by_target(found.curves, found))


def needed_by_target(
    own: Sequence[Curve], found: Findings, useless: float = math.inf
) -> list[list[object]]:
    """List the samples that arms need for the best error of scratch and those of the study.

    The best error of scratch is no target where that of a replicate is `useless`.
    """
    rows: list[list[object]] = []
    trained = [c for c in own if c.arm.init != Init.ZERO_SHOT]
    for scratch in (c for c in trained if c.arm.init == Init.SCRATCH):
        same = (scratch.dataset, scratch.arm.model, scratch.arm.recipe)
        arms = [c for c in trained if (c.dataset, c.arm.model, c.arm.recipe) == same]
        best = int(scratch.mean.argmin())
        is_target = scratch.errors[:, best].max() < useless
        targets = [float(scratch.mean[best])] if is_target else []
        for target in (*targets, *found.study.target_errors):
            rows += _needed(scratch, arms, target, found.styles)
    return rows


def recipe_section(page: Page, found: Findings) -> None:
    """Add the samples that recipes need for the best error of the first."""
    first = next(iter(found.study.recipes))
    tuned = [c for c in found.curves if c.arm.init == Init.FINE_TUNE]
    rows: list[list[object]] = []
    for base in (c for c in tuned if c.arm.recipe == first):
        same = (base.dataset, base.arm)
        arms = [c for c in tuned if (c.dataset, c.arm._replace(recipe=first)) == same]
        if len(arms) > 1:
            rows += _needed(base, arms, float(base.mean.min()), found.styles)
    if rows:
        page.heading(f"Samples that recipes need for the best error of {first}")
        page.note(f"Ratio: samples that {first} needs over those of the recipe, both fine-tuned.")
        page.table(["test set", "error", "arm", "samples", f"ratio {first} / recipe"], rows)


def _needed(
    base: Curve, arms: Sequence[Curve], target: float, styles: Styles
) -> Iterator[list[object]]:
    """List the samples that arms need for an error, and how many times as many the base needs."""
    reached = target * ROUND_OFF
    for arm in arms:
        ratio = "" if arm is base else samples_ratio(base, arm, reached) or "-"
        row = [styles.title(base.dataset), f"{target:.3g}", styles.whole(arm.arm)]
        yield [*row, samples_needed(arm, reached), ratio]


def law_section(page: Page, found: Findings) -> None:
    """Add the fitted power laws."""
    page.heading("Power laws: error = a n^-b + c")
    rows = []
    for (dataset, arm), law in found.laws.items():
        exponent, rest = f"{law.exponent:.3f}", f"{law.irreducible_error:.4f}"
        if law.num_replicates > 1:
            exponent += " [{:.3f}, {:.3f}]".format(*law.exponent_interval)
            rest += " [{:.4f}, {:.4f}]".format(*law.irreducible_interval)
        name = found.styles.whole(arm)
        row = [found.styles.title(dataset), name, f"{law.prefactor:.3g}", exponent, rest]
        rows.append([*row, f"{law.r_squared:.3f}", "{:,} … {:,}".format(*law.sizes)])
    if rows:
        header = ["test set", "arm", "a", "b", "c", "R² of log error", "fitted on n"]
        page.table(header, rows)
    else:
        page.note(f"No arm has {MIN_SIZES} sizes: no law of three numbers is fitted.")


def size_section(page: Page, found: Findings) -> None:
    """Add the figure of errors against model size, where there are several."""
    if len({c.arm.model for c in found.curves}) > 1:
        page.heading("Error against model size")
        families = _families(found.study)
        page.figure("error_by_model_size", error_by_size(found.curves, found.styles, families))
        page.note(
            "One line an arm and number of samples, at the real parameters of each network; "
            "networks of another class, or FNOs of another block, are not joined."
        )


def _families(study: StudyFile) -> dict[str, str]:
    """Name by model what its sizes have in common: the class, and the block of an FNO."""
    networks = {model: study.network_of(model) for model in study.models}
    return {m: f"{name} {options.get('block', '')}" for m, (name, options) in networks.items()}


def pretraining_section(page: Page, found: Findings) -> None:
    """Add the errors of pre-trained networks as they are."""
    own = [r for r in found.rows if r.run.init in (Init.PRETRAIN, Init.ZERO_SHOT)]
    if not own:
        return
    datasets = list(dict.fromkeys(r.dataset for r in own))
    errors: dict[str, dict[str, str]] = {}
    for r in own:
        origin = found.styles.title(r.run.pretraining)
        name = f"{origin}; {r.run.model}, {r.run.recipe}, seed {r.run.seed}"
        error = "" if r.relative_l2 is None else f"{r.relative_l2:.4f}"
        errors.setdefault(name, dict.fromkeys(datasets, ""))[r.dataset] = error
    page.heading("Pre-trained models as they are, on every test set")
    page.table(
        ["pre-trained on", *map(found.styles.title, datasets)],
        [[n, *e.values()] for n, e in errors.items()],
    )
