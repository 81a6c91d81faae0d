"""Rows of a study's results, of runs from scratch that never ran."""

from typing import Any

from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.execution.results import ResultRow
from lightning_sciml.study.execution.run_files import Result


def scratch_row(
    relative_l2: float | None,
    *,
    seed: int,
    num_samples: int,
    is_selected: bool = True,
    **of_result: Any,
) -> ResultRow:
    """Make the row of a run from scratch on the set "d"; `of_result` are further measurements."""
    run = Run(
        init=Init.SCRATCH,
        datasets=("d",),
        model="1M",
        recipe="paper",
        num_samples=num_samples,
        learning_rate=1e-3,
        seed=seed,
    )
    result = Result(
        run=run.name,
        num_parameters=1,
        val_relative_l2=1.0,
        num_steps=1,
        num_samples_seen=1,
        fit_elapsed_s=1.0,
        num_attempts=1,
        tests={"d": {"relative_l2": relative_l2}},
        **of_result,
    )
    return ResultRow(run=run, result=result, dataset="d", is_selected=is_selected)
