"""Lines on a terminal: those that stay, and one that the next line replaces."""

import shutil
import sys

from lightning_sciml.plain_text import for_terminal

CLEAR_LINE = "\r\x1b[K"


def say(line: str) -> None:
    """Write a line."""
    if sys.stdout.isatty():
        sys.stdout.write(CLEAR_LINE)
    sys.stdout.write(for_terminal(line, keep="\n") + "\n")
    sys.stdout.flush()


def show(line: str) -> None:
    """Show a line on a terminal until the next one is shown or said."""
    if sys.stdout.isatty():
        sys.stdout.write(CLEAR_LINE + for_terminal(line)[: shutil.get_terminal_size().columns - 1])
        sys.stdout.flush()
