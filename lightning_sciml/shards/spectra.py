"""Energy by wavenumber: of the fields of a steady set, and by time of those of an evolution."""

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_sciml.pde.grid import Boundary, Grid
from lightning_sciml.pde.walls import continued
from lightning_sciml.shards.field_panels import spread
from lightning_sciml.shards.figure_style import WIDTH, draw_grid, styled
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.titles import time_labels, title, words
from lightning_sciml.shards.trajectories import states_at

_NUM_SAMPLES = 256
_NUM_TIMES = 6
_NUM_POINTS = 2**26  # of all samples together, at most
_FLOOR = 1e-18  # of the largest share; float32 resolves less
_INPUT_COLORS = ("#1d4f91", "#2a8f6f", "#7b4fa3")
_TARGET_COLORS = ("#b3423a", "#d98a1f", "#8a6d2f")
_LINES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))  # inputs begin with the second


def ring_energies(
    fields: Float[np.ndarray, "*B H W"], grid: Grid, *, meets_boundary: bool = False
) -> Float[np.ndarray, "*B R"]:
    """Sum |û|² over rings of wavenumbers; over all rings it adds up to the mean of u².

    Ring r holds r - ½ ≤ |k| L/2π < r + ½, L the longer side. A field is continued evenly beyond
    the ends of an axis that is not periodic, so that they are no jumps.

    Args:
        fields: u.
        grid: their points.
        meets_boundary: u vanishes at dirichlet walls and is continued oddly there, so that they are
            no kinks either.
    """
    y, x = grid.boundary
    fields = continued(fields, (y, x) if meets_boundary else (_even(y), _even(x)))
    frequencies = []
    for dim, boundary, length in zip((-2, -1), grid.boundary, grid.lengths, strict=True):
        period = length if boundary == "periodic" else 2 * length
        frequencies.append(np.fft.fftfreq(fields.shape[dim], period / fields.shape[dim]))
    radius = max(grid.lengths) * np.hypot(frequencies[0][:, None], frequencies[1][None, :])
    ring = np.floor(radius + 0.5).astype(int).ravel()
    energy = np.abs(np.fft.fft2(fields, norm="forward")) ** 2
    rows = energy.reshape(-1, len(ring))
    sums = np.stack([np.bincount(ring, row) for row in rows])
    return sums.reshape(*energy.shape[:-2], -1)


def _even(condition: Boundary) -> Boundary:
    return "periodic" if condition == "periodic" else "neumann"


@styled
def spectra_figure(dataset: ShardedDataset) -> Figure:
    """Draw the energy of each field by |k|; of an evolution, a panel a field and a line a time."""
    return _by_time(dataset) if dataset.is_evolution else _by_field(dataset)


def _by_field(dataset: ShardedDataset) -> Figure:
    """Draw the shares of the rings in the energy of each field: median and 5–95 % over samples."""
    grid, indices = dataset.grid, _indices(dataset, num_frames=1)
    samples = (dataset.fields(np.array([index]))[0] for index in indices)
    num_inputs = len(dataset.input_fields)
    shares = np.stack([_of_fields(fields.astype(float), num_inputs, grid) for fields in samples])
    shares /= np.maximum(shares.sum(axis=-1, keepdims=True), np.finfo(float).tiny)
    styles = [(_INPUT_COLORS[i % 3], _LINES[(i + 1) % 3]) for i in range(num_inputs)]
    styles += [(_TARGET_COLORS[i % 3], _LINES[i % 3]) for i in range(len(dataset.target_fields))]
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    axes = figure.subplots()
    wavenumbers = np.arange(shares.shape[-1]) / max(grid.lengths)
    named = zip(dataset.manifest.field_names, styles, strict=True)
    for channel, (name, (color, ls)) in enumerate(named):
        low, middle, high = np.quantile(shares[:, channel], (0.05, 0.5, 0.95), axis=0)
        axes.fill_between(wavenumbers, low, high, color=color, alpha=0.15, lw=0)
        middle[middle == 0] = np.nan  # a ring without modes
        axes.plot(wavenumbers, middle, color=color, ls=ls, label=words(name))
    _label(axes, "share of the energy in the ring", (_FLOOR, 2))
    axes.set_title(f"{title(dataset.manifest)}: {len(indices)} samples; line: median; band: 5–95 %")
    axes.legend()
    return figure


def _by_time(dataset: ShardedDataset) -> Figure:
    """Draw the energy in the rings, a panel a field and a line a time: median over samples."""
    grid, names = dataset.grid, dataset.target_fields
    moments = spread(dataset.num_times, _NUM_TIMES)
    indices = _indices(dataset, num_frames=len(moments))
    states = ((states_at(dataset, index, [m])[0] for m in moments) for index in indices)
    rows = [[_of_fields(state.astype(float), 0, grid) for state in of_one] for of_one in states]
    energies = np.median(rows, axis=0)  # (time, field, ring)
    energies[energies == 0] = np.nan  # a ring without modes
    columns = min(3, len(names))
    num_rows = -(-len(names) // columns)
    size = (max(3.6, WIDTH / 3 * columns), 0.65 + 2.2 * num_rows)
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(num_rows, columns, squeeze=False).ravel()
    for unused in all_axes[len(names) :]:
        unused.set_axis_off()
    labels = time_labels([dataset.times[moment] for moment in moments])
    wavenumbers = np.arange(energies.shape[-1]) / max(grid.lengths)
    for field, (axes, name) in enumerate(zip(all_axes, names, strict=False)):
        for number, label in enumerate(labels):
            color = matplotlib.colormaps["viridis"](0.9 * number / max(1, len(labels) - 1))
            axes.plot(wavenumbers, energies[number, field], color=color, label=label)
        top = float(np.nanmax(energies[:, field]))
        bottom = max(_FLOOR * top, float(np.nanmin(energies[:, field])))
        _label(axes, "energy in the ring", (bottom / 3, 3 * top))
        axes.set_title(words(name))
    handles, told = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, told, loc="outside lower center", ncols=3)
    figure.suptitle(f"{title(dataset.manifest)}: median of {len(indices)} trajectories")
    return figure


def _of_fields(
    fields: Float[np.ndarray, "C H W"], num_inputs: int, grid: Grid
) -> Float[np.ndarray, "C R"]:
    """Sum over rings; the fields behind the inputs meet the boundary condition."""
    numbered = enumerate(fields)
    rings = [ring_energies(field, grid, meets_boundary=c >= num_inputs) for c, field in numbered]
    return np.stack(rings)


def _indices(dataset: ShardedDataset, num_frames: int) -> list[int]:
    """Choose samples, fewer of large ones."""
    H, W = dataset.grid.shape
    most = max(4, _NUM_POINTS // (H * W * num_frames * dataset.manifest.num_fields))
    return spread(dataset.num_samples, min(_NUM_SAMPLES, most))


def _label(axes: Axes, quantity: str, limits: tuple[float, float]) -> None:
    axes.set_yscale("log")
    axes.set_ylim(*limits)
    axes.set_xlabel("|k| / 2π")
    axes.set_ylabel(quantity)
    draw_grid(axes)
