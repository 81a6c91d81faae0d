"""What the runs of a study have cost, by arm."""

from lightning_sciml.shards.titles import words
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import Arm
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.sections import Findings


def compute_section(page: Page, found: Findings) -> None:
    """Add steps, samples and seconds by arm."""
    page.heading("Compute spent")
    page.note(
        "All learning rates and replicates, also those that validation did not choose. Several "
        "runs may have shared the machine."
    )
    by_run = {row.run: row for row in found.rows}
    table = []
    for arm in dict.fromkeys(row.arm for row in by_run.values()):
        own = [r.result for r in by_run.values() if r.arm == arm]
        steps, seen = sum(r.num_steps for r in own), sum(r.num_samples_seen for r in own)
        seconds = f"{sum(r.fit_elapsed_s for r in own):,.0f}"
        table.append([_whole_name(arm, found), len(own), f"{steps:,}", f"{seen:,}", seconds])
    page.table(["arm", "runs", "steps", "samples seen", "seconds of training"], table)


def _whole_name(arm: Arm, found: Findings) -> str:
    """Name an arm, or the arm of a pre-training, with its model."""
    if arm.init != Init.PRETRAIN:
        return found.styles.whole(arm)
    recipe = f"; {words(arm.recipe)}" if len(found.styles.recipes) > 1 else ""
    return f"{arm.model}, pre-training on {found.styles.title(arm.pretraining)}{recipe}"
