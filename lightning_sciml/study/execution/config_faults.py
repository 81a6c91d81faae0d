"""Faults of the configurations of a study: what `sciml fit` rejects, before any run is started."""

import re
from collections.abc import Callable

from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.definition.study_file import FNO_CLASS, StudyFile
from lightning_sciml.study.execution.run_config import Datasets, run_config

ConfigFault = Callable[..., str | None]
"""Tells what keeps `sciml fit` from starting with a configuration, None if nothing does.

A function beside the configuration is given the network that is built."""


def config_faults(
    study: StudyFile, runs: list[Run], datasets: Datasets, config_fault: ConfigFault
) -> list[str]:
    """Find what `sciml fit` rejects in the configurations, which are models × kinds of runs.

    Of one configuration only the first fault is known. From the first that has none, models and
    kinds are changed one at a time, so that the fault of one does not hide that of another. It is
    no fine-tuning where there is another, since that makes its operator when it has the checkpoint.
    """
    first_of = {(run.model, kind_of(run)): run for run in reversed(runs)}
    candidates = sorted(first_of.values(), key=lambda run: run.init == Init.FINE_TUNE)
    faults: dict[Run, str | None] = {}

    def is_good(run: Run) -> bool:
        if run not in faults:
            faults[run] = config_fault(run_config(study, run, datasets))
        return faults[run] is None

    good = next(filter(is_good, candidates), None)
    if good is not None:
        for model, kind in first_of:
            if model == good.model or kind == kind_of(good):
                is_good(first_of[model, kind])
        seen = {run.model for run in faults}, {kind_of(run) for run in faults}
        for (model, kind), run in first_of.items():  # a grid may leave out combinations
            if model not in seen[0] or kind not in seen[1]:
                is_good(run)
    told = {run: _in_words_of_study(study, run, f) for run, f in reversed(faults.items()) if f}
    found = {fault: f"{run.name}: {fault}" for run, fault in told.items()}
    return list(found.values())


def _in_words_of_study(study: StudyFile, run: Run, fault: str) -> str:
    """Name a network by its key of the study, where a fault names it by that of a configuration."""
    is_fno = study.network_of(run.model)[0] == FNO_CLASS
    arguments = "" if is_fno else ".init_args"
    fault = re.sub(r"\bmodel\.network\.(?!init_args)", f"models.{run.model}{arguments}.", fault)
    return re.sub(r"\bmodel\.network\b", f"models.{run.model}", fault)


def kind_of(run: Run) -> tuple[str, str]:
    """Tell what decides a configuration beside the model: the stage, and the recipe."""
    return run.init, run.recipe
