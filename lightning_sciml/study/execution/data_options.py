"""Options of the data module of a run: its section of the study, with its recipe's on top."""

from collections.abc import Sequence
from typing import Any

from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.definition.study_parts import Options, Stage


def stage_of(study: StudyFile, run: Run) -> Stage:
    """Get the section that the run shares with others of its kind."""
    return study.pretrain if run.init == Init.PRETRAIN else study.downstream


def data_sections(study: StudyFile, run: Run) -> dict[str, Options]:
    """List the options by their place in the study; later places prevail."""
    recipe = study.recipes[run.recipe]
    section = "pretrain" if run.init == Init.PRETRAIN else "downstream"
    found = {f"{section}.data": stage_of(study, run).data}
    found[f"recipes.{run.recipe}.data"] = recipe.data
    if run.init == Init.FINE_TUNE:
        found[f"recipes.{run.recipe}.fine_tune_data"] = recipe.fine_tune_data
    return found


def data_options(study: StudyFile, run: Run) -> dict[str, Any]:
    """Merge the options."""
    return {k: v for options in data_sections(study, run).values() for k, v in options.items()}


def replayed_sets(study: StudyFile, run: Run) -> Sequence[str]:
    """Name the data sets that a fine-tuning replays; none where its recipe has no share of them."""
    is_replaying = run.init == Init.FINE_TUNE and study.recipes[run.recipe].replay_share > 0
    return run.pretrained.datasets if is_replaying and run.pretrained else ()


def sets_of(study: StudyFile, run: Run) -> list[str]:
    """Name the data sets of a run, then those that it replays."""
    return [*run.datasets, *replayed_sets(study, run)]


def places_of(study: StudyFile, run: Run, keys: Sequence[str]) -> list[str]:
    """Name the places that give one of these options, the last of which prevails.

    Where none does, it is the section of the run.
    """
    sections = data_sections(study, run)
    places = [name for name, options in sections.items() if any(key in options for key in keys)]
    return places or [next(iter(sections))]
