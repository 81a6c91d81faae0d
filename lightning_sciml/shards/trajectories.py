"""Figures of trajectories: rows of frames, and moments over time."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32
from matplotlib.figure import Figure, SubFigure

from lightning_sciml.shards.field_panels import (
    color_scale,
    draw_color_bar,
    draw_field,
    panel_size,
    spread,
)
from lightning_sciml.shards.figure_style import SMALL, WIDTH, draw_grid, styled
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.titles import numbers, time_labels, title, words

_NUM_ROWS, _NUM_SAMPLES = 6, 3  # of fields and of samples, at most
_NUM_FRAMES, _LEAST_WIDTH = 7, 0.6  # of a row; inches of a frame
_NUM_LINES, _NUM_TIMES = 24, 64  # samples and times whose moments are drawn
_LEAST_CHANGE = 0.02  # half the height of a panel of moments, in their units


def shown_samples(dataset: ShardedDataset) -> list[int]:
    """Choose the samples to draw, fewer where each has many fields."""
    most = max(1, min(_NUM_SAMPLES, _NUM_ROWS // dataset.manifest.num_fields))
    return spread(dataset.num_samples, most)


def states_at(
    dataset: ShardedDataset, index: int, moments: Sequence[int]
) -> Float32[np.ndarray, "K F H W"]:
    """Read the states of one trajectory at some of its stored times."""
    indices = np.full(len(moments), index)
    return dataset.windows(indices, np.array(moments), num_states=1)[:, 0]


@styled
def frames_figure(dataset: ShardedDataset) -> Figure:
    """Draw trajectories: a row a sample and field, a column a time; static inputs once.

    All frames of a field share one colour scale.
    """
    side, beside = 0.75, 0.06
    widest = panel_size(dataset.grid.lengths, 3, beside=beside, side=side)[1]
    most = min(_NUM_FRAMES, max(3, int(3 * widest / _LEAST_WIDTH)))
    moments = spread(dataset.num_times, most)
    height, width = panel_size(dataset.grid.lengths, len(moments), beside=beside, side=side)
    indices = shown_samples(dataset)
    states = np.stack([states_at(dataset, index, moments) for index in indices])
    inputs = dataset.inputs(np.array(indices))[:, None]
    labels = time_labels([dataset.times[moment] for moment in moments])
    size = (
        side + len(moments) * (width + beside),
        0.3 + len(indices) * (0.5 + dataset.manifest.num_fields * (height + 0.12)),
    )
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title(dataset.manifest))
    parts = figure.subfigures(len(indices), 1, squeeze=False)[:, 0]
    for row, (part, index) in enumerate(zip(parts, indices, strict=True)):
        coefficients = dataset.coefficients(np.array([index]))[0]
        told = numbers(dataset.coefficient_names, coefficients)
        part.suptitle("   ".join([f"{dataset.split} {index}", *told]), fontsize=SMALL)
        _draw_sample(part, dataset, row, inputs, states, labels)
    return figure


def _draw_sample(
    part: SubFigure,
    dataset: ShardedDataset,
    sample: int,
    inputs: Float32[np.ndarray, "n 1 S H W"],
    states: Float32[np.ndarray, "n K F H W"],
    labels: Sequence[str],
) -> None:
    """Draw one trajectory in its part of the figure."""
    fields = [*np.moveaxis(inputs, 2, 0), *np.moveaxis(states, 2, 0)]
    names = (*dataset.input_fields, *dataset.target_fields)
    all_axes = part.subplots(len(fields), len(labels), squeeze=False, sharex=True, sharey=True)
    for axes, frames, name in zip(all_axes, fields, names, strict=True):
        color = color_scale(frames)
        for axis, frame in zip(axes, frames[sample], strict=False):
            image = draw_field(axis, frame, dataset.grid.lengths, color)
        for unused in axes[frames.shape[1] :]:
            unused.set_axis_off()
        axes[0].set_ylabel(f"{words(name)}\ny", labelpad=-4)
        draw_color_bar(axes, image, pad=0.01, aspect=15)
    for axis in all_axes[-1]:
        axis.set_xlabel("x", labelpad=-7)
    for axis, label in zip(all_axes[inputs.shape[2]], labels, strict=True):
        axis.set_title(label)


@styled
def moments_figure(dataset: ShardedDataset) -> Figure:
    """Draw the mean and the mean square of each field over time, a line a trajectory.

    Above each panel stands the largest change since the first time: of the mean in units of the
    root mean square, of the mean square in units of itself, both at the first time.
    """
    indices = spread(dataset.num_samples, _NUM_LINES)
    moments = spread(dataset.num_times, _NUM_TIMES)
    times = [dataset.times[moment] for moment in moments]
    values = np.stack([_mean_and_square(dataset, index, moments) for index in indices])
    names = dataset.target_fields
    columns = min(3, len(names))
    num_blocks = -(-len(names) // columns)
    size = (max(2.8, WIDTH / 3 * columns), 0.3 + 3.2 * num_blocks)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(2 * num_blocks, columns, squeeze=False, sharex=True)
    all_axes = np.hstack([grid[row : row + 2] for row in range(0, 2 * num_blocks, 2)])
    for unused in all_axes[:, len(names) :].ravel():
        unused.set_axis_off()
    for column, name in enumerate(names):
        square = np.maximum(values[:, :1, 1, column], np.finfo(float).tiny)
        units = {"mean": np.sqrt(square), "mean square": square}
        for row, (quantity, unit) in enumerate(units.items()):
            lines, axes = values[:, :, row, column], all_axes[row, column]
            axes.plot(times, lines.T, color="#1d4f91", alpha=0.5, lw=0.7)
            middle, half = (lines.max() + lines.min()) / 2, np.ptp(lines) / 2
            half = 1.1 * max(half, _LEAST_CHANGE * unit.max())  # rounding is not drawn large
            axes.set_ylim(middle - half, middle + half)
            change = np.abs((lines - lines[:, :1]) / unit).max()
            axes.set_title(f"{quantity} of {words(name)}:\nchanges by ≤ {change:.2g}")
            draw_grid(axes)
        all_axes[1, column].set_xlabel("t")
    figure.suptitle(f"{title(dataset.manifest)}: {len(indices)} trajectories of {dataset.split}")
    return figure


def _mean_and_square(
    dataset: ShardedDataset, index: int, moments: Sequence[int]
) -> Float[np.ndarray, "K 2 F"]:
    """Compute mean and mean square of each field, one state in memory at a time."""
    found = []
    for moment in moments:
        state = states_at(dataset, index, [moment])[0].astype(np.float64)
        found.append([state.mean(axis=(1, 2)), np.square(state).mean(axis=(1, 2))])
    return np.array(found)
