"""Figures of a data set: samples, distributions of its coefficients, spectra."""

from collections.abc import Callable, Sequence
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
    BAR,
    color_scale,
    draw_color_bar,
    draw_field,
    field_kind,
    number_lines,
    panel_size,
    spread,
)
from lightning_sciml.shards.figure_style import (
    SMALL,
    WIDTH,
    check_formats,
    save_figure,
    styled,
)
from lightning_sciml.shards.manifest import Histogram, Manifest
from lightning_sciml.shards.movie import MovieFormat, movie_writer, write_movie
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.spectra import spectra_figure
from lightning_sciml.shards.titles import numbers, symbol, title, words
from lightning_sciml.shards.trajectories import frames_figure, moments_figure

_FEW_LINES = 2  # below a panel that its height allows for, beside the first
_NUM_SHOWN = 4
_COLOR, _OTHER_COLOR = "#1d4f91", "#b3423a"
_SYMBOLS = {"source": " f", "solution": " u"}


def plot_dataset(
    directory: str | Path,
    output: str | Path,
    movie: MovieFormat | None = None,
    formats: Sequence[str] = ("png",),
) -> list[Path]:
    """Draw samples or trajectories, coefficients, spectra, and moments over time.

    Args:
        directory: the data set.
        output: folder of the figures; made if it is not there.
        movie: format of a movie of trajectories; none by default.
        formats: of the figures.

    Returns:
        The files, here as PNG: samples.png or trajectories.png; coefficients.png where there are
        coefficients; spectra.png; of an evolution moments.png, and a movie if asked for.

    Raises:
        InputError: no data set, no such format, the folder cannot be written, a movie of a steady
            set, or an MP4 without ffmpeg.
    """
    known_formats = check_formats(formats)
    manifest = Manifest.load(directory)
    if movie and not manifest.is_evolution:
        raise InputError(f"{directory} has no times to make a movie of; leave --movie out")
    writer = movie_writer(movie) if movie else None
    split = next(split for split, number in manifest.num_samples.items() if number)
    dataset, folder = ShardedDataset(directory, split), Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for name, figure in _figures(manifest).items():
            files += save_figure(figure(dataset), folder / name, known_formats)
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
    figures: dict[str, Callable[[ShardedDataset], Figure]] = {"samples": samples_figure}
    if manifest.is_evolution:
        figures = {"trajectories": frames_figure, "moments": moments_figure}
    if manifest.histograms:
        figures["coefficients"] = lambda dataset: coefficients_figure(dataset.manifest)
    return figures | {"spectra": spectra_figure}


@styled
def samples_figure(dataset: ShardedDataset) -> Figure:
    """Draw the fields of some samples, with their coefficients; a row a field."""
    indices = spread(dataset.num_samples, _NUM_SHOWN)
    rows = np.array(indices)
    fields, coefficients = dataset.fields(rows), dataset.coefficients(rows)
    names = (*dataset.input_fields, *dataset.target_fields)
    height, width = panel_size(dataset.grid.lengths, len(indices), beside=BAR + 0.08)
    told = [number_lines(numbers(dataset.coefficient_names, row), width) for row in coefficients]
    below = 0.12 * max(0, max(text.count("\n") for text in told) - _FEW_LINES)
    size = ((width + BAR + 0.08) * len(indices), 0.5 + below + (height + 0.32) * len(names))
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(len(names), len(indices), squeeze=False)
    kinds = [field_kind(of_field) for of_field in fields.swapaxes(0, 1)]
    for column, index in enumerate(indices):
        all_axes[0, column].set_title(f"{dataset.split} {index}")
        drawn = zip(all_axes[:, column], fields[column], kinds, strict=True)
        for axes, field, kind in drawn:
            image = draw_field(axes, field, dataset.grid.lengths, color_scale(field, kind))
            draw_color_bar([axes], image, shrink=0.8)
        all_axes[-1, column].set_xlabel(told[column], fontsize=SMALL)
    for axes, name in zip(all_axes[:, 0], names, strict=True):
        axes.set_ylabel(words(name) + _SYMBOLS.get(name, ""))
    figure.suptitle(title(dataset.manifest))
    return figure


@styled
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
    figure = Figure(
        figsize=(WIDTH / 3 * max(2, num_columns), 1.7 * num_rows + 0.2), layout="constrained"
    )
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
    axes.set_xlabel(symbol(name))
    axes.set_ylabel("samples")
    axes.xaxis.set_major_locator(MaxNLocator(3))
    if name == "omega":
        axes.set_xticks((edges[:-1] + edges[1:]) / 2)
        axes.axhline(counts.mean(), color="black", ls="--", lw=0.8, label="uniform")
        axes.set_ylim(0, 1.3 * counts.max())
        axes.legend(loc="upper left")
        for left, count in zip(edges, counts, strict=False):
            axes.annotate(
                f"{count:.0f}", (left + 0.5, count), ha="center", va="bottom", fontsize=SMALL
            )


def _draw_attempts(axes: Axes, manifest: Manifest) -> None:
    attempts = manifest.histograms["attempt"]
    num_rejected = sum(record.num_rejected for record in manifest.shards)
    num_samples = sum(manifest.num_samples.values())
    axes.stairs(attempts["counts"], np.array(attempts["edges"]), fill=True, color="0.5")
    axes.set_yscale("log")
    label_log_axis(axes.yaxis)
    axes.set_xlabel("draws rejected before the sample")
    axes.set_ylabel("samples")
    axes.set_title(f"{num_rejected:,} rejected, {num_rejected / num_samples:.2f} a sample")


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
    axes.set_xlabel(symbol("omega"))
    axes.set_ylabel("min |κ|k|² - ω|")
    axes.set_title("distance from resonance")
