"""Rollouts of the runs of a study: of which data sets, by which words, and their faults."""

from collections.abc import Sequence

from lightning_sciml.errors import InputError
from lightning_sciml.streaming.rollouts import rollout_of
from lightning_sciml.streaming.windows import WindowOptions
from lightning_sciml.study.definition.runs import Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.channels import windows_in
from lightning_sciml.study.execution.data_options import data_options, places_of
from lightning_sciml.study.execution.run_config import Datasets


def rolled_out(study: StudyFile, run: Run, datasets: Datasets) -> list[str]:
    """Name the data sets of a run on which it is tested by rollouts: those that evolve."""
    if study.rollout is None:
        return []
    return [name for name in run.datasets if datasets[name].is_evolution]


def words_of_tests(study: StudyFile, run: Run, datasets: Datasets) -> list[list[str]]:
    """List what a run's tests have behind the words that all of them share.

    The first is on windows. Where sets evolve and the study asks for rollouts, which stands in the
    configuration of the run, the second is by rollouts of these sets.
    """
    names = rolled_out(study, run, datasets)
    if not names:
        return [[]]
    words = []
    if len(names) < len(run.datasets):  # shares of an epoch are of all sets
        folders = ", ".join(str(study.dataset_dir(name)) for name in names)
        words = [f"--data.datasets=[{folders}]", "--data.weights=null"]
    return [["--data.rollout=null"], words]


def rollout_faults(
    study: StudyFile, runs: Sequence[Run], datasets: Datasets, *, is_part: bool = False
) -> list[str]:
    """Find rollouts of steady sets alone, and those that do not fit the trajectories.

    The windows of `runs` fit; `is_part` where the study has further data sets, which may evolve.
    """
    if study.rollout is None:
        return []
    least = 2 if study.rollout == "all" else study.rollout
    if least < 2:
        return [f"rollout must be all, or at least 2 steps, got {least}"]
    names = study.dataset_names
    are_steady = all(name in datasets and not datasets[name].is_evolution for name in names)
    if are_steady and not is_part:
        return [
            f"rollout={study.rollout} needs trajectories, {', '.join(names)} is steady; leave "
            "rollout out"
        ]
    found = []
    for run in runs:
        *_, place = places_of(study, run, ("history", "stride"))
        own = (datasets[name] for name in run.datasets if name in datasets)
        for manifest in (m for m in own if m.is_evolution):
            windows = windows_in(data_options(study, run), manifest)
            options = WindowOptions(history=windows.history, stride=windows.stride)
            try:
                rollout_of(manifest, options, least)
            except InputError as error:
                found.append(f"{place}: {error}")
    return list(dict.fromkeys(found))
