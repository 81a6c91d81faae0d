"""The configurations that come with the package, and how a word names one."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from lightning_sciml.errors import InputError

FOLDER = Path(__file__).parent / "configs"
CONFIG_FLAG = "--config"
_CONFIG_WORD = re.compile(r"(?:--con(?:f|fi|fig)?|-c)(?:=(.*))?|-c([^=]*[/.].*)", re.DOTALL)
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


def configs_first(words: Sequence[str]) -> list[str]:
    """Put the config files in front of all options, as --config=PATH: what is typed prevails.

    jsonargparse takes a command line word by word, so that a file would overrule the options that
    stand before it. Configs keep their order, and so do options.

    Raises:
        InputError: a word is neither a file nor the name of a config.
    """
    configs, others, remaining = [], [], list(words)
    while remaining:
        word = remaining.pop(0)
        match = _CONFIG_WORD.fullmatch(word)
        value = next((text for text in match.groups() if text is not None), None) if match else None
        if match and value is None and remaining and not remaining[0].startswith("-"):
            value = remaining.pop(0)
        if value is None:  # of a flag without a file the parser says so
            others.append(word)
        else:
            configs.append(f"{CONFIG_FLAG}={config_path(value)}")
    start = next((i for i, word in enumerate(others) if word.startswith("-")), len(others))
    return [*others[:start], *configs, *others[start:]]
