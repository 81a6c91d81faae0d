"""`sciml data`: describe, verify, plot, time, import and export data sets."""

import sys
from collections.abc import Sequence
from typing import Any, Literal

from lightning_sciml.cli.import_data import import_, with_example
from lightning_sciml.commands import call_one
from lightning_sciml.errors import InputError, reject_below
from lightning_sciml.lists import listed
from lightning_sciml.paths import expanded
from lightning_sciml.pde.steady import EQUATIONS
from lightning_sciml.plain_text import counted, for_terminal


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
        raise with_example(error, words) from None
