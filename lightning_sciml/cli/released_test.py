"""`sciml test`: of a run, through the trainer; or of a released operator, as it is."""

import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext

from lightning_sciml.commands import call
from lightning_sciml.lists import listed
from lightning_sciml.paths import expanded
from lightning_sciml.plain_text import for_terminal


def main(arguments: Sequence[str]) -> None:
    """Run `sciml test`; a first word that is no option names an operator."""
    if arguments[1:] and not arguments[1].startswith("-"):
        call(compare, arguments[1:], "sciml test")
        return
    from lightning_sciml.cli import fit

    fit.main(arguments)


def compare(
    operator: str,
    *,
    sets: Sequence[str] | str = (),
    datasets: Sequence[str] | str = (),
    output: str | None = None,
) -> None:
    """Test a released operator as it is, on the test sets of its card or on sets of your own.

    Sets of the card are made again and every number is compared: exits with 1 where one differs by
    more than 0.1 %. Of sets that the card does not have the errors are shown.

    Args:
        operator: Name of a released operator, its folder, or hf://OWNER/NAME.
        sets: Names of some data sets of the card; all by default.
        datasets: Folders of data sets: your own, which are then tested alone, or some of the card
            that need not be generated.
        output: Folder for generated sets and reports; temporary by default.

    Examples:
        sciml test steady-mixture-640K
        sciml test steady-mixture-640K --sets poisson_1_5 --output kept
        sciml test steady-mixture-640K --datasets data/mine --output errors
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from lightning_sciml.cli.log_noise import only_warnings, silence_noise
    from lightning_sciml.released_operators import release_folder
    from lightning_sciml.releases.reproduction import reproduce

    silence_noise()
    kept = nullcontext(output) if output else tempfile.TemporaryDirectory()
    with kept as directory, only_warnings():
        num_compared = reproduce(
            release_folder(operator),
            expanded(directory),
            sets=listed(sets),
            datasets=[expanded(path) for path in listed(datasets)],
            say=_say,
        )
    if output:
        _say(f"errors, by sample too: {expanded(output) / 'test'}")
    if num_compared:
        _say(f"{operator} meets its card")


def _say(line: str) -> None:
    sys.stdout.write(for_terminal(line) + "\n")
    sys.stdout.flush()
