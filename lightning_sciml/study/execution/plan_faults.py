"""Faults that keep runs of a study from starting: one line each, found before any is started."""

import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from lightning_sciml.errors import InputError
from lightning_sciml.models.sizes import SIZES
from lightning_sciml.pde.steady import EQUATIONS
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.study.definition.runs import DownstreamRun, Init, PretrainingRun, Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.run_config import (
    Datasets,
    channels,
    model_options,
    run_config,
    stage_of,
)
from lightning_sciml.study.execution.run_files import read_config

MAX_NAME = 250  # characters of a folder's name on common file systems, less an ending
ConfigFault = Callable[[dict[str, Any]], str | None]


def size_faults(study: StudyFile) -> list[str]:
    """Find sizes that do not exist, and networks by class_path with keys beside init_args."""
    found = []
    for name, options in study.models.items():
        if "class_path" in options:
            found += [
                f"models.{name}: {key} must stand below init_args, beside class_path it has no "
                "meaning"
                for key in sorted(set(options) - {"class_path", "init_args"})
            ]
            if not isinstance(options.get("init_args", {}), dict):
                found.append(f"models.{name}: init_args must be a mapping of arguments")
        elif options.get("size") is not None and options["size"] not in list(SIZES):
            known = ", ".join(SIZES)
            found.append(f"models.{name}: size must be one of {known}, got {options['size']}")
    return found


def folder_faults(study: StudyFile) -> list[str]:
    """Find an output that cannot be written."""
    existing = next(folder for folder in (study.output, *study.output.parents) if folder.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return []
    reason = "not writable" if existing.is_dir() else "not a folder"
    return [
        f"output {study.output} cannot be written: {existing} is {reason}; "
        "name another folder in the study"
    ]


def name_faults(runs: list[Run]) -> list[str]:
    """Find runs whose names, which are names of folders, are too long or the same."""
    number = Counter(run.name for run in runs)
    found = [
        f"{name:.60}… has {len(name)} characters, a run may have {MAX_NAME}; "
        "shorten the names in the study"
        for name in number
        if len(name) > MAX_NAME
    ]
    return found + [
        f"{name} would be the name of {count} runs: learning rates must differ in six digits"
        for name, count in number.items()
        if count > 1
    ]


def sample_faults(
    study: StudyFile, runs: list[Run], manifests: Mapping[str, Manifest]
) -> list[str]:
    """Find sets with fewer samples than are asked for, and mixtures over several grids."""
    most: Counter[tuple[str, str, str]] = Counter()
    for run in runs:
        for (split, key), number in _wanted_samples(study, run).items():
            for name in study.datasets_of(run):
                most[name, split, key] = max(number, most[name, split, key])
    found = [
        f"{study.dataset_dir(name)} has {has} {split} samples, {key} wants {number}; "
        "lower it or generate more"
        for (name, split, key), number in most.items()
        if name in manifests and number > (has := manifests[name].num_samples[split])
    ]
    for name, pretraining in study.pretrainings.items():
        grids = {d: manifests[d].num_points for d in pretraining.datasets if d in manifests}
        if len(set(grids.values())) > 1:
            found.append(f"pretrainings.{name}: one grid is wanted, got points an axis {grids}")
    return found


def _wanted_samples(study: StudyFile, run: Run) -> dict[tuple[str, str], int]:
    """Count samples that a run takes of a split, by the key of the study that says so."""
    section = "downstream" if isinstance(run, DownstreamRun) else "pretrain"
    of_stage = {
        (split, f"{section}.data.num_{split}_samples"): stage_of(study, run).data.get(
            f"num_{split}_samples"
        )
        for split in ("train", "val")
    }
    wanted = {key: number for key, number in of_stage.items() if isinstance(number, int)}
    if isinstance(run, DownstreamRun):
        wanted["train", "the study"] = run.num_samples
    return wanted


def equation_faults(
    study: StudyFile, runs: list[Run], manifests: Mapping[str, Manifest]
) -> list[str]:
    """Find sets of no known equation in runs that divide by it or superpose its solutions."""
    found = []
    for run in runs:
        names = [n for n in study.datasets_of(run) if n in manifests]
        unknown = ", ".join(n for n in names if manifests[n].equation not in EQUATIONS)
        if not unknown:
            continue
        options = model_options(study, run)
        remedies = [
            f"leave out model.{k}" for k in ("augmentations", "coordinates") if options.get(k)
        ]
        if options.get("normalization", "paper") != "medians":
            remedies.append("set model.normalization to medians")
        found += [
            f"recipes.{run.recipe}: no equation is known of {unknown}; {remedy}"
            for remedy in remedies
        ]
    return list(dict.fromkeys(found))


def config_faults(
    study: StudyFile, runs: list[Run], datasets: Datasets, config_fault: ConfigFault
) -> list[str]:
    """Find what `sciml fit` rejects in the configurations, which are models × kinds of runs.

    Of one configuration only the first fault is known. From the first that has none, models and
    kinds are changed one at a time, so that the fault of one does not hide that of another.
    """
    first_of = {(run.model, _kind(run)): run for run in reversed(runs)}
    faults: dict[Run, str | None] = {}

    def is_good(run: Run) -> bool:
        if run not in faults:
            faults[run] = config_fault(run_config(study, run, datasets))
        return faults[run] is None

    good = next(filter(is_good, first_of.values()), None)
    if good is not None:
        for model, kind in first_of:
            if model == good.model or kind == _kind(good):
                is_good(first_of[model, kind])
        seen = {run.model for run in faults}, {_kind(run) for run in faults}
        for (model, kind), run in first_of.items():  # a grid may leave out combinations
            if model not in seen[0] or kind not in seen[1]:
                is_good(run)
    found = {fault: f"{run.name}: {fault}" for run, fault in reversed(faults.items()) if fault}
    return list(found.values())


def _kind(run: Run) -> tuple[str, str]:
    """Tell what decides a configuration beside the model: the stage, and the recipe."""
    return ("pretrain" if isinstance(run, PretrainingRun) else run.init, run.recipe)


def checkpoint_faults(study: StudyFile, runs: list[Run], datasets: Datasets) -> list[str]:
    """Find given checkpoints that are missing, or not of the network of runs that use them."""
    used: dict[tuple[str, str, str, Init], DownstreamRun] = {}
    for run in runs:
        origin = run.pretrained if isinstance(run, DownstreamRun) else None
        if isinstance(run, DownstreamRun) and origin and study.given_checkpoint(origin):
            used.setdefault((origin.pretraining, run.model, run.recipe, run.init), run)
    if not used:
        return []
    from lightning_sciml.study.execution.given_checkpoint import differences  # loads torch

    is_known = len(datasets) == len(study.dataset_names)
    found = [
        f"pretrainings.{pretraining}: {fault}"
        for (pretraining, *_), run in used.items()
        for fault in differences(study, run, channels(study, run, datasets) if is_known else None)
    ]
    return list(dict.fromkeys(found))


def channel_faults(study: StudyFile, runs: list[Run], datasets: Datasets) -> list[str]:
    """Find zero-shot tests on data with channels that the network has never seen."""
    found = {}
    for run in runs:
        if isinstance(run, DownstreamRun) and run.init == Init.ZERO_SHOT and run.pretrained:
            own = channels(study, run.pretrained, datasets)
            new = [c for c in datasets[run.dataset].coefficient_names if c not in own]
            if new:
                key = (run.pretrained.pretraining, run.dataset)
                found[key] = (
                    f"zero_shot of {key[0]} on {key[1]}: the network has no channel "
                    f"{', '.join(new)}; take zero_shot out of that grid"
                )
    return list(found.values())


def changed_runs(study: StudyFile, runs: list[Run], datasets: Datasets) -> list[str]:
    """Find folders that hold runs of the same name with another configuration."""
    found = []
    for run in runs:
        folder = study.run_dir(run)
        try:
            saved = read_config(RunFolder(folder).study_config)
        except InputError as error:
            found.append(str(error))
            continue
        if saved is not None and saved != run_config(study, run, datasets):
            found.append(
                f"{folder} holds a run with another configuration than this study gives it; "
                "give another output, or remove that folder"
            )
    return found
