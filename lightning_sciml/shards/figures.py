"""Figures of a data set: samples, distributions of its coefficients, spectra."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lightning_sciml.errors import InputError
from lightning_sciml.pde.steady import Helmholtz, named_equation
from lightning_sciml.plain_text import for_figure
from lightning_sciml.shards.axis_ticks import label_log_axis
from lightning_sciml.shards.manifest import Histogram, Manifest
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.titles import title, words

_NUM_SHOWN = 4
_NUM_SPECTRA = 256
_COLOR, _OTHER_COLOR = "#1f5fa8", "#b3423a"
_INPUT_COLORS = (_COLOR, "#4d8c57", "#8a6fb0")


def plot_dataset(directory: str | Path, output: str | Path) -> list[Path]:
    """Draw samples.png, spectra.png and, where there are coefficients, coefficients.png.

    Args:
        directory: the data set.
        output: folder of the figures; made if it is not there.

    Returns:
        The files.

    Raises:
        InputError: no data set, or the folder cannot be written.
    """
    manifest = Manifest.load(directory)
    split = next(split for split, number in manifest.num_samples.items() if number)
    dataset = ShardedDataset(directory, split)
    figures = {"samples.png": samples_figure(dataset)}
    if manifest.histograms:
        figures["coefficients.png"] = coefficients_figure(manifest)
    figures["spectra.png"] = spectra_figure(dataset)
    try:
        Path(output).mkdir(parents=True, exist_ok=True)
        for name, figure in figures.items():
            figure.savefig(Path(output) / name, dpi=130)
    except OSError as error:
        raise InputError(
            f"{output} cannot be written: {error.strerror}; choose another folder"
        ) from None
    return [Path(output) / name for name in figures]


def samples_figure(dataset: ShardedDataset) -> Figure:
    """Draw the fields of some samples, with their coefficients."""
    indices = np.unique(np.linspace(0, dataset.num_samples - 1, _NUM_SHOWN).astype(int))
    fields, coefficients = dataset.fields(indices), dataset.coefficients(indices)
    inputs = ["source f" if name == "source" else words(name) for name in dataset.input_fields]
    labels = [*inputs, "solution u"]
    figure = Figure(figsize=(3.2 * len(indices), 3 * len(labels)), layout="constrained")
    axes = figure.subplots(len(labels), len(indices), squeeze=False)
    for column, index in enumerate(indices):
        for row, (field, name) in enumerate(zip(fields[column], labels, strict=True)):
            image = _draw_field(axes[row, column], field)
            figure.colorbar(image, ax=axes[row, column], shrink=0.8)
            axes[row, column].set_title(f"{dataset.split} {index}: {for_figure(name)}", fontsize=9)
        named = zip(dataset.coefficient_names, coefficients[column], strict=True)
        told = [f"{for_figure(name)} = {value:.3g}" for name, value in named]
        rows = ["   ".join(told[first : first + 2]) for first in range(0, len(told), 2)]
        axes[-1, column].set_xlabel("\n".join(rows), fontsize=8)
    figure.suptitle(title(dataset.manifest))
    return figure


def coefficients_figure(manifest: Manifest) -> Figure:
    """Draw histograms of all realised numbers; for Helmholtz also how near ω is to resonance."""
    quantities = {n: h for n, h in manifest.histograms.items() if n != "attempt"}
    panels = [partial(_draw_histogram, name=n, histogram=h) for n, h in quantities.items()]
    if "attempt" in manifest.histograms and any(r.num_rejected for r in manifest.shards):
        panels.append(partial(_draw_attempts, manifest=manifest))
    equation = named_equation(manifest.equation, manifest.equation_parameters)
    if isinstance(equation, Helmholtz) and "omega" in quantities:
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


def spectra_figure(dataset: ShardedDataset) -> Figure:
    """Draw the energy of each field in rings of |k|: median and 5–95 % over samples."""
    indices = np.arange(min(_NUM_SPECTRA, dataset.num_samples))
    fields = dataset.fields(indices).astype(np.float64)
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for channel, name in enumerate((*dataset.input_fields, "solution")):
        color = _OTHER_COLOR if name == "solution" else _INPUT_COLORS[channel % 3]
        spectra = radial_spectra(fields[:, channel])
        low, middle, high = np.quantile(spectra, (0.05, 0.5, 0.95), axis=0)
        ring = np.arange(len(middle))
        axes.fill_between(ring, low, high, color=color, alpha=0.15, lw=0)
        axes.plot(ring, middle, color=color, label=for_figure(name))
    axes.set_yscale("log")
    axes.set_ylim(1e-18, 2)
    axes.set_xlabel("|k| / 2π")
    axes.set_ylabel("share of the energy in the ring")
    axes.set_title(f"{title(dataset.manifest)}: {len(indices)} samples; line: median; band: 5–95 %")
    axes.grid(alpha=0.2)
    axes.legend()
    return figure


def radial_spectra(fields: Float[np.ndarray, "B N N"]) -> Float[np.ndarray, "B R"]:
    """Return shares of Σ|û|² in rings r - ½ ≤ |k|/2π < r + ½, r = 0, 1, …, to the grid's corner."""
    num_points = fields.shape[-1]
    modes = np.fft.fftfreq(num_points) * num_points
    ring = np.rint(np.hypot(modes[:, None], modes[None, :])).astype(int).ravel()
    energy = np.abs(np.fft.fft2(fields)).reshape(len(fields), -1) ** 2
    sums = np.stack([np.bincount(ring, weights=row) for row in energy])
    return sums / sums.sum(axis=1, keepdims=True)


def _draw_field(axes: Axes, field: Float[np.ndarray, "N N"]) -> Any:
    """Draw a field on the unit square, y upwards; colours are symmetric if it has both signs."""
    largest = float(np.abs(field).max())
    low = -largest if field.min() < 0 else 0.0
    cmap = "RdBu_r" if low < 0 else "viridis"
    axes.set_xticks([0, 1])
    axes.set_yticks([0, 1])
    return axes.imshow(
        field, origin="lower", extent=(0, 1, 0, 1), cmap=cmap, vmin=low, vmax=largest
    )


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
            axes.annotate(f"{count}", (left + 0.5, count), ha="center", va="bottom", fontsize=7)


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
    modes = np.arange(manifest.grid.shape[0] // 2 + 1)
    resonances = equation.diffusivity * (2 * np.pi) ** 2 * (modes[:, None] ** 2 + modes**2)
    distance = np.abs(values[:, None] - resonances.ravel()).min(axis=1)
    axes.bar(values, distance, color=_OTHER_COLOR)
    axes.set_yscale("log")
    label_log_axis(axes.yaxis)
    axes.set_xticks(values)
    axes.set_xlabel("omega")
    axes.set_ylabel("min |κ|k|² - ω|")
    axes.set_title("distance from resonance", fontsize=9)
