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
    Styles,
    error_by_samples,
    error_by_shift,
    error_by_size,
)
from lightning_sciml.study.report.sample_panels import load_sample, panels_figure
from lightning_sciml.study.report.scaling_law import MIN_SIZES, fit_law
from lightning_sciml.study.report.shift import shift

SELECTIONS = {
    "full_val": "on the whole validation split, as in the paper; with few training samples this "
    "flatters every arm",
    "budgeted": "on a quarter of the downstream samples themselves, which are then not trained on",
    "last": "by nothing: the last checkpoint at one rate",
}


def write_report(study: StudyFile, recipes: Collection[str] = ()) -> tuple[Path, str]:
    """Write OUTPUT/report/ from what is finished; the path of the page, and the errors as text.

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
    _samples_section(page, all_curves, laws, styles)
    _needed_section(page, study, all_curves, styles)
    _recipe_section(page, study, all_curves, styles)
    _law_section(page, laws, styles)
    _size_section(page, all_curves, styles)
    _shift_section(page, study, all_curves, styles, manifests)
    _pretraining_section(page, rows)
    _panel_section(page, study, rows, styles, manifests)
    _compute_section(page, rows)
    return page.write(study.title), error_table(all_curves, styles, study.pretrain.seeds)


def _titles(study: StudyFile, manifests: Mapping[str, Manifest]) -> dict[str, str]:
    """Data sets in words; a pre-training on one of them is called as it is."""
    of_sets = titles(manifests)
    single = {
        name: pretraining.datasets[0]
        for name, pretraining in study.pretrainings.items()
        if len(pretraining.datasets) == 1 and pretraining.datasets[0] in of_sets
    }
    once = [name for name, dataset in single.items() if [*single.values()].count(dataset) == 1]
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


def _samples_section(page: Page, all_curves: Sequence[Curve], laws: Laws, styles: Styles) -> None:
    page.heading("Error against downstream samples")
    page.figure("error_by_samples", error_by_samples(all_curves, laws, styles))
    page.note(
        "Thin lines: fitted laws, drawn to twice the largest size at most. "
        "Horizontal dashes: the pre-trained network as it is (zero-shot)."
    )
    for dataset in dict.fromkeys(c.dataset for c in all_curves):
        own = [c for c in all_curves if c.dataset == dataset]
        sizes = sorted({n for c in own for n in c.num_samples})
        header = [f"{dataset}: arm", *(f"n = {n:,}" if n else "n = 0" for n in sizes)]
        names = [f"{c.arm[2]}, {arm_name(c, own, styles)}" for c in own]
        page.table(header, [[n, *_errors(c, sizes)] for n, c in zip(names, own, strict=True)])


def _name(curve: Curve, styles: Styles) -> str:
    return f"{curve.arm[2]}, {styles.label(curve.arm)}"


def _errors(curve: Curve, sizes: Sequence[int]) -> list[str]:
    low, high = curve.band
    cells = []
    for n in sizes:
        if n not in curve.num_samples:
            cells.append("")
            continue
        i = curve.num_samples.index(n)
        band = f" [{low[i]:.4f}, {high[i]:.4f}]" if len(curve.replicates) > 1 else ""
        cells.append(f"{curve.mean[i]:.4f}{band}")
    return cells


def _needed_section(
    page: Page, study: StudyFile, all_curves: Sequence[Curve], styles: Styles
) -> None:
    page.heading("Samples needed for an error")
    page.note(
        "Interpolated between sizes in logarithms; ≤ and >: the error is reached before the "
        "smallest, or not up to the largest size. Ratio: samples from scratch over samples with "
        "pre-training, on the same replicates. The first target of a set is the error that scratch "
        "reaches with all its samples."
    )
    header = ["test set", "error", "arm", "samples", "ratio scratch / fine-tuned"]
    page.table(header, _needed_rows(study, all_curves, styles))


def _needed_rows(
    study: StudyFile, all_curves: Sequence[Curve], styles: Styles
) -> list[list[object]]:
    rows: list[list[object]] = []
    trained = [c for c in all_curves if c.arm[0] != Init.ZERO_SHOT]
    for scratch in (c for c in trained if c.arm[0] == Init.SCRATCH):
        for target in (float(scratch.mean.min()), *study.target_errors):
            needed = samples_needed(scratch, target * (1 + 1e-12))
            rows.append([scratch.dataset, f"{target:.3g}", _name(scratch, styles), needed, ""])
            for tuned in trained:
                is_partner = tuned.dataset == scratch.dataset and tuned.arm[2:] == scratch.arm[2:]
                if tuned is not scratch and is_partner:
                    ratio = samples_ratio(scratch, tuned, target * (1 + 1e-12))
                    amount = samples_needed(tuned, target)
                    rows.append(["", "", _name(tuned, styles), amount, ratio or "-"])
    return rows


def _recipe_section(
    page: Page, study: StudyFile, all_curves: Sequence[Curve], styles: Styles
) -> None:
    first = next(iter(study.recipes))
    tuned = [c for c in all_curves if c.arm[0] == Init.FINE_TUNE]
    rows: list[list[object]] = []
    for paper in (c for c in tuned if c.arm[3] == first):
        target = float(paper.mean.min()) * (1 + 1e-12)
        others = [c for c in tuned if (c.dataset, *c.arm[:3]) == (paper.dataset, *paper.arm[:3])]
        for other in others if len(others) > 1 else ():
            ratio = samples_ratio(paper, other, target)
            name, needed = _name(other, styles), samples_needed(other, target)
            rows.append([paper.dataset, f"{target:.3g}", name, needed, ratio or "-"])
    if rows:
        page.heading(f"Samples that recipes need for the best error of {first}")
        page.note(f"Ratio: samples that {first} needs over those of the recipe, both fine-tuned.")
        header = ["test set", "error", "arm", "samples", f"ratio {first} / recipe"]
        page.table(header, rows)


def _law_section(page: Page, laws: Laws, styles: Styles) -> None:
    page.heading("Power laws: error = a n^-b + c")
    rows = []
    for (dataset, arm), law in laws.items():
        exponent = "{:.3f} [{:.3f}, {:.3f}]".format(law.exponent, *law.exponent_interval)
        rest = "{:.4f} [{:.4f}, {:.4f}]".format(law.irreducible_error, *law.irreducible_interval)
        name = f"{arm[2]}, {styles.label(arm)}"
        row = [dataset, name, f"{law.prefactor:.3g}", exponent, rest, f"{law.r_squared:.3f}"]
        rows.append([*row, f"{law.sizes[0]:,} … {law.sizes[1]:,}"])
    if rows:
        header = ["test set", "arm", "a", "b", "c", "R² of log error", "fitted on n"]
        page.table(header, rows)
    else:
        page.note(f"No arm has {MIN_SIZES} sizes: no law of three numbers is fitted.")


def _size_section(page: Page, all_curves: Sequence[Curve], styles: Styles) -> None:
    if len({c.arm[2] for c in all_curves}) > 1:
        page.heading("Error against model size")
        page.figure("error_by_model_size", error_by_size(all_curves, styles))
        page.note("One line an arm and number of samples, at the real parameters of each network.")


def _shift_section(
    page: Page,
    study: StudyFile,
    all_curves: Sequence[Curve],
    styles: Styles,
    manifests: dict[str, Manifest],
) -> None:
    pairs = dict.fromkeys((c.arm[1], c.dataset) for c in all_curves if c.arm[1])
    shifts = {
        (p, d): shift([manifests[m] for m in study.pretrainings[p].datasets], manifests[d])
        for p, d in pairs
    }
    page.heading("Shift from the pre-training set")
    page.note(
        "1 - overlap of realised histograms, of the coefficient that moved furthest; marginal "
        "distributions only. 1: disjoint, or another equation. A narrower set inside the range of "
        "pre-training counts as shifted as well."
    )
    page.table(
        ["pre-trained on", "test set", "shift"], [[*k, f"{s:.3f}"] for k, s in shifts.items()]
    )
    single = {k: s for k, s in shifts.items() if len(study.pretrainings[k[0]].datasets) == 1}
    drawn = {k: s for k, s in single.items() if sum(k[0] == p for p, _ in single) > 2}
    if drawn:
        model = all_curves[0].arm[2]
        own = [c for c in all_curves if c.arm[2] == model]
        page.figure("error_by_shift", error_by_shift(own, drawn, styles))


def _pretraining_section(page: Page, rows: Sequence[ResultRow]) -> None:
    own = [r for r in rows if r.init in (PRETRAIN, Init.ZERO_SHOT)]
    if not own:
        return
    page.heading("Pre-trained models as they are, on every test set")
    datasets = list(dict.fromkeys(r.dataset for r in own))
    models = dict.fromkeys((r.pretraining, r.model, r.recipe, r.seed) for r in own)
    error = {((r.pretraining, r.model, r.recipe, r.seed), r.dataset): r.relative_l2 for r in own}
    table = [
        [
            f"{key[0]}, {key[1]}, {key[2]}, seed {key[3]}",
            *(f"{error[key, d]:.4f}" if (key, d) in error else "" for d in datasets),
        ]
        for key in models
    ]
    page.table(["pre-trained", *datasets], table)


def _panel_section(
    page: Page,
    study: StudyFile,
    rows: Sequence[ResultRow],
    styles: Styles,
    manifests: dict[str, Manifest],
) -> None:
    page.heading("One test sample of each set")
    page.note(
        "The same sample for all arms of the largest model, with the fewest downstream samples. "
        "Residuals show what derivatives make of an error; colour scales are shared in a column."
    )
    for dataset in dict.fromkeys(r.dataset for r in rows if r.init != PRETRAIN):
        samples = {}
        for row in _shown(rows, dataset):
            paths = list((study.output / "runs" / row.run / "test").glob("*.npz"))
            label = styles.legend(row.arm).replace("; ", "\n")
            label += f"\n{row.num_samples} samples" if row.num_samples else ""
            if paths and label not in samples:
                try:
                    samples[label] = load_sample(paths[0])
                except InputError as error:
                    page.note(str(error))
        if samples:
            figure = panels_figure(samples, manifests[dataset])
            page.figure(f"samples_{dataset}", figure, is_photo=True)


def _shown(rows: Sequence[ResultRow], dataset: str) -> list[ResultRow]:
    own = [r for r in rows if r.dataset == dataset and r.init != PRETRAIN and r.is_selected]
    largest = max(own, key=lambda r: r.num_parameters).model  # whatever its channels
    own = [r for r in own if r.model == largest]
    fewest = min((r.num_samples for r in own if r.num_samples), default=0)
    order = [Init.SCRATCH, Init.ZERO_SHOT, Init.FINE_TUNE]
    shown = [r for r in own if r.num_samples in (0, fewest)]
    return sorted(shown, key=lambda r: (order.index(Init(r.init)), r.arm, r.replicate))[:40]


def _compute_section(page: Page, rows: Sequence[ResultRow]) -> None:
    page.heading("Compute spent")
    page.note(
        "All learning rates and replicates, also those that validation did not choose. Several "
        "runs may have shared the machine."
    )
    by_run = {row.run: row for row in rows}
    arms = dict.fromkeys(row.arm for row in by_run.values())
    table = []
    for arm in arms:
        own = [r for r in by_run.values() if r.arm == arm]
        name = ", ".join(word for word in (arm[0], *arm[1:]) if word)
        steps, seen = sum(r.num_steps for r in own), sum(r.num_samples_seen for r in own)
        seconds = f"{sum(r.fit_elapsed_s for r in own):,.0f}"
        table.append([name, len(own), f"{steps:,}", f"{seen:,}", seconds])
    page.table(["arm", "runs", "steps", "samples seen", "seconds of training"], table)
