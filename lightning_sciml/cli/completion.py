"""`sciml completion`: complete commands, options, configs and files in a shell, by argcomplete."""

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from lightning_sciml.cli.run_help import OPTIONS, names_operator
from lightning_sciml.cli.source_options import Parameter, options_of
from lightning_sciml.commands import call
from lightning_sciml.extras import require
from lightning_sciml.option_values import COMPLETING, NAMES, configs, offer, offer_values

_MODEL = "lightning_sciml.training"
RUN_SOURCES = (
    ("", "lightning_sciml.cli.run_options", "RunOptions"),
    ("data.", "lightning_sciml.streaming.datamodule", "PDEDataModule"),
    ("model.", f"{_MODEL}.module", "PretrainingModule"),
    ("model.", f"{_MODEL}.finetuning", "FineTuningModule"),
    ("model.network.", "lightning_sciml.models.fno", "FNO"),
    ("trainer.", "lightning.pytorch.trainer.trainer", "Trainer"),
)
_FILE_SOURCE = ("", "lightning_sciml.cli.predict", "predict_file")
_OF_LIGHTNING = ("config", "print_config", "seed_everything", "model.optimizer.lr", "model.help")
KINDS = {
    "initial_state": "evolution_configuration.EvolutionConfig",
    "diffusivity": "elliptic_configuration.EllipticConfig",
    "": "configuration.DatasetConfig",
}


def completion(shell: Literal["bash", "zsh", "fish"]) -> None:
    """Print the lines that make a shell complete sciml with the Tab key.

    They call `sciml` itself, so they need no renewal.

    Args:
        shell: The shell.

    Examples:
        echo 'eval "$(sciml completion bash)"' >> ~/.bashrc
        echo 'eval "$(sciml completion zsh)"' >> ~/.zshrc
        sciml completion fish > ~/.config/fish/completions/sciml.fish
    """
    require("completion", ["argcomplete"], extra="completion")
    from argcomplete import shellcode

    sys.stdout.write(shellcode(["sciml"], shell=shell))


def main(arguments: Sequence[str]) -> None:
    """Run `sciml completion SHELL`."""
    call(completion, arguments[1:], "sciml completion")


def complete(verbs: Mapping[str, tuple[str, str]]) -> None:
    """Print for the shell what could stand at the cursor, and end this process.

    Args:
        verbs: module and purpose by verb.
    """
    from argcomplete import autocomplete
    from argcomplete.lexers import split_line

    line, point = os.environ["COMP_LINE"], int(os.environ["COMP_POINT"])
    words = split_line(line, point)[3][1:]
    os.environ[COMPLETING] = "2"  # the verb is the program
    if not words:
        os.environ[COMPLETING] = "1"
        autocomplete(_parser_of_verbs(verbs), always_complete_options=False)
    elif words[0] in OPTIONS and not names_operator(words):
        parser = _parser_of(run_options(words[0]), OPTIONS[words[0]])
        if words[0] == "test":
            offer(parser.add_argument("NAME", nargs="?"), (), names=NAMES["operator"])
        autocomplete(parser)
    elif words[0] == "generate":
        parser = _parser_of(generate_options(words), {})
        offer(parser.add_argument("CONFIG", nargs="?"), (), names=partial(configs, "data/"))
        autocomplete(parser)
    elif words[0] in verbs:
        importlib.import_module(f"lightning_sciml.cli.{verbs[words[0]][0]}").main(words[:2])


def _parser_of_verbs(verbs: Mapping[str, tuple[str, str]]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sciml")
    parser.add_argument("--version", action="store_true", help="show the version")
    commands = parser.add_subparsers()
    for verb, (_, text) in verbs.items():
        commands.add_parser(verb, help=text)
    return parser


def run_options(verb: str) -> dict[str, Parameter]:
    """List the options of a verb that trains or evaluates by name, without dashes."""
    found = {name: Parameter(name, None, "") for name in _OF_LIGHTNING}
    for prefix, module, name in [*RUN_SOURCES, *([_FILE_SOURCE] if verb == "predict" else [])]:
        for parameter in options_of(module, name):
            found.setdefault(prefix + parameter.name, parameter)
    return found


def generate_options(words: Sequence[str]) -> dict[str, Parameter]:
    """List the options of a data set of the kind that a command line is about."""
    from lightning_sciml.shipped_configs import shipped_configs

    given = {word.lstrip("-").partition("=")[0] for word in words}
    for word in words:
        path = shipped_configs().get(word, Path(word))
        if path.suffix == ".yaml" and path.is_file():
            given |= {line.partition(":")[0] for line in path.read_text().splitlines()}
    home = next(home for key, home in KINDS.items() if key in given or not key)
    module, _, name = home.partition(".")
    found = {p.name: p for p in options_of(f"data_gen.{module}", name)}
    return {n: Parameter(n, None, "") for n in ("config", "output", "resume")} | found


def _parser_of(
    options: Mapping[str, Parameter], texts: Mapping[str, str]
) -> argparse.ArgumentParser:
    """Make a parser that knows what can be typed, and parses nothing."""
    parser = argparse.ArgumentParser(prog="sciml", add_help=False, allow_abbrev=False)
    known = {text.split()[0].lstrip("-"): purpose for text, purpose in texts.items()}
    for name in dict.fromkeys([*known, *options]):
        action = parser.add_argument(f"--{name}", help=known.get(name), action="append")
        words = options[name].values if name in options else ()
        offer(action, words, names=NAMES.get(name.rpartition(".")[2]))
    offer_values([parser.add_argument("--help", "-h", action="append", choices=["all"], nargs="?")])
    return parser
