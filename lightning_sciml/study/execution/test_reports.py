"""Reports that the tests of a run have written."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lightning_sciml.json_files import read_json
from lightning_sciml.run_folder import RunFolder

_ROLLOUT = "-rollout"
"""Ends the name of a report on rollouts; a name in a study has no "-"."""


def reports(folder: Path, *, on_rollouts: bool) -> Iterator[tuple[Path, str, Mapping[str, Any]]]:
    """Read the statistics of each data set, behind the path of their file and the set's name.

    Those of tests on windows and samples, or those of rollouts.

    Raises:
        InputError: a report is damaged.
    """
    for path in sorted(RunFolder(folder).tests.glob("*.json")):
        if path.stem.endswith(_ROLLOUT) == on_rollouts:
            content = read_json(path, dict[str, Any], remedy="run the test again")
            parts = content.get("datasets") or {path.stem.removesuffix(_ROLLOUT): content}
            yield from ((path, name, part) for name, part in parts.items())
