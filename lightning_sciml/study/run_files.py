"""The files of a run: RUN/run.yaml, log.txt, result.json or error.json."""

import json
import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

RUN_CONFIG, LOG, RESULT, ERROR, LOCK = "run.yaml", "log.txt", "result.json", "error.json", ".lock"


class State(StrEnum):
    """How far a run is."""

    FINISHED = "finished"
    FAILED = "failed"
    STARTED = "started"
    WAITING = "waiting"


def state_of(folder: Path) -> State:
    """How far the run of this folder is; "started" is running now, or was killed."""
    if (folder / RESULT).exists():
        return State.FINISHED
    if (folder / ERROR).exists():
        return State.FAILED
    return State.STARTED if (folder / LOG).exists() else State.WAITING


def read_json(path: Path) -> dict[str, Any] | None:
    """The content of a file, None where there is none."""
    try:
        return dict(json.loads(path.read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_config(path: Path) -> dict[str, Any] | None:
    """The content of a YAML file, None where there is none."""
    try:
        return dict(yaml.load(path.read_text(), yaml.CSafeLoader))
    except (FileNotFoundError, NotADirectoryError):
        return None


def last_line(path: Path) -> str:
    """What a terminal would show at the end of a log, the state of a progress bar for one."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1000))
            lines = re.split(r"[\r\n]+", file.read().decode(errors="replace").strip())
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return lines[-1]
