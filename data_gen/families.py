"""The families of data sets, and which one a command line asks for."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from data_gen import evolution_coefficients, unsteady_coefficients
from data_gen.configuration import DatasetConfig
from data_gen.dataset_size import DatasetSize
from data_gen.elliptic_configuration import EllipticConfig
from data_gen.evolution_coefficients import EvolutionCoefficients
from data_gen.evolution_configuration import EvolutionConfig
from lightning_sciml.errors import InputError
from lightning_sciml.shipped_configs import CONFIG_FLAG, configs_first

FAMILIES: dict[str, type[DatasetSize]] = {
    "initial_state": EvolutionConfig,
    "diffusivity": EllipticConfig,
}
"""Families by an option that no other has."""

_COEFFICIENT_FLAGS = ("--coefficients", "--coefficients.class_path", "--coefficients.help")
_EVOLUTION_COEFFICIENTS = {
    name
    for module in (evolution_coefficients, unsteady_coefficients)
    for name, found in vars(module).items()
    if isinstance(found, type) and issubclass(found, EvolutionCoefficients)
}


def family(words: Sequence[str]) -> type[DatasetSize]:
    """Find the family whose option is given or stands in a configuration file.

    Without a file, a class of evolution equations after ``--coefficients`` tells it. Files that
    cannot be read are left to the parser, which says what is wrong.

    Raises:
        InputError: options of two families are given.
    """
    words = configs_first(words)
    given = set(_options(words))
    own = [key for key in FAMILIES if key in given]
    if len(own) > 1:
        raise InputError(
            f"{' and '.join(own)} are options of data sets of different kinds; give one of them"
        )
    if own:
        return FAMILIES[own[0]]
    has_file = any(word.partition("=")[0] == CONFIG_FLAG for word in words)
    return EvolutionConfig if not has_file and _evolves(words) else DatasetConfig


def _evolves(words: Sequence[str]) -> bool:
    """Tell whether a word names the class of an evolution equation's coefficients."""
    for word, following in zip(words, [*words[1:], ""], strict=False):  # none of no words
        flag, equals, value = word.partition("=")
        name = (value if equals else following).rpartition(".")[2]
        if flag in _COEFFICIENT_FLAGS and name in _EVOLUTION_COEFFICIENTS:
            return True
    return False


def _options(words: Sequence[str]) -> Iterator[str]:
    """Name the options of a command line and of its files, without what follows a dot."""
    for word in words:
        flag, _, value = word.partition("=")
        yield flag.lstrip("-").partition(".")[0]
        if flag == CONFIG_FLAG:
            yield from _keys(value)


def _keys(config: str) -> Iterator[str]:
    """Name the options of a file; of what is no file, such as a pipe, as if it were its text."""
    try:
        path = Path(config)
        tree: Any = yaml.safe_load(path.read_text() if path.is_file() else config)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return
    if isinstance(tree, dict):
        yield from map(str, tree)
