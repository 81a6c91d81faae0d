"""Errors of networks pre-trained on several data sets over those of networks for one of them."""

from collections.abc import Sequence

import numpy as np

from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.results import Replicate, ResultRow
from lightning_sciml.study.report.curves import interval, resampling_weights
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.sections import Findings
from lightning_sciml.study.report.styles import Styles

HEADER = ["test set", "pre-trained on", "model, recipe", "alone", "together", "together / alone"]


def mixture_table(study: StudyFile, rows: Sequence[ResultRow], names: Styles) -> list[list[str]]:
    """Tabulate the errors of pre-trained networks as they are, on each set of a mixture.

    Alone: of the networks pre-trained on that set only. Means over the seeds that both have; the
    interval of the ratio resamples them. The first row names the columns.
    """
    errors: dict[tuple[str, str, str, str], dict[int, float]] = {}
    for row in rows:
        run = row.run
        is_untuned = run.init in (Init.PRETRAIN, Init.ZERO_SHOT)
        if is_untuned and row.field is None and row.relative_l2 is not None:
            key = (row.dataset, run.model, run.recipe, run.pretraining)
            errors.setdefault(key, {})[run.seed] = row.relative_l2
    table = [HEADER]
    for (dataset, model, recipe, name), of_mixture in errors.items():
        members = study.pretrainings[name].datasets
        if len(members) < 2 or dataset not in members:
            continue
        for single, part in study.pretrainings.items():
            of_single = errors.get((dataset, model, recipe, single), {})
            seeds = sorted({*of_single} & {*of_mixture})
            if list(part.datasets) == [dataset] and not part.shuffled and seeds:
                pairs = np.array([(of_single[s], of_mixture[s]) for s in seeds])
                of_row = [names.title(dataset), names.title(name)]
                table.append([*of_row, f"{model}, {recipe}", *_compared(seeds, pairs)])
    return table


def _compared(seeds: Sequence[int], pairs: np.ndarray) -> list[str]:
    """Write both means and their ratio, with an interval where there are several seeds."""
    alone, together = pairs.mean(axis=0)
    ratio = f"{together / alone:.2f}"
    if len(seeds) > 1:
        resampled = resampling_weights([Replicate(seed, 0) for seed in seeds]) @ pairs
        low, high = interval(resampled[:, 1] / resampled[:, 0])
        ratio += f" [{low:.2f}, {high:.2f}]"
    return [f"{alone:.4f}", f"{together:.4f}", ratio]


def mixture_section(page: Page, found: Findings) -> None:
    """Add the errors of one network for several data sets beside those of one for each."""
    header, *rows = mixture_table(found.study, found.rows, found.styles)
    if rows:
        page.heading("One pre-trained model for several data sets")
        page.note("Pre-trained models as they are; means over seeds that both have.")
        page.table(header, rows)
