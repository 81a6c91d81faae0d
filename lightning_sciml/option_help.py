"""The help of a command: one screen of what people use, and all options behind `--help all`."""

import argparse
import inspect
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin

HELP_FLAGS = ("-h", "--help")
ALL = "all"
SHOW_ALL = f"--help {ALL}"
_WIDEST = 100  # columns of the page
_WIDEST_CHOICES = 28  # columns of the values that an option shows
_EXAMPLES = re.compile(r"^Examples?:\n((?:(?: {4}.*)?\n?)+)", re.MULTILINE)


@dataclass(frozen=True)
class HelpPage:
    """One screen of help.

    Args:
        usage: the command line, such as "sciml doctor [OPTIONS]".
        summary: what the command does.
        rows: each option, argument or command with its values, and what it is.
        examples: command lines.
        more: the lines that say where the rest is.
    """

    usage: str
    summary: str
    rows: Sequence[tuple[str, str]]
    examples: Sequence[str] = ()
    more: str = ""

    def __str__(self) -> str:
        """Lay the page out for the terminal, at most 100 columns wide."""
        columns = min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns)
        blocks = [
            _filled(f"usage: {self.usage}", columns, 7),
            _filled(self.summary, columns),
            "\n".join(_laid_out(self.rows, columns)),
            "\n".join(["Examples:", *(f"  {line}" for line in self.examples)])
            if self.examples
            else "",
            self.more,
        ]
        return "\n\n".join(filter(None, blocks)) + "\n"


def _filled(text: str, columns: int, indent: int = 0) -> str:
    return textwrap.fill(
        " ".join(text.split()),
        columns,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _laid_out(rows: Sequence[tuple[str, str]], columns: int) -> Iterator[str]:
    """Lay rows out in two columns; a name too long for the first has a line of its own."""
    width = min(max((len(name) for name, _ in rows), default=0), columns * 2 // 5)
    for name, text in rows:
        lines = textwrap.wrap(text, columns - width - 4, break_on_hyphens=False) or [""]
        if len(name) > width:
            yield f"  {name}"
            name = ""
        yield f"  {name:{width}s}  {lines[0]}".rstrip()
        yield from (f"{'':{width + 4}s}{line}" for line in lines[1:])


class HelpAction(argparse._HelpAction):
    """`--help` shows the page of a parser, `--help all` its options with types and defaults."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, **options)
        self.nargs, self.metavar = "?", ALL

    def __call__(
        self, parser: Any, namespace: Any, values: Any, option_string: str | None = None
    ) -> None:
        """Print and end the program."""
        if values not in (None, ALL):
            text = f"wanted --help or {SHOW_ALL}, got --help {values}"
            raise argparse.ArgumentError(None, text)
        sys.stdout.write(parser.full_help() if values else str(parser.page()))
        parser.exit()


def asks_for_page(words: Sequence[str]) -> bool:
    """Tell whether a command line asks for the short help."""
    return any(
        word in HELP_FLAGS and following != ALL
        for word, following in zip(words, [*words[1:], ""], strict=True)
    )


def page_of(command: str, docstring: str, actions: Sequence[argparse.Action]) -> HelpPage:
    """Make the page of a command from its parser.

    Args:
        command: words that call it, such as "sciml data import".
        docstring: its first paragraph says what the command does; its section Examples has lines
            to type.
        actions: of the parser.
    """
    shown = [action for action in actions if _is_shown(action, actions)]
    needed = [action for action in shown if not action.option_strings or action.required]
    needed.sort(key=lambda action: bool(action.option_strings))
    options = ["[OPTIONS]"] if len(needed) < len(shown) else []
    return HelpPage(
        usage=" ".join([command, *map(_name, needed), *options]),
        summary=summary(docstring),
        rows=[_row(action) for action in [*needed, *(a for a in shown if a not in needed)]],
        examples=examples(docstring),
        more=f"`{SHOW_ALL}` shows types and defaults, too." if shown else "",
    )


def _is_shown(action: argparse.Action, actions: Sequence[argparse.Action]) -> bool:
    """Tell whether an option is one that people set: not help, nor a file for a whole group."""
    words = action.option_strings
    is_own = isinstance(action, argparse._HelpAction) or action.help == argparse.SUPPRESS
    below = [other.dest for other in actions if other.dest.startswith(f"{action.dest}.")]
    is_group = any(not dest.endswith(".help") for dest in below)
    return not (is_own or is_group or (words and words[0].endswith((".help", "print_config"))))


def _row(action: argparse.Action) -> tuple[str, str]:
    """Describe an option in one row: with its values, its first sentence, and its default."""
    text = " ".join((action.help or "").replace("``", "`").split())
    sentence = re.split(r"(?<=[\w)`][\w)`])\. ", text, maxsplit=1)[0].rstrip(".")
    default = action.default
    is_told = isinstance(default, str | int | float) and default is not False
    if is_told and default not in ("", argparse.SUPPRESS) and "by default" not in sentence:
        shown = (
            f"{default:g}" if isinstance(default, float) else str(default).replace("True", "true")
        )
        sentence += f" [{shown.lower() if default is True else shown}]"
    return _name(action), sentence


def _name(action: argparse.Action) -> str:
    """Name an option with its values."""
    if not action.option_strings:
        return str(action.metavar or action.dest).upper()
    flag = max((w for w in action.option_strings if not w.endswith("+")), key=len)
    return f"{flag} {_values(action)}".rstrip()


def _values(action: argparse.Action) -> str:
    kind: Any = getattr(action, "_typehint", None) or action.type
    kinds = [k for k in get_args(kind) if k is not NoneType] or [kind]
    if len(kinds) == 1 and get_origin(kind) is not Literal:
        kind = kinds[0]
    choices = list(action.choices or (get_args(kind) if get_origin(kind) is Literal else ()))
    if kind is bool:
        return "" if action.default is False else "true|false"
    if choices and len(text := "|".join(map(str, choices))) <= _WIDEST_CHOICES:
        return text
    return {int: "N", float: "X"}.get(kind) or str(action.metavar or action.dest).upper()


def summary(docstring: str) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join(docstring.partition("\n\n")[0].split())


def examples(docstring: str) -> list[str]:
    """The command lines of the examples in a docstring."""
    found = _EXAMPLES.search(inspect.cleandoc(docstring) + "\n")
    return [line.strip() for line in found[1].splitlines() if line.strip()] if found else []
