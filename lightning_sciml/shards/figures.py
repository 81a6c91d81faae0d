"""Figures of a data set: samples, distributions of its coefficients, spectra."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lightning_sciml.errors import InputError
from lightning_sciml.pde.named_equation import named_equation
from lightning_sciml.pde.steady import Helmholtz
from lightning_sciml.pde.walls import eigenmodes, has_continuation
from lightning_sciml.shards.axis_ticks import label_log_axis
from lightning_sciml.shards.field_panels import (
    color_scale,
    draw_color_bar,
    draw_field,
    panel_size,
    spread,
)
from lightning_sciml.shards.manifest import Histogram, Manifest
from lightning_sciml.shards.movie import MovieFormat, movie_writer, write_movie
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.spectra import spectra_figure
from lightning_sciml.shards.titles import numbers, title, words
from lightning_sciml.shards.trajectories import frames_figure, moments_figure

_NUM_SHOWN = 4
_COLOR, _OTHER_COLOR = "#1f5fa8", "#b3423a"
_SYMBOLS = {"source": " f", "solution": " u"}


def plot_dataset(
    directory: str | Path, output: str | Path, movie: MovieFormat | None = None
) -> list[Path]:
    """Draw samples or trajectories, coefficients, spectra, and moments over time, as PNG.

    Args:
        directory: the data set.
        output: folder of the figures; made if it is not there.
        movie: format of a movie of trajectories; none by default.

    Returns:
        The files: samples.png or trajectories.png; coefficients.png where there are coefficients;
        spectra.png; of an evolution moments.png, and trajectories.gif or .mp4 if asked for.

    Raises:
        InputError: no data set, the folder cannot be written, a movie of a steady set, or an MP4
            without ffmpeg.
    """
    manifest = Manifest.load(directory)
    if movie and not manifest.is_evolution:
        raise InputError(f"{directory} has no times to make a movie of; leave --movie out")
    writer = movie_writer(movie) if movie else None
    split = next(split for split, number in manifest.num_samples.items() if number)
    dataset, folder = ShardedDataset(directory, split), Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in (figures := _figures(manifest)).items():
            figure(dataset).savefig(folder / name, dpi=130)
        files = [folder / name for name in figures]
        if writer:
            files.append(folder / f"trajectories.{movie}")
            write_movie(dataset, files[-1], writer)
    except OSError as error:
        raise InputError(
            f"{output} cannot be written: {error.strerror}; choose another folder"
        ) from None
    return files


def _figures(manifest: Manifest) -> dict[str, Callable[[ShardedDataset], Figure]]:
    """List what is drawn of a data set, by file."""
    figures: dict[str, Callable[[ShardedDataset], Figure]] = {"samples.png": samples_figure}
    if manifest.is_evolution:
        figures = {"trajectories.png": frames_figure, "moments.png": moments_figure}
    if manifest.histograms:
        figures["coefficients.png"] = lambda dataset: coefficients_figure(dataset.manifest)
    return figures | {"spectra.png": spectra_figure}


def samples_figure(dataset: ShardedDataset) -> Figure:
    """Draw the fields of some samples, with their coefficients; a row a field."""
    indices = spread(dataset.num_samples, _NUM_SHOWN)
    rows = np.array(indices)
    fields, coefficients = dataset.fields(rows), dataset.coefficients(rows)
    names = (*dataset.input_fields, *dataset.target_fields)
    height, width = panel_size(dataset.grid.lengths)
    size = ((width + 1) * len(indices), 0.8 + (height + 0.5) * len(names))
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(len(names), len(indices), squeeze=False)
    for column, index in enumerate(indices):
        for axes, field, name in zip(all_axes[:, column], fields[column], names, strict=True):
            image = draw_field(axes, field, dataset.grid.lengths, color_scale(field))
            draw_color_bar([axes], image, shrink=0.8)
            symbol = words(name) + _SYMBOLS.get(name, "")
            axes.set_title(f"{dataset.split} {index}: {symbol}", fontsize=9)
        told = numbers(dataset.coefficient_names, coefficients[column])
        lines = ["   ".join(told[first : first + 2]) for first in range(0, len(told), 2)]
        all_axes[-1, column].set_xlabel("\n".join(lines), fontsize=8)
    figure.suptitle(title(dataset.manifest))
    return figure


def coefficients_figure(manifest: Manifest) -> Figure:
    """Draw histograms of all realised numbers; for Helmholtz also how near ω is to resonance."""
    quantities = {n: h for n, h in manifest.histograms.items() if n != "attempt"}
    panels = [partial(_draw_histogram, name=n, histogram=h) for n, h in quantities.items()]
    if "attempt" in manifest.histograms and any(r.num_rejected for r in manifest.shards):
        panels.append(partial(_draw_attempts, manifest=manifest))
    equation = named_equation(manifest.equation, manifest.equation_parameters)
    has_modes = has_continuation(manifest.grid.boundary)
    if isinstance(equation, Helmholtz) and "omega" in quantities and has_modes:
        panels.append(partial(_draw_resonances, equation=equation, manifest=manifest))
    num_columns = min(3, len(panels))
    num_rows = -(-len(panels) // num_columns)
    figure = Figure(figsize=(4 * num_columns, 2.9 * num_rows), layout="constrained")
    all_axes = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for axes, draw in zip(all_axes, panels, strict=False):
        draw(axes)
    for unused in all_axes[len(panels) :]:
        unused.set_axis_off()
    num_samples = sum(manifest.num_samples.values())
    figure.suptitle(f"{title(manifest)}: {num_samples:,} samples, all splits")
    return figure


def _draw_histogram(axes: Axes, name: str, histogram: Histogram) -> None:
    edges, counts = np.array(histogram["edges"]), np.array(histogram["counts"])
    if len(counts) == 1:  # a constant, whose bin is too narrow to be seen
        edges = edges.mean() + np.array([-0.5, 0.5]) * max(0.1 * abs(edges.mean()), np.ptp(edges))
    axes.stairs(counts, edges, fill=True, color=_COLOR)
    axes.set_xlabel(words(name))
    axes.set_ylabel("samples")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    if name == "omega":
        axes.set_xticks((edges[:-1] + edges[1:]) / 2)
        axes.axhline(counts.mean(), color="k", ls="--", lw=1, label="uniform")
        axes.set_ylim(0, 1.3 * counts.max())
        axes.legend(loc="upper left", fontsize=8)
        for left, count in zip(edges, counts, strict=False):
            axes.annotate(f"{count:.0f}", (left + 0.5, count), ha="center", va="bottom", fontsize=7)


def _draw_attempts(axes: Axes, manifest: Manifest) -> None:
    attempts = manifest.histograms["attempt"]
    num_rejected = sum(record.num_rejected for record in manifest.shards)
    num_samples = sum(manifest.num_samples.values())
    axes.stairs(attempts["counts"], np.array(attempts["edges"]), fill=True, color="0.5")
    axes.set_yscale("log")
    label_log_axis(axes.yaxis)
    axes.set_xlabel("draws rejected before the sample")
    axes.set_ylabel("samples")
    axes.set_title(
        f"{num_rejected:,} rejected, {num_rejected / num_samples:.2f} a sample", fontsize=9
    )


def _draw_resonances(axes: Axes, equation: Helmholtz, manifest: Manifest) -> None:
    """Draw |κ|k|² - ω| at the nearest mode; f̂ is divided by it, so small means a large u."""
    edges = np.array(manifest.histograms["omega"]["edges"])
    values = (edges[:-1] + edges[1:]) / 2
    waves = eigenmodes(manifest.grid.shape[0], manifest.grid.boundary)
    resonances = equation.symbol(np.zeros(1), waves).ravel()
    distance = np.abs(values[:, None] - resonances).min(axis=1)
    axes.bar(values, distance, color=_OTHER_COLOR)
    axes.set_yscale("log")
    label_log_axis(axes.yaxis)
    axes.set_xticks(values)
    axes.set_xlabel("omega")
    axes.set_ylabel("min |κ|k|² - ω|")
    axes.set_title("distance from resonance", fontsize=9)
