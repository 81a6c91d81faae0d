"""Faults that keep runs of a study from starting: one line each, found before any is started."""

import os
from collections import Counter
from collections.abc import Iterator

from lightning_sciml.errors import InputError
from lightning_sciml.lists import listed
from lightning_sciml.models.sizes import SIZES
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.streaming.windows import short_history_fault
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.definition.study_file import FNO_CLASS, StudyFile
from lightning_sciml.study.definition.study_parts import Options
from lightning_sciml.study.execution.channels import (
    lacking,
    names_of,
    network_arguments,
    new_names,
    windows_in,
)
from lightning_sciml.study.execution.config_faults import kind_of
from lightning_sciml.study.execution.data_options import data_options, places_of, sets_of
from lightning_sciml.study.execution.halving import search_faults
from lightning_sciml.study.execution.normalization_faults import normalization_faults
from lightning_sciml.study.execution.order import is_held
from lightning_sciml.study.execution.run_config import (
    Datasets,
    channels,
    model_options,
    run_config,
    sees_steady_sets_alone,
)
from lightning_sciml.study.execution.run_files import has_begun, read_config
from lightning_sciml.study.execution.symmetry_faults import symmetry_faults
from lightning_sciml.study.execution.window_faults import sample_faults

MAX_NAME = 250  # characters of a folder's name on common file systems, less an ending


def run_faults(
    study: StudyFile,
    runs: list[Run],
    datasets: Datasets,
    *,
    fitting: list[Run],
    is_part: bool = False,
) -> list[str]:
    """List all faults of runs, short of their whole configurations.

    Args:
        study: the study.
        runs: its runs.
        datasets: those of its data sets that are there.
        fitting: those of which configurations can be made, none of a file with faults; checkpoints,
            channels and folders of others are not compared.
        is_part: whether the study has further data sets, which may evolve.
    """
    found = [*_folder_faults(study), *_name_faults(runs), *sample_faults(study, runs, datasets)]
    found += normalization_faults(study, runs, datasets)
    found += symmetry_faults(study, runs, datasets)
    found += _state_faults(study, runs, datasets, is_part=is_part)
    is_complete = all(name in datasets for name in study.dataset_names)
    found += _checkpoint_faults(study, fitting, datasets if is_complete else None)
    if is_complete:
        found += _channel_faults(study, fitting, datasets)
        found += _history_faults(study, fitting, datasets)
        found += _network_faults(study, fitting, datasets)
        found += _changed_runs(study, fitting, datasets)
        found += search_faults(study, fitting, datasets)
    return list(dict.fromkeys(found))


def _folder_faults(study: StudyFile) -> Iterator[str]:
    """Find an output that cannot be written."""
    existing = next(folder for folder in (study.output, *study.output.parents) if folder.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        reason = "not writable" if existing.is_dir() else "not a folder"
        yield (
            f"output {study.output} cannot be written: {existing} is {reason}; "
            "name another folder in the study"
        )


def _name_faults(runs: list[Run]) -> Iterator[str]:
    """Find runs whose names, which are names of folders, are too long or the same."""
    for name, count in Counter(run.name for run in runs).items():
        if len(name) > MAX_NAME:
            yield (
                f"{name:.60}… has {len(name)} characters, a run may have {MAX_NAME}; "
                "shorten the names in the study"
            )
        if count > 1:
            what = f"{name} would be the name of {count} runs"
            yield f"{what}: learning rates must differ in six digits"


def _state_faults(
    study: StudyFile, runs: list[Run], datasets: Datasets, *, is_part: bool
) -> Iterator[str]:
    """Find trainings on steady sets alone by what is of states.

    Increments are states there, beside others in a study.
    """
    are_some_evolving = is_part or any(manifest.is_evolution for manifest in datasets.values())
    for run in runs:
        seen = [*run.datasets, *(run.pretrained.datasets if run.pretrained else ())]
        is_known = all(name in datasets for name in seen)
        if run.init == Init.ZERO_SHOT or not (is_known and sees_steady_sets_alone(run, datasets)):
            continue
        options, names = model_options(study, run), ", ".join(run.datasets)
        if options.get("predicts") == "increment" and not are_some_evolving:
            yield f"recipes.{run.recipe}: {names} is steady; set model.predicts to state"
        if options.get("input_noise"):
            yield f"recipes.{run.recipe}: {names} is steady; leave out model.input_noise"


def _checkpoint_faults(
    study: StudyFile, runs: list[Run], datasets: Datasets | None
) -> Iterator[str]:
    """Find given checkpoints that are missing, or not of the network of runs that use them."""
    used: dict[tuple[str, ...], tuple[Run, str]] = {}
    for run in runs:
        given = study.given_checkpoint(run.pretrained) if run.pretrained else None
        if given:
            used[run.pretraining, run.model, *kind_of(run)] = (run, given)
    if used:
        from lightning_sciml.study.execution.given_checkpoint import differences  # loads torch
    for run, given in used.values():
        names = channels(study, run, datasets) if datasets else None
        for fault in differences(study, run, given, names):
            yield f"pretrainings.{run.pretraining}: {fault}"


def _channel_faults(study: StudyFile, runs: list[Run], datasets: Datasets) -> Iterator[str]:
    """Find zero-shot tests on data with channels that the network has never seen."""
    for run in runs:
        if run.init == Init.ZERO_SHOT and run.pretrained:
            pairs = zip(
                channels(study, run, datasets),
                channels(study, run.pretrained, datasets),
                strict=True,
            )
            new = [name for names, own in pairs for name in new_names(names, own)]
            if new:
                yield (
                    f"zero_shot of {run.pretraining} on {run.datasets[0]}: the network has no "
                    f"channel {', '.join(new)}; take zero_shot out of that grid"
                )


def _history_faults(study: StudyFile, runs: list[Run], datasets: Datasets) -> Iterator[str]:
    """Find runs whose windows do not hold all states that their networks take."""
    for run in runs:
        data = data_options(study, run)
        own = [datasets[name] for name in sets_of(study, run)]
        given = [name for manifest in own for name in names_of(data, manifest).inputs]
        history = max(windows_in(data, manifest).history for manifest in own)
        _, options = study.network_of(run.model)
        taken = network_arguments(options, channels(study, run, datasets)).get("input_fields", ())
        if fault := short_history_fault(history, given, taken):
            yield f"{places_of(study, run, ['history'])[-1]}: {fault}"


def _network_faults(study: StudyFile, runs: list[Run], datasets: Datasets) -> Iterator[str]:
    """Find sets with fields that a model names otherwise, and with fewer points than its modes."""
    for run in runs:
        class_path, options = study.network_of(run.model)
        names = channels(study, run, datasets)
        for option, missing in lacking(options, names).items():
            yield (
                f"models.{run.model}: {option} {listed(options[option])} lack "
                f"{', '.join(missing)} of {', '.join(run.datasets)}; add them, or leave the option "
                "out to take those of the data"
            )
        num_modes = _num_modes(options) if class_path == FNO_CLASS else 0
        for name in run.datasets:
            height, width = datasets[name].grid.shape
            if min(height, width) < 2 * num_modes:
                yield (
                    f"models.{run.model}: {num_modes} modes need at least {2 * num_modes} points "
                    f"an axis, {name} has {height}x{width}; lower num_modes, or refine the grid"
                )


def _num_modes(options: Options) -> int:
    """Read the modes of an FNO off its options; 0 where they are invalid, which others find."""
    size = options.get("size")
    number = SIZES[size][1] if size in SIZES else options.get("num_modes")
    return number if isinstance(number, int) else 0


def _changed_runs(study: StudyFile, runs: list[Run], datasets: Datasets) -> Iterator[str]:
    """Find folders that hold runs of the same name with another configuration.

    One that has failed or was killed before its first checkpoint holds nothing: it starts anew.
    """
    for run in runs:
        folder = study.run_dir(run)
        if not (has_begun(folder) or is_held(folder)):
            continue
        try:
            saved = read_config(RunFolder(folder).study_config)
        except InputError as error:
            yield str(error)
            continue
        if saved is not None and saved != run_config(study, run, datasets):
            yield (
                f"{folder} holds a run with another configuration than this study gives it; "
                "give another output, or remove that folder"
            )
