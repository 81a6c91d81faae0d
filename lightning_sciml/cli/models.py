"""`sciml models`: list, show, make, push and pull released operators."""

import os
import sys
from collections.abc import Callable, Sequence

from lightning_sciml.commands import call_one
from lightning_sciml.errors import InputError
from lightning_sciml.lists import listed
from lightning_sciml.paths import expanded
from lightning_sciml.plain_text import for_terminal


def list_() -> None:
    """Show the operators that come with sciml, with what each is for.

    Examples:
        sciml models list
    """
    from lightning_sciml.released_operators import released_operators
    from lightning_sciml.releases.card import Card

    cards = {name: Card.load(folder) for name, folder in released_operators().items()}
    width = max(map(len, cards), default=0)
    for name, card in cards.items():
        _say(f"{name:{width}s}  {card.summary}")


def show(operator: str) -> None:
    """Show the card of an operator: what it takes, its errors, how it was trained.

    Args:
        operator: Name of a released operator, its folder, or hf://OWNER/NAME.

    Examples:
        sciml models show steady-mixture-640K
    """
    from lightning_sciml.released_operators import release_folder
    from lightning_sciml.releases.card import CARD, split_card

    text = split_card(release_folder(operator) / CARD)[1]
    sys.stdout.write(for_terminal(text, keep="\n"))


def release(
    run: str,
    folder: str,
    *,
    summary: str,
    outside: Sequence[str] | str = (),
    license: str = "apache-2.0",
) -> None:
    """Make an operator to be released of a finished run: weights, description and card.

    Its errors are measured here, on the test splits of its training data and of further sets.

    Args:
        run: Folder of the run; its best checkpoint is taken.
        folder: New folder; its name is that of the operator.
        summary: One sentence on what the operator is for.
        outside: Folders of data sets beside those of the training, to show where it fails.
        license: License of the weights, as the Hugging Face hub names it.

    Examples:
        sciml models release runs/pretrain_poisson my-poisson --summary 'Solve Poisson problems.'
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from lightning_sciml.cli.log_noise import only_warnings, silence_noise
    from lightning_sciml.releases.making import make_release

    silence_noise()
    target = expanded(folder)
    beside = [expanded(path) for path in listed(outside)]
    try:
        with only_warnings():
            make_release(expanded(run), target, beside, summary=summary, license=license)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error}; choose another") from error
    _say(f"{target} is made; `sciml models show {target}` shows its card")


def push(operator: str, repository: str, *, private: bool = False) -> None:
    """Upload an operator to a model repository of the Hugging Face hub.

    Args:
        operator: Name of a released operator, or a folder that `sciml models release` made.
        repository: OWNER/NAME; it is made if it does not exist.
        private: Make it visible to yourself only.

    Examples:
        sciml models push my-poisson me/my-poisson
    """
    from lightning_sciml import hub
    from lightning_sciml.released_operators import release_folder

    _say(hub.push(release_folder(operator), _repository(repository), private=private))


def pull(repository: str, folder: str | None = None) -> None:
    """Download an operator from a model repository of the Hugging Face hub.

    Args:
        repository: OWNER/NAME, or OWNER/NAME@REVISION.
        folder: Where the files go; by default into the cache of the hub, where hf://OWNER/NAME
            finds them again.

    Examples:
        sciml models pull me/my-poisson my-poisson
    """
    from lightning_sciml import hub

    name, _, revision = _repository(repository).partition("@")
    target = None if folder is None else expanded(folder)
    _say(str(hub.pull(name, revision=revision or None, folder=target)))


def _repository(word: str) -> str:
    return word.removeprefix("hf://")


def _say(line: str) -> None:
    sys.stdout.write(for_terminal(line) + "\n")


def main(arguments: Sequence[str]) -> None:
    """Run `sciml models COMMAND`."""
    words = list(arguments[1:])
    if words[:1] == ["pull"] and len(words) == 3 and not words[2].startswith("-"):
        words.insert(2, "--folder")
    commands: dict[str, Callable[..., None]] = {
        "list": list_,
        "show": show,
        "release": release,
        "push": push,
        "pull": pull,
    }
    call_one(commands, words, "sciml models", "Released operators.")
