"""List the options of a command as its own parser has them: ```{command} fit```."""

import argparse
import importlib
import re
import sys
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from docutils import nodes
from inline import paragraphs, spans
from noted import add_describing, note
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from lightning_sciml.cli.main import VERBS
from lightning_sciml.cli.run_help import SUMMARIES
from lightning_sciml.option_parser import OneLineErrors

_NO_OPTIONS = ("help", "print_config")  # every command has them; the page says so
_OURS = "data_gen."  # of torch's and Lightning's an option may have a hundred
_CLASSES = re.compile(r",\s+known\s+subclasses:(.*?)(?=\))", re.DOTALL)
_IN_OPTIONS = re.compile(r"\s*\(((?:required, |type: |default: ).*)\)$", re.DOTALL)


class _ParserFound(BaseException):
    """Carries the parser of a command that was about to parse; no command catches it."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def parser_of(words: list[str]) -> argparse.ArgumentParser:
    """Return the parser that `sciml WORDS` makes."""

    def parse_args(self: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        raise _ParserFound(self)

    verb = words[0]
    with (
        patch.object(OneLineErrors, "parse_args", parse_args),
        patch.object(sys, "argv", ["sciml"]),
    ):
        try:
            importlib.import_module(f"lightning_sciml.cli.{VERBS[verb][0]}").main(words)
        except _ParserFound as found:
            return found.parser
    raise ValueError(f"sciml {verb} parses no options")


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the commands below this one, by name."""
    actions = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return {name: sub for action in actions for name, sub in action.choices.items()}


class Command(SphinxDirective):
    """Describe a command: what it does, its options by group, and its subcommands."""

    required_arguments = 1
    optional_arguments = 20

    def run(self) -> list[nodes.Node]:
        """Build the sections."""
        verb = self.arguments[0]
        note(self.env, "command", verb)
        parser = parser_of(self.arguments)
        below = subparsers(parser)
        if verb in below:  # of Lightning, whose verbs are commands of one parser
            return self._described(f"sciml {verb}", below[verb], SUMMARIES[verb])
        if not below:
            return self._described(f"sciml {' '.join(self.arguments)}", parser)
        return [
            *paragraphs(parser.description or ""),
            *(self._section(f"sciml {verb} {name}", sub) for name, sub in below.items()),
        ]

    def _section(self, program: str, parser: argparse.ArgumentParser) -> nodes.section:
        name = program.replace(" ", "-")
        section = nodes.section(ids=[nodes.make_id(name)], names=[name])
        section += nodes.title("", program)
        section += self._described(program, parser)
        self.state.document.note_implicit_target(section, section)
        return section

    def _described(
        self, program: str, parser: argparse.ArgumentParser, summary: str = ""
    ) -> list[nodes.Node]:
        """Describe a parser, by its own words where no summary is given."""
        found: list[nodes.Node] = paragraphs(summary or parser.description or "")
        of_parser = parser.description or ""  # of a verb of Lightning the title of a group, too
        for group in parser._action_groups:
            if items := [self._item(program, parser, a) for a in _options(group)]:
                title = (group.title or "").rstrip(":")
                is_told = title in ("options", "positional arguments") or title in of_parser
                if not is_told:
                    found += [nodes.rubric("", title)]
                found += [nodes.definition_list("", *items, classes=["options"])]
        return found

    def _item(
        self, program: str, parser: argparse.ArgumentParser, action: argparse.Action
    ) -> nodes.definition_list_item:
        names, value = _written(parser, action)
        anchor = nodes.make_id(f"{program} {names[-1]}")
        options = self.env.domains.standard_domain
        options.add_program_option(program, names[-1], self.env.docname, anchor)
        formatter: Any = parser._get_formatter()
        text, classes = without_classes(formatter._expand_help(action) if action.help else "")
        meaning, kind = parted(text)
        definition = nodes.definition("", nodes.paragraph("", "", *spans(meaning)))
        if classes:
            definition += nodes.paragraph("", "One of ", *self._references(classes))
        if kind:
            definition += nodes.paragraph("", "", *spans(kind), classes=["kind"])
        code = nodes.literal("", ", ".join(names) + value)
        return nodes.definition_list_item("", nodes.term("", "", code, ids=[anchor]), definition)

    def _references(self, classes: list[str]) -> Iterator[nodes.Node]:
        for index, path in enumerate(classes):
            yield nodes.Text(", " if index else "")
            yield addnodes.pending_xref(
                "",
                nodes.literal("", path.rpartition(".")[2]),
                refdomain="py",
                reftype="class",
                reftarget=path,
                refdoc=self.env.docname,
                refwarn=True,  # a class that a config may name is described on some page
            )


def _options(group: argparse._ArgumentGroup) -> Iterator[argparse.Action]:
    for action in group._group_actions:
        is_help = any(word.endswith(".help") for word in action.option_strings)
        is_shown = action.dest not in _NO_OPTIONS and action.help != argparse.SUPPRESS
        if is_shown and not is_help and not isinstance(action, argparse._SubParsersAction):
            yield action


def _written(parser: argparse.ArgumentParser, action: argparse.Action) -> tuple[list[str], str]:
    """Return the names of an option, and what stands behind them."""
    names = [word for word in action.option_strings if not word.endswith("+")]
    if not names:
        return [str(action.metavar or action.dest)], ""
    formatter: Any = parser._get_formatter()
    default = formatter._get_default_metavar_for_optional(action)
    return names, f" {formatter._format_args(action, default)}" if action.nargs != 0 else ""


def without_classes(text: str) -> tuple[str, list[str]]:
    """Take the list of classes out of a help text; return those that generate data."""
    found = _CLASSES.search(text)
    names = found[1].replace(",", " ").split() if found else []
    return _CLASSES.sub("", text), [name for name in names if name.startswith(_OURS)]


def parted(text: str) -> tuple[str, str]:
    """Divide a help text into what the option means, and its type and default."""
    text = re.sub(r"<class '(\w+)'>", r"\1", text)
    found = _IN_OPTIONS.search(text)
    return (text[: found.start()], found[1]) if found else (text, "")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    add_describing(app, "command", Command, VERBS)
    return {"parallel_read_safe": True}
