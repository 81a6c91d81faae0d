"""`sciml generate`: the program data_gen/solve.py, on every rank of mpirun or srun."""

import sys
from collections.abc import Sequence

from data_gen import solve


def main(arguments: Sequence[str]) -> None:
    """Run `sciml generate CONFIG --output DIR`."""
    words = list(arguments[1:])
    if words and not words[0].startswith("-"):
        words.insert(0, "--config")
    sys.exit(solve.main(words))
