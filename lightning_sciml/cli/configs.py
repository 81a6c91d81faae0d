"""`sciml config`: the configurations that come with sciml, to read and to start one's own from."""

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lightning_sciml.commands import call_one
from lightning_sciml.errors import InputError
from lightning_sciml.paths import expanded
from lightning_sciml.shipped_configs import config_path, shipped_configs


def list_() -> None:
    """Show the names that --config, generate and study take, with what each is for.

    Examples:
        sciml config list
    """
    configs = shipped_configs()
    width = max(map(len, configs), default=0)
    for name, file in configs.items():
        first_line = file.read_text().partition("\n")[0]
        purpose = first_line.removeprefix("#").strip() if first_line.startswith("#") else ""
        sys.stdout.write(f"{name:{width}s}  {purpose}".rstrip() + "\n")


def copy(name: str, file: str | None = None) -> None:
    """Write a configuration to a file of your own, to edit.

    Args:
        name: Name of the configuration, such as pretrain/poisson.
        file: The new file; pretrain_poisson.yaml in this folder for the name pretrain/poisson.

    Examples:
        sciml config copy pretrain/poisson mine.yaml
    """
    source, target = Path(config_path(name)), expanded(file or f"{name.replace('/', '_')}.yaml")
    if target.exists():
        raise InputError(f"{target} is there already; name another file")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}") from error
    sys.stdout.write(f"{target}\n")


def main(arguments: Sequence[str]) -> None:
    """Run `sciml config COMMAND`."""
    words = list(arguments[1:])
    if len(words) == 3 and not words[2].startswith("-"):
        words.insert(2, "--file")
    commands: dict[str, Callable[..., None]] = {"list": list_, "copy": copy}
    call_one(commands, words, "sciml config", "Configurations that come with sciml.")
