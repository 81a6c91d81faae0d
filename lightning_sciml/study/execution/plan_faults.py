"""What stands in the way of a study's runs: one line each, found before anything is started."""

import os
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from lightning_sciml.errors import InputError
from lightning_sciml.models.sizes import SIZES
from lightning_sciml.pde.steady import EQUATIONS
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.study.definition.runs import DownstreamRun, Init, PretrainingRun, Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.run_config import Datasets, channels, model_options, run_config
from lightning_sciml.study.execution.run_files import read_config

MAX_NAME = 250  # characters of a folder's name on common file systems, less an ending
ConfigFault = Callable[[dict[str, Any]], str | None]


def size_faults(study: StudyFile) -> list[str]:
    """Model sizes that do not exist, and networks by class_path with anything beside init_args."""
    found = []
    for name, options in study.models.items():
        if "class_path" in options:
            beside = sorted(set(options) - {"class_path", "init_args"})
            found += [
                f"models.{name}: {key} must stand below init_args, beside class_path it has no "
                "meaning"
                for key in beside
            ]
            if not isinstance(options.get("init_args", {}), dict):
                found.append(f"models.{name}: init_args must be a mapping of arguments")
        elif options.get("size") is not None and options["size"] not in list(SIZES):
            found.append(
                f"models.{name}: size must be one of {', '.join(SIZES)}, got {options['size']}"
            )
    return found


def folder_faults(study: StudyFile) -> list[str]:
    """An output that cannot be written."""
    existing = next(folder for folder in (study.output, *study.output.parents) if folder.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return []
    reason = "not writable" if existing.is_dir() else "not a folder"
    return [
        f"output {study.output} cannot be written: {existing} is {reason}; "
        "name another folder in the study"
    ]


def name_faults(runs: list[Run]) -> list[str]:
    """Runs whose names, which are names of folders, are too long or the same."""
    found = [
        f"{run.name:.60}… has {len(run.name)} characters, a run may have {MAX_NAME}; "
        "shorten the names in the study"
        for run in runs
        if len(run.name) > MAX_NAME
    ]
    number = Counter(run.name for run in runs)
    return found + [
        f"{name} would be the name of {count} runs: learning rates must differ in six digits"
        for name, count in number.items()
        if count > 1
    ]


def sample_faults(
    study: StudyFile, runs: list[Run], manifests: Mapping[str, Manifest]
) -> list[str]:
    """Sets with fewer samples than are asked for, and mixtures over several grids."""
    found = []
    most: Counter[str] = Counter()
    for run in runs:
        if isinstance(run, DownstreamRun):
            most[run.dataset] = max(most[run.dataset], run.num_samples)
    for name, wanted in most.items():
        if name in manifests and wanted > manifests[name].num_samples["train"]:
            found.append(
                f"{study.dataset_dir(name)} has {manifests[name].num_samples['train']} train "
                f"samples, the study wants {wanted}; lower num_samples or generate more"
            )
    found += _stage_sample_faults(study, runs, manifests)
    for name, pretraining in study.pretrainings.items():
        grids = {d: manifests[d].num_points for d in pretraining.datasets if d in manifests}
        if len(set(grids.values())) > 1:
            found.append(f"pretrainings.{name}: one grid is wanted, got points an axis {grids}")
    return found


def _stage_sample_faults(
    study: StudyFile, runs: list[Run], manifests: Mapping[str, Manifest]
) -> list[str]:
    """Samples that the `data` of a stage wants and its sets do not have."""
    found = {}
    for run in runs:
        is_pretraining = isinstance(run, PretrainingRun)
        stage, names = (
            (study.pretrain, study.pretrainings[run.pretraining].datasets)
            if isinstance(run, PretrainingRun)
            else (study.downstream, [run.dataset])
        )
        for name, split in product(names, ("train", "val")):
            key = f"num_{split}_samples"
            wanted, has = stage.data.get(key), name in manifests and manifests[name].num_samples
            if isinstance(wanted, int) and has and wanted > has[split]:
                found[key, name, is_pretraining] = (
                    f"{study.dataset_dir(name)} has {has[split]} {split} samples, "
                    f"{'pretrain' if is_pretraining else 'downstream'}.data.{key} wants {wanted}; "
                    "lower it or generate more"
                )
    return list(found.values())


def equation_faults(
    study: StudyFile, runs: list[Run], manifests: Mapping[str, Manifest]
) -> list[str]:
    """Sets of which no equation is known, in runs that divide by it or superpose its solutions."""
    found = []
    for run in runs:
        names = (
            study.pretrainings[run.pretraining].datasets
            if isinstance(run, PretrainingRun)
            else [run.dataset]
        )
        unknown = [n for n in names if n in manifests and manifests[n].equation not in EQUATIONS]
        options = model_options(study, run)
        if unknown and options.get("normalization", "paper") != "medians":
            found.append(
                f"recipes.{run.recipe}: no equation is known of {', '.join(unknown)}; "
                "set model.normalization to medians"
            )
        for key in ("augmentations", "coordinates"):
            if unknown and options.get(key):
                found.append(
                    f"recipes.{run.recipe}: no equation is known of {', '.join(unknown)}; "
                    f"leave out model.{key}"
                )
    return list(dict.fromkeys(found))


def config_faults(
    study: StudyFile, runs: list[Run], datasets: Datasets, config_fault: ConfigFault
) -> list[str]:
    """What `sciml fit` rejects in the configurations, which are models × kinds of runs.

    Of one configuration only its first fault is known. From the first that has none, models and
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
    """What decides a configuration beside the model: the stage, and the recipe."""
    return ("pretrain" if isinstance(run, PretrainingRun) else run.init, run.recipe)


def checkpoint_faults(study: StudyFile, runs: list[Run], datasets: Datasets) -> list[str]:
    """Given checkpoints that are not there, or are not of the network of the runs that use them."""
    used: dict[tuple[str, str, str, Init], DownstreamRun] = {}
    for run in runs:
        if not isinstance(run, DownstreamRun) or run.pretrained is None:
            continue
        if study.given_checkpoint(run.pretrained):
            key = (run.pretrained.pretraining, run.model, run.recipe, run.init)
            used.setdefault(key, run)
    found = [
        f"pretrainings.{key[0]}: {fault}"
        for key, run in used.items()
        for fault in _differences_to_checkpoint(study, run, datasets)
    ]
    return list(dict.fromkeys(found))


def _differences_to_checkpoint(
    study: StudyFile, run: DownstreamRun, datasets: Datasets
) -> list[str]:
    from lightning_sciml.study.execution.given_checkpoint import differences  # loads torch

    is_known = len(datasets) == len(study.dataset_names)
    return differences(study, run, channels(study, run, datasets) if is_known else None)


def channel_faults(study: StudyFile, runs: list[Run], datasets: Datasets) -> list[str]:
    """Zero-shot tests of networks on data that have channels they have never seen."""
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
    """Folders that hold runs of the same name with another configuration."""
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
