"""Read a study file at one of its scales."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lightning_sciml.errors import InputError
from lightning_sciml.plain_text import counted
from lightning_sciml.study.definition.checked_values import Faults, checked
from lightning_sciml.study.definition.named_sets import naming_study
from lightning_sciml.study.definition.study_faults import grid_faults, study_faults
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.definition.study_parts import Grid
from lightning_sciml.yaml_files import reject_ambiguous_yaml


class Reading(NamedTuple):
    """What was read of a study file.

    Attributes:
        study: what is valid of it; None where that is too little.
        faults: a line on each.
        named: has all data sets that the file names, and no runs where there are faults; None
            where no folder is known.
    """

    study: StudyFile | None
    faults: list[str]
    named: StudyFile | None


def load_study(
    path: str | Path, scale: str | None = None, datasets: Sequence[str] = ()
) -> StudyFile:
    """Read and check a study at one of its scales, the first by default; see `read_study`.

    Raises:
        InputError: no such file, scale or data set, or a list of all that is wrong in it.
    """
    study, faults, _ = read_study(path, scale, datasets)
    if study is None or faults:
        raise InputError(f"{path} has {counted(len(faults), 'fault')}:\n  " + "\n  ".join(faults))
    return study


def read_study(path: str | Path, scale: str | None = None, datasets: Sequence[str] = ()) -> Reading:
    """Read what is valid of a study, and a line on each fault.

    Models and grids with faults are left out, so that what remains can be checked further; nothing
    remains where the file has no models, grids or folders. All data sets that the file names are
    told in any case.

    Args:
        path: of the file.
        scale: one of its scales, the first by default.
        datasets: keep the downstream runs on these alone; on all by default.

    Raises:
        InputError: no such file, scale or data set.
    """
    content = read_at_scale(Path(path), scale)
    if not isinstance(content, dict):
        return Reading(None, [f"a mapping is wanted, got {content!r:.60}"], None)
    values: dict[str, Any] = {"title": content["name"], **content}
    faults = Faults()
    shared, grids = values.get("grid"), values.get("grids")
    if grids == []:
        faults.append("grids must hold at least one grid, got []")
    if isinstance(shared, dict) and isinstance(grids, list):
        values["grids"] = [{**shared, **g} if isinstance(g, dict) else g for g in grids]
    study: StudyFile | None = checked(StudyFile, values, "", faults)
    named = naming_study(values, datasets)
    if study is None:
        return Reading(None, faults, named)
    faults += study_faults(study, faults)
    sound = [grid for grid in study.grids if not any(grid_faults(study, grid))]
    models = {name: o for name, o in study.models.items() if isinstance(o, dict)}
    _reject_unknown(study.grids, datasets)
    valid = replace(study, grids=_on(sound, datasets), models=models)
    return Reading(valid, faults, named if faults else valid)


def _reject_unknown(grids: Sequence[Grid], datasets: Sequence[str]) -> None:
    """Reject data sets that no grid has.

    Raises:
        InputError: no grid has one of them.
    """
    known = list(dict.fromkeys(name for grid in grids for name in grid.datasets))
    if unknown := [name for name in datasets if name not in known]:
        raise InputError(
            f"datasets must be some of {', '.join(known)}, on which downstream runs are tested, "
            f"got {', '.join(unknown)}"
        )


def _on(grids: Sequence[Grid], datasets: Sequence[str]) -> list[Grid]:
    """Restrict grids to some of their data sets; to all where none is named."""
    kept = [[d for d in grid.datasets if not datasets or d in datasets] for grid in grids]
    pairs = zip(grids, kept, strict=True)
    return [replace(grid, datasets=names) for grid, names in pairs if names]


def read_at_scale(path: Path, scale: str | None) -> Any:
    """Read a study file as it is at a scale, by default the first of those below its `scales`.

    Sections of ``scale/NAME.yaml`` beside the file, where there is one, replace those of the file;
    those of ``scales.NAME`` in the file replace both. A scale other than the first is appended to
    the names of the study and of its output.

    Raises:
        InputError: a file cannot be read, or the study has no such scale.
    """
    content = _yaml(path)
    if not isinstance(content, dict):
        return content
    scales = content.pop("scales", None) or {}
    if not isinstance(scales, dict) or not all(isinstance(s or {}, dict) for s in scales.values()):
        raise InputError(f"{path}: scales must be a mapping of names to sections, got {scales!r}")
    content = {"name": path.stem, **content}
    first = next(iter(scales), None)
    chosen = first if scale is None else scale
    if chosen is None:
        return content
    if chosen not in scales:
        known = ", ".join(map(str, scales)) or "none"
        raise InputError(f"{path} has no scale {chosen}; its scales are: {known}")
    shared = path.parent / "scale" / f"{chosen}.yaml"
    content |= (_yaml(shared) if shared.exists() else {}) | (scales[chosen] or {})
    if chosen != first:
        content |= {key: f"{content[key]}_{chosen}" for key in ("name", "output") if key in content}
    return content


def _yaml(path: Path) -> Any:
    try:
        text = path.read_text()
        reject_ambiguous_yaml(text)
        return yaml.safe_load(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"a study file is wanted, {path} cannot be read: {reason}") from error
