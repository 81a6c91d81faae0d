"""Faults of runs whose normalisation lacks what it takes its scales from."""

from collections.abc import Iterator
from typing import Any

from lightning_sciml.pde.evolution_equation import EvolutionEquation
from lightning_sciml.pde.named_equation import AnyEquation
from lightning_sciml.pde.steady import Equation
from lightning_sciml.streaming.mixture_member import equation_of
from lightning_sciml.streaming.windows import LEAD_TIME
from lightning_sciml.study.definition.runs import Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.run_config import Datasets, model_options
from lightning_sciml.study.execution.window_faults import is_told_lead_time


def normalization_faults(study: StudyFile, runs: list[Run], datasets: Datasets) -> Iterator[str]:
    """Find sets of no known equation, and networks that do not take a time that is scaled."""
    for run in runs:
        name = model_options(study, run).get("normalization", "paper")
        known: Any = {"paper": Equation, "dimensionless": AnyEquation}.get(name, object)
        found = {n: equation_of(datasets[n]) for n in run.datasets if n in datasets}
        if unknown := [n for n, equation in found.items() if not isinstance(equation, known)]:
            yield (
                f"recipes.{run.recipe}: no equation is known of {', '.join(unknown)} that "
                f"normalization {name} takes its scales from; import the data with --equation "
                "NAME, or set model.normalization to standard"
            )
        scaled = [n for n, e in found.items() if isinstance(e, EvolutionEquation) and e.scales]
        if scaled and name == "dimensionless" and not is_told_lead_time(study, run):
            yield (
                f"models.{run.model}: normalization dimensionless (recipe {run.recipe}) scales the "
                f"time of {', '.join(scaled)}; add coefficient_names: [{LEAD_TIME}] to the model"
            )
