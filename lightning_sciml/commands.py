"""Commands: functions whose signature is the options, and whose docstring is the help."""

import os
from collections.abc import Callable, Mapping, Sequence

from jsonargparse import ArgumentParser

from lightning_sciml.option_help import HELP_FLAGS, HelpPage, page_of, summary
from lightning_sciml.option_parser import OneLineParser, actions_of, value_type
from lightning_sciml.option_values import COMPLETING


def call(function: Callable[..., None], words: Sequence[str], prog: str) -> None:
    """Call a function with the options that are typed.

    Its signature is the options, its docstring the help with examples. Parameters without default
    are typed without their names, unless they are keyword-only.
    """
    parser, _ = _parser_of(function, prog)
    options = parser.parse_args(_with_true(parser, words))
    function(**vars(parser.instantiate(options)))


def call_one(
    functions: Mapping[str, Callable[..., None]], words: Sequence[str], prog: str, description: str
) -> None:
    """Call the function that the first word names, see `call`; without a word, show the help."""
    if COMPLETING in os.environ and words and words[0] in functions:
        os.environ[COMPLETING] = "3"  # words before the options, which the shell has
        call(functions[words[0]], [], f"{prog} {words[0]}")
    parser = parser_of_commands(functions, prog, description)
    options = parser.parse_args(_with_true(parser, words or HELP_FLAGS[:1]))
    functions[options.subcommand](**vars(options[options.subcommand]))


def parser_of_commands(
    functions: Mapping[str, Callable[..., None]], prog: str, description: str
) -> OneLineParser:
    """Make the parser of `call_one`."""
    parser = OneLineParser(prog=prog, description=description)
    commands = parser.add_subcommands(metavar="COMMAND", title="commands", description="")
    pages = {}
    for name, function in functions.items():
        of_command, page = _parser_of(function, f"{prog} {name}")
        commands.add_subcommand(name, of_command, help=page.summary)
        of_command.prog, pages[name] = f"{prog} {name}", page
    parser.help_page = HelpPage(
        usage=f"{prog} COMMAND ...",
        summary=description,
        rows=[(name, page.summary) for name, page in pages.items()],
        examples=[line for page in pages.values() for line in page.examples[:1]],
        more=f"`{prog} COMMAND --help` shows the options of a command.",
    )
    return parser


def _parser_of(function: Callable[..., None], prog: str) -> tuple[OneLineParser, HelpPage]:
    docstring = function.__doc__ or ""
    parser = OneLineParser(prog=prog, description=summary(docstring))
    parser.add_function_arguments(function, as_group=False, as_positional=True)
    parser.help_page = page_of(prog, docstring, parser._actions)
    return parser, parser.help_page


def _with_true(parser: ArgumentParser, words: Sequence[str]) -> list[str]:
    """A command line with `=true` behind options that are given by their name alone."""
    switches = {
        word
        for action in actions_of(parser)
        if value_type(action) is bool
        for word in action.option_strings
    }
    return [
        f"{word}=true" if word in switches and following not in ("true", "false") else word
        for word, following in zip(words, [*words[1:], ""], strict=False)
    ]
