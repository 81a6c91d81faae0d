"""One test sample of each set as several arms predict it."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.solution_panels import solution_panels
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.titles import title
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import ResultRow
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.sections import Findings

FIELDS = ("source", "reference", "prediction")
MOST_RUNS = 40


def load_sample(path: Path) -> dict[str, np.ndarray]:
    """Load the first of the samples whose fields ``sciml test`` has kept.

    Raises:
        InputError: the file is damaged; pickled objects in it are not loaded.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name][0] for name in (*FIELDS, "sample_index")}
    except (OSError, ValueError, EOFError, KeyError, IndexError, BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}); remove its run to do it again"
        ) from error


def samples_section(page: Page, found: Findings) -> None:
    """Add one figure for each test set, of the arms whose test has kept fields."""
    page.heading("One test sample of each set")
    page.note(
        "The same sample for all arms of the largest model, with the fewest downstream samples."
    )
    tested = [r for r in found.rows if r.run.init != Init.PRETRAIN and r.is_selected]
    for dataset in dict.fromkeys(r.dataset for r in tested):
        samples: dict[str, dict[str, np.ndarray]] = {}
        for row in _shown([r for r in tested if r.dataset == dataset]):
            label = found.styles.label(row.arm, in_words=True).replace("; ", "\n")
            label += f"\n{row.run.num_samples} samples" if row.run.num_samples else ""
            paths = RunFolder(found.study.run_dir(row.run)).tests.glob("*.npz")
            for path in list(paths)[:1] if label not in samples else ():
                try:
                    samples[label] = load_sample(path)
                except InputError as error:
                    page.note(str(error))
        if samples:
            source, reference, prediction = (
                np.stack([sample[name] for sample in samples.values()]) for name in FIELDS
            )
            figure = solution_panels(source, reference, prediction, [*samples])
            index = int(next(iter(samples.values()))["sample_index"])
            figure.suptitle(f"{title(found.manifests[dataset])}: test sample {index}")
            page.figure(f"samples_{dataset}", figure, is_photo=True)


def _shown(rows: Sequence[ResultRow]) -> list[ResultRow]:
    largest = max(rows, key=lambda r: r.result.num_parameters).run.model  # whatever its channels
    own = [r for r in rows if r.run.model == largest]
    fewest = min((r.run.num_samples for r in own if r.run.num_samples), default=0)
    shown = [r for r in own if r.run.num_samples in (0, fewest)]
    order = list(Init)
    shown.sort(key=lambda r: (order.index(r.run.init), r.arm, r.replicate))
    return shown[:MOST_RUNS]
