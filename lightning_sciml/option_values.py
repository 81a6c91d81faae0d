"""What a shell completes behind an option: names of configs and operators, words, files."""

import argparse
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Any, Literal, get_args, get_origin

from lightning_sciml.released_operators import released_operators
from lightning_sciml.shipped_configs import shipped_configs

COMPLETING = "_ARGCOMPLETE"  # set by the shell: print what could follow, and end
Words = Callable[[], Iterable[str]]


def configs(group: str = "") -> list[str]:
    """List the names of configs that begin with the name of a group."""
    return [name for name in shipped_configs() if name.startswith(group)]


NAMES: dict[str, Words] = {
    "config": configs,
    "file": partial(configs, "study/"),
    "name": configs,
    **dict.fromkeys(("checkpoint", "ckpt_path", "operator"), released_operators),
}
"""What may stand for a file, by the last part of an option's name."""


def offer_values(actions: Iterable[argparse.Action]) -> None:
    """Set what argcomplete offers for the values of options.

    Args:
        actions: of a parser of jsonargparse. Its own way offers nothing for most types and needs a
            variable that bash alone sets.
    """
    for action in actions:
        action.option_strings = [word for word in action.option_strings if word[-1] != "+"]
        if not isinstance(action, argparse._SubParsersAction):
            kind = getattr(action, "_typehint", None) or action.type
            words = [*map(str, action.choices or ()), *_words(kind)]
            words += ["all"] if isinstance(action, argparse._HelpAction) else []
            is_argument = not action.option_strings or action.dest not in ("file", "name")
            offer(action, words, names=NAMES.get(action.dest) if is_argument else None)


def offer(
    action: argparse.Action, words: Collection[str] | Words, *, names: Words | None = None
) -> None:
    """Set what argcomplete offers for the values of one option.

    Args:
        action: the option.
        words: what it may be, or how to find that out; if nothing, it may be a file.
        names: how to find out what may stand for a file.
    """

    def completer(prefix: str, **_: Any) -> list[str]:
        known = [*(words() if callable(words) else words)]
        return known or [*(names() if names else ()), *_files(prefix)]

    action.completer = completer  # type: ignore[attr-defined]


def _files(prefix: str) -> Iterator[str]:
    from argcomplete.completers import FilesCompleter

    yield from FilesCompleter()(prefix)


def _words(kind: Any) -> list[str]:
    """The words of all Literal and bool in a type."""
    if kind is bool:
        return ["true", "false"]
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    found = [word for part in get_args(kind) for word in _words(part)]
    return list(dict.fromkeys(found))
