"""Reports that the tests of a run have written."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lightning_sciml.json_files import read_json
from lightning_sciml.run_folder import RunFolder

_ROLLOUT = "-rollout"
"""Ends the name of a report on rollouts; a name in a study has no "-"."""


class Report(NamedTuple):
    """What a report of ``sciml test`` says of one data set.

    Attributes:
        path: of the file.
        dataset: name of the data set.
        content: its statistics.
    """

    path: Path
    dataset: str
    content: Mapping[str, Any]


def reports(folder: Path, *, on_rollouts: bool) -> Iterator[Report]:
    """Read the reports of a run on windows and samples, or those on rollouts.

    Raises:
        InputError: a report is damaged.
    """
    for path in sorted(RunFolder(folder).tests.glob("*.json")):
        if path.stem.endswith(_ROLLOUT) == on_rollouts:
            content = read_json(path, dict[str, Any], remedy="run the test again")
            parts = content.get("datasets") or {path.stem.removesuffix(_ROLLOUT): content}
            yield from (Report(path, name, part) for name, part in parts.items())
