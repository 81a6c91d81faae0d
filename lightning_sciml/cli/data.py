"""`sciml data`: describe, verify, plot, time, import and export data sets."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lightning_sciml.errors import InputError, reject_below
from lightning_sciml.lists import listed
from lightning_sciml.option_parser import call_one
from lightning_sciml.paths import expanded
from lightning_sciml.pde.grid import Boundary
from lightning_sciml.pde.steady import EQUATIONS
from lightning_sciml.plain_text import counted, for_terminal

if TYPE_CHECKING:
    EquationName = str
else:
    EquationName = Literal[("none", *EQUATIONS)]


def describe(dataset: str) -> None:
    """Print the equation, fields, ranges, sizes and statistics of a data set, and how it was made.

    Args:
        dataset: Folder of the data set.

    Examples:
        sciml data describe data/poisson_1_5
    """
    from lightning_sciml.shards.description import describe as description

    sys.stdout.write(description(expanded(dataset)) + "\n")


def verify(dataset: str, *, jobs: int = 2) -> None:
    """Check every byte, the norms of all fields, and some solutions and time steps; name faults.

    Solutions are compared with those of their sources, and stored states of a generated trajectory
    with what the states before them become.

    Args:
        dataset: Folder of the data set.
        jobs: Shards read at a time.

    Examples:
        sciml data verify data/poisson_1_5 --jobs 4
    """
    reject_below(1, jobs=jobs)
    from tqdm import tqdm

    from data_gen.verification import check_of
    from lightning_sciml.shards.manifest import Manifest
    from lightning_sciml.shards.verification import verify_dataset

    unchecked: list[str] = []
    manifest = Manifest.load(expanded(dataset))
    check = check_of(manifest)
    with tqdm(total=len(manifest.shards), unit=" shards") as bar:
        faults = verify_dataset(expanded(dataset), jobs, bar.update, unchecked.append, check)
    if faults:
        raise InputError(f"{dataset} has {counted(len(faults), 'fault')}: " + "; ".join(faults))
    if check is None and manifest.equation not in EQUATIONS:
        known = manifest.equation != "none"
        unchecked = [
            f"how they solve {manifest.equation} is unknown" if known else "no equation is known"
        ]
    samples = "trajectories" if manifest.is_evolution else "solutions"
    note = f"; {samples} are unchecked: {'; '.join(unchecked)}" if unchecked else ""
    sys.stdout.write(f"{for_terminal(dataset)} is good{note}\n")
    if manifest.schema_version == 1:
        sys.stdout.write(
            "Format version 1 has no checksum of what HDF5 stores beside the arrays: it is "
            "unchecked. To have it checked, generate the set in another folder.\n"
        )


def plot(
    dataset: str,
    *,
    output: str = "figures",
    movie: Literal["gif", "mp4"] | None = None,
    formats: Sequence[str] | str = "png",
) -> None:
    """Draw samples or trajectories, histograms, spectra, and moments over time.

    Args:
        dataset: Folder of the data set.
        output: Folder of the figures.
        movie: Make a movie of trajectories as well; MP4 needs the program ffmpeg.
        formats: Files of each figure: some of png, svg, pdf.

    Examples:
        sciml data plot data/poisson_1_5 --output figures/poisson_1_5
    """
    from lightning_sciml.shards.figures import plot_dataset

    for path in plot_dataset(expanded(dataset), expanded(output), movie, listed(formats)):
        sys.stdout.write(f"{for_terminal(path)}\n")


def bench(
    dataset: str,
    *,
    batch_sizes: Sequence[int] | int = (16, 64, 128),
    caches: Sequence[Literal["none", "memory"]] | Literal["none", "memory"] = ("none", "memory"),
    max_samples: int = 4096,
    num_repeats: int = 5,
) -> None:
    """Measure how fast training batches arrive, with and without a cache in memory.

    A window of an evolution is a state and the next one.

    Args:
        dataset: Folder of the data set.
        batch_sizes: Batch sizes to try.
        caches: Caches to try.
        max_samples: Samples, or windows, of an epoch; of an evolution, whole trajectories.
        num_repeats: Epochs of each setting; medians are shown.

    Examples:
        sciml data bench data/poisson_1_5 --batch_sizes '[64, 256]'
    """
    reject_below(
        1, batch_sizes=listed(batch_sizes), max_samples=max_samples, num_repeats=num_repeats
    )
    from lightning_sciml.shards.manifest import Manifest
    from lightning_sciml.streaming.speed import measure

    manifest = Manifest.load(expanded(dataset))  # or an error, before a table begins
    unit = "windows" if manifest.is_evolution else "samples"
    sys.stdout.write(f"  {unit}/s      MB/s  of a gather in memory  setting\n")
    for speed in measure(
        str(expanded(dataset)),
        batch_sizes=listed(batch_sizes),
        caches=listed(caches),
        max_samples=max_samples,
        num_repeats=num_repeats,
    ):
        sys.stdout.write(
            f"{speed.samples_per_s:11,.0f}{speed.megabytes_per_s:10,.0f}{speed.ratio:23.0%}"
            f"  cache={speed.cache} batch_size={speed.batch_size}\n"
        )
        sys.stdout.flush()
    sys.stdout.write(
        "--data.cache memory pays where the set fits and train/data_wait_fraction is above 5 %.\n"
    )


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
        name: Name of the data set; by default that of its folder.
        equation: Equation that the samples solve, which is checked; by default what the files say.
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


def export(dataset: str, *, layout: Literal["well", "pdebench", "xarray"], output: str) -> None:
    """Write a data set in a layout of others: The Well, PDEBench, or netCDF for xarray.

    Args:
        dataset: Folder of the data set.
        layout: Layout to write.
        output: New folder.

    Examples:
        sciml data export data/poisson_1_5 --layout xarray --output exported/poisson_1_5
    """
    from tqdm import tqdm

    from lightning_sciml.foreign.export import export_dataset
    from lightning_sciml.shards.manifest import Manifest

    num_samples = sum(Manifest.load(expanded(dataset)).num_samples.values())
    with tqdm(total=num_samples, unit=" samples", delay=0.5) as bar:
        export_dataset(expanded(dataset), expanded(output), layout, bar.update)
    sys.stdout.write(f"{for_terminal(output)} holds {num_samples} samples\n")


COMMANDS: Any = {
    "describe": describe,
    "verify": verify,
    "plot": plot,
    "bench": bench,
    "import": import_,
    "export": export,
}


def main(arguments: Sequence[str]) -> None:
    """Run `sciml data COMMAND`."""
    words = list(arguments[1:])
    try:
        call_one(COMMANDS, words, "sciml data", "Look at data sets, check, import and export them.")
    except InputError as error:
        from lightning_sciml.foreign.named_arrays import UnnamedArraysError

        if not isinstance(error, UnnamedArraysError):
            raise
        names_splits = any(w.startswith(("--val", "--test", "--num_")) for w in words)
        cut = [] if names_splits else [f"--num_val={error.cut}", f"--num_test={error.cut}"]
        line = shlex.join(["sciml", "data", *words, *cut, *error.options])
        raise InputError(f"{error.problem}; say which is which, for example: {line}") from None
