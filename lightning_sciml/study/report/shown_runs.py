"""The runs whose samples are drawn as they are: of one model and number of samples."""

import textwrap
from collections.abc import Iterable, Sequence

from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.kept_samples import load_sample
from lightning_sciml.evaluation.sample_fields import SampleFields
from lightning_sciml.plain_text import counted
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import ResultRow
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.sections import Findings

_LETTERS = 22  # of a line of the label of a row


def shown_runs(rows: Iterable[ResultRow], *, fewest: bool = False) -> dict[str, list[ResultRow]]:
    """List runs by test set: largest model, zero-shot or one number of downstream samples.

    They are in the order from scratch, zero-shot, fine-tuned.

    Args:
        rows: of downstream runs.
        fewest: whether that number is the smallest instead of the middle one.
    """
    order = list(Init)
    of_set: dict[str, list[ResultRow]] = {}
    for row in rows:
        if row.is_selected:
            of_set.setdefault(row.dataset, []).append(row)
    shown = {}
    for dataset, tested in of_set.items():
        largest = max(tested, key=lambda row: row.result.num_parameters).run.model
        own = [row for row in tested if row.run.model == largest]
        sizes = sorted({row.run.num_samples for row in own} - {0}) or [0]
        numbers = (0, sizes[0 if fewest else len(sizes) // 2])
        own = [row for row in own if row.run.num_samples in numbers]
        shown[dataset] = sorted(own, key=lambda r: (order.index(r.run.init), r.arm, r.replicate))
    return shown


def shown_rollouts(found: Findings) -> dict[str, list[ResultRow]]:
    """List runs that are tested by rollouts, of the middle number of downstream samples."""
    known = {curve.arm for curve in found.curves}
    return shown_runs(row for row in found.rows if row.rollout is not None and row.arm in known)


def kept_samples(
    page: Page, found: Findings, rows: Sequence[ResultRow], *, ending: str = "", most: int
) -> dict[str, SampleFields]:
    """Load what tests have kept of a sample, by label of the arm: of the first run of each.

    The page gets a note on each file that cannot be read. At most `most` are loaded, of files whose
    names have this ending.
    """
    samples: dict[str, SampleFields] = {}
    for row in rows:
        label = _row_label(found.styles.label(row.arm), row.run.num_samples)
        path = RunFolder(found.study.run_dir(row.run)).tests / f"{row.dataset}{ending}.npz"
        if label not in samples and len(samples) < most and path.exists():
            try:
                samples[label] = load_sample(path)
            except InputError as error:
                page.note(str(error))
    return samples


def _row_label(arm: str, num_samples: int) -> str:
    """Write arm and number of samples in short lines."""
    lines = [line for part in arm.split("; ") for line in textwrap.wrap(part, _LETTERS)]
    return "\n".join([*lines, *([counted(num_samples, "sample")] if num_samples else [])])
