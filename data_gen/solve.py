"""Generate a data set of PDE solutions.

Each rank draws, solves, checks and writes whole shards. A sample depends on seed, split and index
only. Run again after a crash, it makes what is missing.

CONFIG is a file or the name of a published data set (`sciml config list`). Options override what it
says. --coefficients.help CLASS shows what a system has to choose, with a class such as
PoissonCoefficients. A set of trajectories has options of its own, which --help shows behind such a
CONFIG, or behind --initial_state.

`python data_gen/solve.py --config CONFIG --output DIR` is the same program.

Examples:
    mpirun -n 4 sciml generate data/poisson_1_5 --output data/poisson_1_5
    sciml generate data/poisson_1_5 --output data/mine --name mine --coefficients.eigenvalue [3,9]
    sciml generate data/burgers_0p03_0p06 --help
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import fields, replace

from jsonargparse import DefaultHelpFormatter, Namespace

from data_gen.dataset_generation import generate
from data_gen.dataset_size import DatasetSize
from data_gen.families import family
from data_gen.ranks import PATIENCE_S, all_ranks, check_launcher, described, end_on_interrupt
from data_gen.shipped_names import borrowed_name
from lightning_sciml.errors import InputError, ReportedError
from lightning_sciml.launcher import launched
from lightning_sciml.option_help import SHOW_ALL, HelpPage, page_of
from lightning_sciml.option_parser import OneLineParser
from lightning_sciml.paths import expanded
from lightning_sciml.process_memory import keep_freed_memory

# Options of some data sets that `--help all` shows alone.
_SELDOM = ("source", "checked_share", "error_horizon", "max_spectral_tail", "library")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Leaves the lines of the description as they are."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a program; return the exit status."""
    keep_freed_memory()
    rank = 0
    try:
        rank = launched(os.environ).rank
        options, config = parse(arguments)
        comm = all_ranks()
        check_launcher(comm.size)
        end_on_interrupt(comm)
        generate(comm, config, expanded(options.output), resume=options.resume)
        if rank == 0 and options.note:
            sys.stderr.write(f"note: {options.note}\n")
    except (ReportedError, OSError) as error:
        # All ranks are here with the same error; where one fails alone, aborting_all speaks.
        if rank == 0:
            sys.stderr.write(f"{described(error)}\n")
        else:  # a launcher ends all processes with the first that leaves
            time.sleep(PATIENCE_S)
        return error.EXIT_CODE if isinstance(error, ReportedError) else 1
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; run the same command again, it keeps finished shards\n")
        return 128 + signal.SIGINT
    return 0


def parse(arguments: Sequence[str] | None) -> tuple[Namespace, DatasetSize]:
    """Parse the options of the program, and the data set they define.

    Raises:
        InputError: an unknown option, a value of the wrong type, or an invalid one.
    """
    parser = OneLineParser(
        prog="sciml generate",
        description=(__doc__ or "").partition("\nExamples:")[0],
        formatter_class=_HelpFormatter,
    )
    parser.add_argument("--config", action="config", help="YAML file, or name (sciml config list)")
    parser.add_argument("--output", type=str, required=True, help="folder of the data set")
    parser.add_argument(
        "--resume", type=bool, default=True, help="keep the good shards that are in the folder"
    )
    config = family(sys.argv[1:] if arguments is None else arguments)
    parser.add_class_arguments(config, None)
    parser.help_page = _page(parser)
    options = parser.parse_args(arguments)
    if not options.output:
        raise InputError("--output is empty, wanted the folder of the data set")
    made = parser.instantiate(options)
    options.note = borrowed_name(options, parser.parse_args)
    return options, config(**{f.name: made[f.name] for f in fields(config)})


def _page(parser: OneLineParser) -> HelpPage:
    """One screen of help, with the options of the family that the command line asks for."""
    shown = [a for a in parser._actions if not a.dest.startswith(_SELDOM)]
    return replace(
        page_of("sciml generate", __doc__ or "", shown),
        usage="sciml generate CONFIG --output DIR [--OPTION VALUE ...]",
        more=f"`sciml generate CONFIG {SHOW_ALL}` shows all options of such a data set,"
        "\n`--coefficients.help CLASS` those of a system.",
    )


if __name__ == "__main__":
    sys.exit(main())
