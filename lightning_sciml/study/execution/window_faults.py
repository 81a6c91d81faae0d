"""Faults of samples and windows: more of them than the data sets of a study have."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from itertools import product

from lightning_sciml.errors import InputError
from lightning_sciml.lists import listed
from lightning_sciml.streaming.windows import LEAD_TIME, WindowOptions, reject_uneven_times
from lightning_sciml.study.definition.runs import Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.channels import windows_in
from lightning_sciml.study.execution.data_options import data_options, places_of, sets_of
from lightning_sciml.study.execution.run_config import Datasets

OF_WINDOWS = tuple(f.name for f in fields(WindowOptions))


def sample_faults(study: StudyFile, runs: list[Run], datasets: Datasets) -> Iterator[str]:
    """Find sets with fewer samples than are asked for."""
    most: Counter[tuple[str, str, str]] = Counter()
    for run in runs:
        data, wanted = data_options(study, run), [("train", "the study", run.num_samples)]
        for split in ("train", "val"):
            key = f"num_{split}_samples"
            place = places_of(study, run, [key])[-1]
            wanted.append((split, f"{place}.{key}", data.get(key, 0)))
        for name, (split, key, number) in product(run.datasets, wanted):
            most[name, split, key] = max(number, most[name, split, key])
    for (name, split, key), number in most.items():
        if name in datasets and number > (has := datasets[name].num_samples[split]):
            yield (
                f"{study.dataset_dir(name)} has {has} {split} samples, {key} wants {number}; "
                "lower it or generate more"
            )


def window_faults(study: StudyFile, runs: list[Run], datasets: Datasets) -> dict[Run, str]:
    """List runs whose windows do not fit their trajectories: no configuration can be made of them.

    Of the data sets of a run, and those that it replays, the first such one is named.
    """
    found: dict[Run, str] = {}
    for run in runs:
        places = ", ".join(places_of(study, run, OF_WINDOWS))
        for manifest in (datasets[name] for name in sets_of(study, run) if name in datasets):
            try:
                windows = windows_in(data_options(study, run), manifest)
                if is_told_lead_time(study, run):
                    num_steps = 2 if study.rollout else windows.num_steps
                    reject_uneven_times(manifest, num_steps)
            except InputError as error:
                found.setdefault(run, f"{places}: {error}")
    return found


def is_told_lead_time(study: StudyFile, run: Run) -> bool:
    """Tell whether the model of a run takes the time of a step."""
    _, arguments = study.network_of(run.model)
    is_valid = isinstance(arguments, dict)  # another fault says that it is not
    return is_valid and LEAD_TIME in listed(arguments.get("coefficient_names", ()))
