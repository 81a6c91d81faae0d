"""A study file at one of its scales: sections of the scale replace those of the file."""

from pathlib import Path
from typing import Any

import yaml

from lightning_sciml.errors import InputError
from lightning_sciml.yaml_files import reject_ambiguous_yaml


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
    if not scales and scale is None:
        return content
    first = next(iter(scales), None)
    scale = scale or str(first)
    if scale not in scales:
        known = ", ".join(map(str, scales)) or "none"
        raise InputError(f"{path} has no scale {scale}; its scales are: {known}")
    shared = path.parent / "scale" / f"{scale}.yaml"
    content |= (_yaml(shared) if shared.exists() else {}) | (scales[scale] or {})
    if scale != first:
        content |= {key: f"{content[key]}_{scale}" for key in ("name", "output") if key in content}
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
