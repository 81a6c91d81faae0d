"""The runs whose rollouts are drawn as they are: of one model and number of samples."""

from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import ResultRow
from lightning_sciml.study.report.sections import Findings


def shown_rollouts(found: Findings) -> dict[str, list[ResultRow]]:
    """List runs by test set: largest model, zero-shot or the middle number of samples.

    They are in the order from scratch, zero-shot, fine-tuned.
    """
    known, order = {curve.arm for curve in found.curves}, list(Init)
    of_set: dict[str, list[ResultRow]] = {}
    for row in found.rows:
        if row.rollout is not None and row.is_selected and row.arm in known:
            of_set.setdefault(row.dataset, []).append(row)
    shown = {}
    for dataset, rows in of_set.items():
        largest = max(rows, key=lambda row: row.result.num_parameters).run.model
        own = [row for row in rows if row.run.model == largest]
        sizes = sorted({row.run.num_samples for row in own} - {0}) or [0]
        numbers = (0, sizes[len(sizes) // 2])
        own = [row for row in own if row.run.num_samples in numbers]
        shown[dataset] = sorted(own, key=lambda r: (order.index(r.run.init), r.arm, r.replicate))
    return shown
