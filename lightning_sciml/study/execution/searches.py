"""Searches of a study for the learning rate by successive halving: their runs, rungs and cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lightning_sciml.study.definition.runs import Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.run_config import Budget, Datasets, budget


@dataclass(frozen=True)
class Search:
    """Runs that differ in the learning rate alone.

    Attributes:
        runs: in the order of the study.
        rungs: steps after which the worse half stops.
        num_steps: of a full training.
    """

    runs: tuple[Run, ...]
    rungs: tuple[int, ...]
    num_steps: int

    @property
    def name(self) -> str:
        """Name of the runs without their rates."""
        return replace(self.runs[0], learning_rate=None).name

    @property
    def endings(self) -> list[int]:
        """Step at which each run ends if none fails, in ascending order."""
        ends, num_left = [], len(self.runs)
        for rung in self.rungs:
            ends += [rung] * (num_left - num_kept(num_left))
            num_left = num_kept(num_left)
        return ends + [self.num_steps] * num_left


def num_kept(number: int) -> int:
    """Number of runs of `number` that a rung lets train on."""
    return -(-number // 2)


def searches(study: StudyFile, runs: Sequence[Run], datasets: Datasets) -> list[Search]:
    """List the searches of a study by halving; none where all rates are trained in full."""
    groups: dict[Run, list[Run]] = {}
    for run in runs if study.search == "halving" else ():
        if run.learning_rate:
            groups.setdefault(replace(run, learning_rate=None), []).append(run)
    several = [group for group in groups.values() if len(group) > 1]
    plans = [(group, budget(study, group[0], datasets)) for group in several]
    return [
        Search(tuple(group), _rungs(len(group), plan, study.rungs), plan.num_steps)
        for group, plan in plans
    ]


def _rungs(num_rates: int, plan: Budget, given: Sequence[int]) -> tuple[int, ...]:
    """Place rungs where runs are validated; by default at a half, a quarter, … of a run."""
    num_rungs = math.ceil(math.log2(num_rates))
    shares = [plan.num_steps / 2 ** (num_rungs - place) for place in range(num_rungs)]
    every = plan.val_every_n_steps
    rounded = [math.ceil(step / every) * every for step in given or shares]
    return tuple(dict.fromkeys(s for s in rounded if s < plan.num_steps))[:num_rungs]


def work_of(
    study: StudyFile, runs: Sequence[Run], datasets: Datasets
) -> Mapping[Run, tuple[int, int]]:
    """Count the steps that each run is expected to take, and the samples that it sees.

    Which rates lose is not known before: of a search the first runs stand for those that lose.
    """
    ends = {run: budget(study, run, datasets).num_steps for run in runs}
    for search in searches(study, runs, datasets):
        ends |= dict(zip(search.runs, search.endings, strict=True))
    return {
        run: (end, budget(study, run, datasets).epoch.num_samples_seen(end))
        for run, end in ends.items()
    }


def search_lines(study: StudyFile, runs: Sequence[Run], datasets: Datasets) -> list[str]:
    """Describe the searches of a study and their cost, those of one kind together."""
    kinds: dict[tuple[int, tuple[int, ...], int], list[Search]] = {}
    for search in searches(study, runs, datasets):
        kinds.setdefault((len(search.runs), search.rungs, search.num_steps), []).append(search)
    lines = []
    for (num_rates, rungs, num_steps), alike in kinds.items():
        cost, full = sum(alike[0].endings), num_rates * num_steps
        counts = [num_rates]
        for _ in rungs:
            counts.append(num_kept(counts[-1]))
        lines.append(
            f"halving: {len(alike)} × {' → '.join(map(str, counts))} rates at steps "
            f"{', '.join(map(str, rungs))} of {num_steps:,}: {cost:,} of {full:,} steps each, "
            f"{cost / full:.0%} of all rates in full"
        )
    return lines
