"""Paths as a user writes them: ~ and environment variables, in command lines and in YAML."""

import os
import re
from pathlib import Path
from typing import Any

from lightning_sciml.errors import InputError

_VARIABLE = re.compile(r"\$(?:\{([^}]*)\}|([A-Za-z_]\w*))")
PATH_OPTIONS = (
    "run_dir",
    "ckpt_path",
    "datasets",
    "replay",
    "checkpoint",
    "save_dir",
    "dirpath",
    "log_dir",
    "root_dir",
    "default_root_dir",
)


def expanded(path: str | Path) -> Path:
    """Replace a leading ~, and $NAME or ${NAME} anywhere, as a shell does.

    Raises:
        InputError: nothing is left, the variable is not set, or the user of ~USER is unknown.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] if match[1] is not None else match[2]
        if name not in os.environ:
            raise InputError(
                f"the path {path} needs the environment variable {name or '(no name)'}, which is "
                "not set; export it, or write the path without it"
            )
        return os.environ[name]

    text = _VARIABLE.sub(value, str(path))
    if not text.strip():
        raise InputError(
            f"a path is wanted, got {str(path)!r}; name the file or folder, . for this one"
        )
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"the path {path} needs a home folder: {error}; write the path without ~"
        ) from error


def expand_options(config: Any) -> None:
    """Expand every path option of a parsed configuration, in place: RUN/config.yaml says where.

    Args:
        config: a jsonargparse Namespace, which lists its leaves by dotted name.

    Raises:
        InputError: see `expanded`.
    """
    for key, value in list(config.items()):
        for item in value if isinstance(value, list) else ():
            if hasattr(item, "class_path"):  # one of several loggers or callbacks
                expand_options(item)
        if key.split(".")[-1] in PATH_OPTIONS:
            config[key] = _expanded_value(value, key)


def _expanded_value(value: Any, key: str) -> Any:
    if isinstance(value, list):
        return [_expanded_value(item, key) for item in value]
    is_to_expand = isinstance(value, str) and ("$" in value or value[:1] in ("~", " ", ""))
    try:
        return str(expanded(value)) if is_to_expand else value
    except InputError as error:
        raise InputError(f"{key}: {error}") from error
