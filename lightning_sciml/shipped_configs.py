"""The configurations that come with the package, and how a word names one."""

import re
from difflib import get_close_matches
from pathlib import Path

from lightning_sciml.errors import InputError

FOLDER = Path(__file__).parent / "configs"
CONFIG_FLAGS = ("--config", "-c")
_PATH = re.compile(r"[\w.-][\w./-]*")  # relative, and no YAML in the command line


def shipped_configs() -> dict[str, Path]:
    """The file of each configuration by its name, such as pretrain/poisson."""
    files = sorted(FOLDER.rglob("*.yaml"))
    return {file.relative_to(FOLDER).with_suffix("").as_posix(): file for file in files}


def config_path(word: str) -> str:
    """The file that a word names: a file of the user prevails over a shipped one.

    Raises:
        InputError: there is neither.
    """
    if not _PATH.fullmatch(word) or Path(word).is_file():
        return word
    configs = shipped_configs()
    if word in configs:
        return str(configs[word])
    wanted = "/".join(Path(word.removesuffix(".yaml")).parts[-2:])
    close = [name for name in configs if name.endswith(f"/{wanted}")]
    close += get_close_matches(wanted, configs, n=2, cutoff=0.8)
    meant = f"; did you mean {' or '.join(dict.fromkeys(close))}?" if close else ";"
    raise InputError(
        f"{word} is neither a file nor a config of sciml{meant} `sciml config list` shows all"
    )


def with_config_paths(words: list[str]) -> list[str]:
    """A command line with a path behind each --config."""
    found = list(words)
    for index, word in enumerate(found):
        flag, equals, value = word.partition("=")
        if equals and flag in CONFIG_FLAGS:
            found[index] = f"{flag}={config_path(value)}"
        elif index and found[index - 1] in CONFIG_FLAGS:
            found[index] = config_path(word)
    return found
