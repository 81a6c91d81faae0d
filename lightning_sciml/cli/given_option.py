"""Print what a command line and its config files give for one option, without loading torch.

    python -m lightning_sciml.cli.given_option run_dir --config FILE [--config FILE …] [OPTION …]

Batch scripts ask so for the folder that `sciml fit` or `sciml generate` writes to. As there,
--config stands for what is in the file, an option prevails over files, and the last word counts.
Nothing is printed where the option is not given.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lightning_sciml.errors import InputError
from lightning_sciml.paths import expanded
from lightning_sciml.shipped_configs import CONFIG_FLAG, configs_first


def given_option(name: str, arguments: Sequence[str]) -> str:
    """The path that `arguments` give for an option, ~ and variables expanded; "" if none.

    Raises:
        InputError: a config cannot be read, the value is no text, or a variable is not set.
    """
    value: Any = None
    words = iter(configs_first(arguments))
    for word in words:
        flag, has_value, inline = word.partition("=")
        if flag not in (CONFIG_FLAG, f"--{name}"):
            continue
        text = inline if has_value else next(words, "")
        value = text if flag == f"--{name}" else _content(text).get(name, value)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{name} must be text, got {value!r}; put it in quotes")
    return str(expanded(value)) if value else ""


def _content(config: str) -> dict[str, Any]:
    """The mapping in a config file, or in the argument itself."""
    path = Path(config).expanduser()
    try:
        # bytes: the reader then finds out the encoding and drops a byte order mark
        content = yaml.safe_load(path.read_bytes() if path.is_file() else config.encode())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"the config {config} cannot be read: {reason}") from error
    if not isinstance(content, dict):
        raise InputError(f"a config file is wanted, got '{config}'; `sciml config list` names some")
    return content


def main(arguments: Sequence[str]) -> None:
    """Run as a program: the option's name, then the command line it is asked of."""
    try:
        sys.stdout.write(given_option(arguments[0], arguments[1:]) + "\n")
    except InputError as error:
        sys.stderr.write(f"sciml: error: {error}\n")
        sys.exit(error.EXIT_CODE)


if __name__ == "__main__":
    main(sys.argv[1:])
