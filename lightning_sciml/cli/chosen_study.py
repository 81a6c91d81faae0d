"""The study that a command is about: its file, a scale of it, and some of its data sets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lightning_sciml.lists import listed
from lightning_sciml.paths import expanded
from lightning_sciml.shipped_configs import config_path

if TYPE_CHECKING:
    from lightning_sciml.study.definition.study_file import StudyFile

Names = Sequence[str] | str


def study_path(file: str) -> str:
    """Return the path of a study file, which may be the name of a shipped one."""
    return config_path(str(expanded(file)))


def chosen_study(file: str, scale: str | None, datasets: Names) -> "StudyFile":
    """Load the study.

    Raises:
        InputError: no such file, scale or data set, or a list of all that is wrong in it.
    """
    from lightning_sciml.study.definition.reading import load_study

    return load_study(study_path(file), scale, listed(datasets))


def choice_words(path: str, scale: str | None, datasets: Names) -> list[str]:
    """Return the words of a command line that choose it."""
    words = [path, *(["--scale", scale] if scale else [])]
    return words + (["--datasets", f"[{', '.join(listed(datasets))}]"] if datasets else [])
