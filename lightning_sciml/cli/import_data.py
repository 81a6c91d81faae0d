"""`sciml data import`: make a data set of arrays and files of others."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lightning_sciml.errors import InputError
from lightning_sciml.lists import listed
from lightning_sciml.paths import expanded
from lightning_sciml.pde.grid import Boundary
from lightning_sciml.pde.named_equation import EQUATION_NAMES
from lightning_sciml.plain_text import for_terminal

if TYPE_CHECKING:
    EquationName = str
else:
    EquationName = Literal[("none", *EQUATION_NAMES)]


def import_(
    output: str,
    *,
    train: Sequence[str] | str = (),
    val: Sequence[str] | str = (),
    test: Sequence[str] | str = (),
    num_val: int = 0,
    num_test: int = 0,
    name: str | None = None,
    equation: EquationName | None = None,
    tolerance: float | None = None,
    fields: Sequence[str] | str | None = None,
    inputs: Sequence[str] | str | None = None,
    outputs: Sequence[str] | str | None = None,
    states: Sequence[str] | str | None = None,
    coefficients: Sequence[str] | str | None = None,
    axes: str | None = None,
    times: Sequence[float] | str | None = None,
    lengths: Sequence[float] | float | None = None,
    boundary: Sequence[Boundary] | Boundary | None = None,
) -> None:
    """Make a data set of your own arrays (.npz, .npy, .mat, .pt, HDF5) or of a published layout.

    The layouts are those of the reference, The Well, PDEBench, FNO, neuraloperator, Poseidon,
    PDEArena, APEBench and netCDF of xarray. Inputs, outputs, states and coefficients are NAME, or
    NAME=STORED to rename the array STORED.

    Args:
        output: Folder of the new data set.
        train: Files of the training split, or folders of them. None for a set to test on; the
            folder of a set of The Well stands for all splits.
        val: Files of the validation split.
        test: Files of the test split.
        num_val: Samples to take from the end of train for val. None where val names files.
        num_test: Samples to take from the end of train for test. Those for val lie before them.
        name: Name of the data set, by default its folder's.
        equation: Equation that the samples solve, which is checked; by default what the files say.
        tolerance: Relative error of solutions that is accepted. At most 0.1, by default what
            float32 explains; solvers of another discretisation have more.
        fields: Names of the fields of the reference's layout, in their order. Needed where no
            equation says what they are.
        inputs: Fields that do not change in time; by default what the layout says.
        outputs: Output fields of a steady problem; by default what the layout says.
        states: Fields that evolve; by default what the layout says.
        coefficients: Numbers of each sample; by default those that the layout knows.
        axes: Order of the axes of named arrays, by default nyx and for states ntyx. That is n
            samples, t times, y, x; of a .mat as MATLAB shows them.
        times: Times of the states, or the name of the array that holds them; 0, 1, … by default.
        lengths: Lengths of the domain along y and x, or one for both.
        boundary: What is at the edges of y and of x, or one for both.

    Examples:
        sciml data import data/mine --train mine.npz --num_val 100 --inputs a --outputs u
        sciml data import data/flow --train flow.npz --num_val 10 --states vorticity
    """
    from tqdm import tqdm

    from lightning_sciml.foreign.asked import Asked
    from lightning_sciml.foreign.conversion import import_dataset
    from lightning_sciml.shards.description import describe as description

    with tqdm(unit=" samples", delay=0.5) as bar:
        manifest = import_dataset(
            expanded(output),
            {"train": _paths(train), "val": _paths(val), "test": _paths(test)},
            num_cut={"val": num_val, "test": num_test},
            name=name,
            asked=Asked(
                fields=_names(fields),
                inputs=_names(inputs),
                outputs=_names(outputs),
                states=_names(states),
                coefficients=_names(coefficients),
                axes=axes,
                times=times,
                lengths=_pair(lengths),
                boundary=_pair(boundary),
                equation=equation,
                tolerance=tolerance,
            ),
            advance=bar.update,
        )
    sys.stdout.write(description(expanded(output)) + "\n")
    assumed = manifest.config.get("assumed", {})
    if assumed:
        told = "; ".join(f"{option} {taken}" for option, taken in assumed.items())
        sys.stdout.write(
            f"Neither files nor options say it, so taken as: {for_terminal(told)}. If it is other, "
            f"remove the folder and import again with {', '.join(f'--{o}' for o in assumed)}.\n"
        )


def _names(names: Sequence[str] | str | None) -> list[str] | None:
    return None if names is None else listed(names)


def _pair(values: Any) -> list[Any] | None:
    """Take one value for y and for x, or two."""
    if values is None:
        return None
    given = listed(values)
    return given * 2 if len(given) == 1 else given


def _paths(names: Sequence[str] | str) -> list[Path]:
    return [expanded(name) for name in listed(names)]


def with_example(error: InputError, words: Sequence[str]) -> InputError:
    """Complete the error of arrays without names by a command that names them.

    Args:
        error: of `sciml data`; one of another kind is returned as it is.
        words: typed after `sciml data`.
    """
    from lightning_sciml.foreign.named_arrays import UnnamedArraysError

    if not isinstance(error, UnnamedArraysError):
        return error
    names_splits = any(w.startswith(("--val", "--test", "--num_")) for w in words)
    cut = [] if names_splits else [f"--num_val={error.cut}", f"--num_test={error.cut}"]
    line = shlex.join(["sciml", "data", *words, *cut, *error.options])
    return InputError(f"{error.problem}; say which is which, for example: {line}")
