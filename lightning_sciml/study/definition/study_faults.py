"""Faults of a study file: unknown names, invalid values and contradictions, one line each."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from lightning_sciml.models.sizes import SIZES
from lightning_sciml.names import name_fault
from lightning_sciml.shipped_configs import shipped_configs
from lightning_sciml.streaming.epoch_plan import replay_share_fault
from lightning_sciml.study.definition.checked_values import Faults
from lightning_sciml.study.definition.runs import DOWNSTREAM
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.definition.study_parts import Grid, Options, Pretraining, Recipe, Stage

FROM_GRIDS = ("num_train_samples", "samples_per_epoch", "subset_seed")
FROM_PARTS = ("datasets", "weights", "shuffle_pairs", "replay", "replay_share")
FROM_STAGES = ("check_val_every_n_epoch", "max_epochs", "max_steps", "val_check_interval")
COUNTS = (
    *("batch_size", "num_train_samples", "num_val_samples", "samples_per_epoch"),
    *("history", "num_unrolled_steps", "stride", "window_starts"),
)

NONE_KNOWN = Faults()


def study_faults(study: StudyFile, known: Faults) -> Iterator[str]:
    """List further faults of a study, without those that follow from known ones."""
    yield from faults_of_all_runs(study, known)
    for name, options in study.models.items():
        yield from (f"models.{name}: {fault}" for fault in _model_faults(options))
    for name, part in study.pretrainings.items():
        yield from (f"pretrainings.{name}: {fault}" for fault in _pretraining_faults(part))
    for grid in study.grids:
        place = known.place_of(grid)
        yield from (f"{place}: {text}" for text in grid_faults(study, grid, known))
    if not any(known.has_left_out(study, key) for key in ("grids", "pretrainings")):
        yield from _generation_faults(study)
    if not known.has_left_out(study, "search"):
        yield from _search_faults(study)
    yield from _name_faults(study)


def _generation_faults(study: StudyFile) -> Iterator[str]:
    for name in study.generate:
        if name not in ("all", *study.dataset_names) and f"data/{name}" not in shipped_configs():
            there = ", ".join(study.dataset_names)
            yield f"generate: no data set {name} in this study; it has {there}"


def _name_faults(study: StudyFile) -> Iterator[str]:
    names = [*study.models, *study.pretrainings, *study.recipes, *study.dataset_names]
    yield from filter(None, map(name_fault, [study.name, *names]))
    for name in names:
        if "-" in str(name):
            yield (
                "a name in a study has no '-', which separates names in those of runs, "
                f"got {name!r}"
            )


def _search_faults(study: StudyFile) -> Iterator[str]:
    rungs = list(study.rungs)
    if study.search == "halving" and study.selection == "last":
        yield "search halving needs validations that decide, selection is last; take another one"
    if rungs and study.search != "halving":
        yield f"rungs {rungs} are of search: halving, search is {study.search}; leave them out"
    if any(step < 1 for step in rungs) or rungs != sorted(set(rungs)):
        yield f"rungs must be ascending steps, at least 1, got {rungs}"


def faults_of_all_runs(study: StudyFile, known: Faults = NONE_KNOWN) -> Iterator[str]:
    """List faults of stages and recipes, with which no run can be listed."""
    yield from _stages_faults(study, known)
    for kind in ("models", "recipes"):
        if not getattr(study, kind):
            yield f"{kind} must name at least one, got none"
    for name, recipe in study.recipes.items():
        yield from (f"recipes.{name}: {f}" for f in _recipe_faults(study, recipe, known))


def _stages_faults(study: StudyFile, known: Faults) -> Iterator[str]:
    stages: dict[str, Stage] = {}
    if any(not pretraining.checkpoint for pretraining in study.used_pretrainings()):
        stages["pretrain"] = study.pretrain
    if any(grid.trained_inits for grid in study.grids):
        stages["downstream"] = study.downstream
    for name, stage in stages.items():
        if not known.has_left_out(study, name):
            yield from (f"{name}: {fault}" for fault in _stage_faults(stage, known))
    if "downstream" in stages:
        for key in sorted(set(FROM_GRIDS) & set(study.downstream.data)):
            yield f"downstream: data.{key} follows from the grids; leave it out"


def _recipe_faults(study: StudyFile, recipe: Recipe, known: Faults) -> Iterator[str]:
    yield from _reserved_options(recipe.trainer)
    if fault := replay_share_fault(recipe.replay_share):
        yield fault
    names = (None, *study.recipes)
    if recipe.pretrained_as not in names and not known.has_left_out(study, "recipes"):
        yield f"no recipe {recipe.pretrained_as} to be pretrained_as"
    for section in ("data", "fine_tune_data"):
        options = getattr(recipe, section)
        yield from _data_faults(section, options)
        for key in sorted(set(FROM_GRIDS) & set(options)):
            yield f"{section}.{key} follows from the grids; leave it out"


def _stage_faults(stage: Stage, known: Faults) -> Iterator[str]:
    is_open = any(known.has_left_out(stage, key) for key in ("epochs", "min_steps"))
    if stage.epochs < 1 and stage.min_steps < 1 and not is_open:
        yield "epochs or min_steps must be at least 1, got neither"
    if stage.num_validations < 1:
        yield f"num_validations must be at least 1, got {stage.num_validations}"
    yield from _invalid_seeds("seeds", stage.seeds)
    yield from _reserved_options(stage.trainer)
    yield from _data_faults("data", stage.data)


def _data_faults(section: str, options: Options) -> Iterator[str]:
    """List faults of options of the data module."""
    for key in FROM_PARTS:
        if key in options:
            yield f"{section}.{key} follows from pretrainings, recipes and grids; leave it out"
    if "rollout" in options:
        yield f"{section}.rollout stands at the top level of a study; move it there"
    for key in COUNTS:
        value = options.get(key, 1)
        if (key, value) == ("window_starts", "all"):
            continue
        numbers = value if key == "stride" and isinstance(value, list) and value else [value]
        if not all(isinstance(number, int) and number >= 1 for number in numbers):
            yield f"{section}.{key} must be a whole number, at least 1, got {value!r}"


def _pretraining_faults(part: Pretraining) -> Iterator[str]:
    datasets, weights = part.datasets, part.weights
    if weights is not None and len(weights) != len(datasets):
        yield f"{len(datasets)} data sets need as many weights, got {weights}"
    if weights and not all(0 < weight < math.inf for weight in weights):
        yield f"weights must be positive, got {weights}"
    if len(set(datasets)) < len(datasets):
        yield f"datasets must name each once, got {datasets}"
    if not datasets:
        yield "datasets must name at least one, got none"
    if part.min_steps is not None and part.min_steps < 1:
        yield f"min_steps must be at least 1, got {part.min_steps}"
    if part.checkpoint and (part.shuffled or part.min_steps):
        yield "min_steps and shuffled are of a training, the checkpoint has had its own; leave out"


def grid_faults(study: StudyFile, grid: Grid, known: Faults = NONE_KNOWN) -> Iterator[str]:
    """List all faults of a grid of a study, without those that follow from known ones."""
    for key in ("datasets", "inits", "models", "recipes"):
        if getattr(grid, key) is not None and not getattr(grid, key):
            yield f"{key} must name at least one, got none"
    for key in ("models", "pretrainings", "recipes"):
        there = getattr(study, key)
        unknown = sorted({*(getattr(grid, key) or ())} - {*there})
        for name in () if known.has_left_out(study, key) else unknown:
            yield f"unknown name {name} in {key}; the study has {', '.join(map(str, there))}"
    for init in sorted(set(grid.inits) - set(DOWNSTREAM)):
        yield f"init must be one of {', '.join(DOWNSTREAM)}, got {init}"
    yield from _invalid_seeds("seeds", grid.seeds)
    if grid.subset_draws != "seed":
        yield from _invalid_seeds("subset_draws", grid.subset_draws)
    yield from _missing_keys(grid, known)
    yield from _training_faults(study, grid)


def _missing_keys(grid: Grid, known: Faults) -> Iterator[str]:
    wanted = {"pretrainings": "zero_shot and fine_tune need"} if grid.starts_from_weights else {}
    trained = ", ".join(grid.trained_inits)
    if trained:
        wanted |= dict.fromkeys(("num_samples", "learning_rates"), f"{trained} needs")
    for key, text in wanted.items():
        if not getattr(grid, key) and not known.has_left_out(grid, key):
            yield f"{text} {key}, got none"


def _training_faults(study: StudyFile, grid: Grid) -> Iterator[str]:
    rates = grid.learning_rates
    for number in grid.num_samples:
        if number < 1:
            yield f"num_samples must be at least 1, got {number}"
    for rate in rates:
        if not 0 < rate < math.inf:
            yield f"a learning rate must be positive, got {rate}"
    if study.selection == "last" and len(rates) > 1:
        yield f"selection last chooses nothing, so one learning rate is wanted, got {list(rates)}"
    if study.selection == "budgeted" and 1 in grid.num_samples:
        yield "selection budgeted needs at least 2 samples, one of them to validate on"


def _model_faults(options: Any) -> Iterator[str]:
    if not isinstance(options, dict):
        yield f"a mapping is wanted, got {options!r}"
    elif "class_path" in options:
        for key in sorted(set(options) - {"class_path", "init_args"}):
            yield f"{key} must stand below init_args, beside class_path it has no meaning"
        if not isinstance(options.get("init_args", {}), dict):
            yield "init_args must be a mapping of arguments"
    elif options.get("size") not in (None, *SIZES):
        yield f"size must be one of {', '.join(SIZES)}, got {options['size']}"


def _invalid_seeds(name: str, seeds: Sequence[Any]) -> Iterator[str]:
    if not seeds:
        yield f"{name} must hold at least one number, got none"
    yield from (f"{name} must be at least 0, got {seed}" for seed in seeds if seed < 0)


def _reserved_options(trainer: Options) -> Iterator[str]:
    for key in FROM_STAGES:
        if key in trainer:
            yield f"trainer.{key} follows from epochs, min_steps and num_validations; leave it out"
