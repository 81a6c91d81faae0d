"""The parser of every command: jsonargparse, with errors of one line and one syntax of lists."""

import argparse
import os
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, Namespace

from lightning_sciml.errors import InputError
from lightning_sciml.option_errors import cause
from lightning_sciml.option_help import HELP_FLAGS, SHOW_ALL, HelpAction, HelpPage
from lightning_sciml.option_values import COMPLETING, offer_values
from lightning_sciml.shipped_configs import configs_first
from lightning_sciml.yaml_files import reject_ambiguous_yaml

_CLASS_LIST = re.compile(r",\s+known\s+subclasses:.*?\)", re.DOTALL)


class OneLineErrors:
    """Mixed into a parser of jsonargparse: one line says what is wrong, and in which file.

    An option that takes a list may be repeated, each time with further values, unless its name
    begins with one of `NOT_REPEATED`: there the last one counts, as for all other options.
    """

    NOT_REPEATED: tuple[str, ...] = ()
    help_page: HelpPage | None = None

    def __init__(self, *args: Any, add_help: bool = True, **options: Any) -> None:
        """Make the parser; `--help all` shows what jsonargparse shows for `--help`."""
        super().__init__(*args, add_help=False, **options)  # type: ignore[call-arg]
        if add_help:
            text = f"Show the options that people use, or all of them ({SHOW_ALL})."
            self.add_argument(*HELP_FLAGS, action=HelpAction, help=text)  # type: ignore[attr-defined]

    def page(self) -> HelpPage | str:
        """What `--help` shows."""
        return self.help_page or self.format_help()

    def full_help(self) -> str:
        """What `--help all` shows: of several commands, the help of each."""
        commands = [a for a in actions_of(self) if isinstance(a, argparse._SubParsersAction)]
        parsers = [parser for a in commands for parser in (a.choices or {}).values()]
        return "\n\n".join(parser.format_help() for parser in parsers or [self])

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the cause and the option it is about as an InputError."""
        parser = getattr(ex, "subcommand_parser", None) or self
        bases = {
            a.dest: hint for a in actions_of(parser) if isinstance(hint := value_type(a), type)
        }
        options = parser.known_options()
        if str(message).startswith("unrecognized arguments: -"):
            arguments = {action.dest for action in actions_of(parser) if not action.option_strings}
            options = [name for name in options if name not in arguments]
        raise InputError(cause(str(message), options, bases)) from ex

    def known_options(self) -> list[str]:
        """Name the options of this parser and of its subcommands, without dashes."""
        actions = (a for a in actions_of(self) if a.help != argparse.SUPPRESS)
        words = (word for a in actions for word in a.option_strings or [a.dest])
        return list(dict.fromkeys(word.lstrip("-") for word in words if not word.endswith("+")))

    def format_help(self, *args: Any) -> str:
        """Leave out lists of all classes of torch that an option would take."""
        text = super().format_help(*args)  # type: ignore[misc]
        return _CLASS_LIST.sub(")", text)

    def parse_args(self, args: Any = None, *others: Any, **options: Any) -> Any:
        """Parse a command line.

        Raises:
            InputError: naming the option that is wrong.
        """
        if COMPLETING in os.environ:  # jsonargparse calls argcomplete, which ends the process
            offer_values(actions_of(self))
        words = files_before_parts(configs_first(sys.argv[1:] if args is None else args))
        words = joined_repeats(words, appendable_options(self, self.NOT_REPEATED))
        # jsonargparse hands null on to the parser of a class as the word None
        words = [f"{word[:-4]}null" if word.endswith("=None") else word for word in words]
        try:
            return super().parse_args(words, *others, **options)  # type: ignore[misc]
        except InputError as error:
            mistyped = str(error).endswith(" missing") and self._mistyped(words)
            if not mistyped:
                raise
            message = f"unrecognized arguments: {mistyped}"
            raise InputError(cause(message, self.known_options())) from error
        except RecursionError:
            raise InputError("the values of an option are nested too deep") from None
        except OverflowError:
            raise InputError("an option has an integer that no float can hold") from None

    def _mistyped(self, words: Sequence[str]) -> str | None:
        """Find what is no option: a user looks there first, not at options that are missing."""
        known = [f"--{name}" for name in self.known_options()]
        for word in words:
            name = word.partition("=")[0]
            is_known = any(k.startswith(name) or name.startswith(f"{k}.") for k in known)
            if name.startswith("--") and not is_known:
                return name
        return None

    def parse_path(self, path: Any, *args: Any, **options: Any) -> Any:
        """Parse a configuration file.

        Raises:
            InputError: naming the file and what is wrong with it.
        """
        try:
            return super().parse_path(path, *args, **options)  # type: ignore[misc]
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: wanted YAML in UTF-8, got bytes that are no text") from error
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error

    def parse_string(self, content: str, *args: Any, **options: Any) -> Any:
        """Parse the text of a configuration.

        Raises:
            InputError: naming what is wrong with it.
        """
        reject_ambiguous_yaml(content)
        found = super().parse_string(content, *args, **options)  # type: ignore[misc]
        if not isinstance(found.get("config", []), list):
            raise InputError("config: wanted the path of a further file")
        return found


class OneLineParser(OneLineErrors, ArgumentParser):
    """The parser of all commands but those of Lightning."""

    def validate(self, namespace: Any, **options: Any) -> None:
        """Check all values; null in a file is a value, and not an option that is left out."""
        super().validate(namespace, **options)
        for group in self.groups or ():
            if not isinstance(found := namespace.get(group, Namespace()), Namespace):
                raise InputError(f"{group}: wanted options as `name: value`, got {found}")
        if self._subcommands_action is None:
            given = namespace.clone()
            for action in self._actions:
                if action.required and given.get(action.dest, action) is None:
                    given.pop(action.dest)  # it is missing, and reported as such
            super().validate(given, skip_unset=False, skip_required=True)


def value_type(action: argparse.Action) -> Any:
    """The type of an option's values, as its function declares it."""
    return getattr(action, "_typehint", None)


def actions_of(parser: Any) -> Iterator[argparse.Action]:
    """The options of a parser and of its subcommands."""
    for action in getattr(parser, "_actions", ()):
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for subparser in dict.fromkeys((action.choices or {}).values()):
                yield from actions_of(subparser)


def appendable_options(parser: Any, but: tuple[str, ...] = ()) -> set[str]:
    """Options of a parser and its subcommands to which `--name+` adds a value."""
    words = (word for action in actions_of(parser) for word in action.option_strings)
    found = {word[:-1] for word in words if word.endswith("+")}
    return {word for word in found if not (but and word.lstrip("-").startswith(but))}


def joined_repeats(words: Sequence[str], appendable: Collection[str]) -> list[str]:
    """A command line in which repeated options of `appendable` add to their list."""
    seen: set[str] = set()
    joined = []
    for word in words:
        name, equals, value = word.partition("=")
        if name in seen:
            word = f"{name}+{equals}{value}"
        elif name in appendable:
            seen.add(name)
        joined.append(word)
    return joined


def files_before_parts(words: Sequence[str]) -> list[str]:
    """A command line in which --GROUP FILE stands before options of the group: they prevail."""
    ordered: list[str] = []
    remaining = list(words)
    while remaining:
        word = remaining.pop(0)
        flag, equals, value = word.partition("=")
        parts = (i for i, earlier in enumerate(ordered) if earlier.startswith(f"{flag}."))
        first_part = next(parts, None) if flag.startswith("--") else None
        value = value if equals else remaining[0] if remaining else ""
        if first_part is None or not _is_file(value):
            ordered.append(word)
            continue
        ordered.insert(first_part, f"{flag}={value}")
        if not equals:
            remaining.pop(0)
    return ordered


def _is_file(value: str) -> bool:
    with suppress(OSError):  # it is too long for a path
        return Path(value).is_file()
    return False
