"""Data sets that a study file names, whatever else is wrong in it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning_sciml.paths import expanded
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.definition.study_parts import Grid


def naming_study(values: Mapping[str, Any], datasets: Sequence[str]) -> StudyFile | None:
    """Make a study that has the data sets of a file and nothing else; None without a folder.

    Args:
        values: of the file, its grids with what they share.
        datasets: of the downstream runs on these alone; of all by default.
    """
    folder, made_by = values.get("data_dir"), _mapping(values.get("generate"))
    if not isinstance(folder, str):
        return None
    return StudyFile(
        name="",
        title="",
        output=Path(),
        data_dir=Path(expanded(folder)),
        models={},
        grids=[Grid(datasets=_names(values, datasets), inits=[])],
        generate={name: options for name, options in made_by.items() if isinstance(options, dict)},
    )


def _names(values: Mapping[str, Any], datasets: Sequence[str]) -> list[str]:
    """List the data sets of pre-trainings that grids use, and of grids, each once."""
    found = values.get("grids")
    grids = [g for g in found if isinstance(g, dict)] if isinstance(found, list) else []
    kept = [g for g in grids if not datasets or set(datasets) & {*_texts(g.get("datasets"))}]
    used = [g for g in kept if {Init.ZERO_SHOT, Init.FINE_TUNE} & {*_texts(g.get("inits"))}]
    origins = {name for grid in used for name in _texts(grid.get("pretrainings"))}
    parts = _mapping(values.get("pretrainings"))
    pretrained = [_mapping(p).get("datasets") for name, p in parts.items() if name in origins]
    tested = [n for g in kept for n in _texts(g.get("datasets")) if not datasets or n in datasets]
    return list(dict.fromkeys([*(n for names in pretrained for n in _texts(names)), *tested]))


def _texts(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, dict) else {}
