"""A movie of trajectories: a row a sample, a column a field."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.figure import Figure

from lightning_sciml.errors import InputError
from lightning_sciml.shards.field_panels import (
    BAR,
    color_scale,
    draw_color_bar,
    draw_field,
    panel_size,
    spread,
)
from lightning_sciml.shards.figure_style import styled
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.titles import time_labels, title, words
from lightning_sciml.shards.trajectories import shown_samples, states_at

MovieFormat = Literal["gif", "mp4"]

_NUM_FRAMES = 200  # at most
_FRAMES_PER_S = 10
_NUM_OF_SCALE = 8
_DPI = 160


def movie_writer(format: MovieFormat) -> AbstractMovieWriter:
    """Return what writes a movie.

    Raises:
        InputError: MP4 without ffmpeg.
    """
    if format == "gif":
        return PillowWriter(_FRAMES_PER_S)
    if not FFMpegWriter.isAvailable():
        raise InputError("an MP4 needs the program ffmpeg, which is not found; use --movie gif")
    return FFMpegWriter(_FRAMES_PER_S)


@styled
def write_movie(dataset: ShardedDataset, path: Path, writer: AbstractMovieWriter) -> None:
    """Write all stored times, or 200 of them, of some trajectories.

    All frames of a field share one colour scale: that of eight times.
    """
    indices, moments = shown_samples(dataset), spread(dataset.num_times, _NUM_FRAMES)
    labels = time_labels([dataset.times[moment] for moment in moments])
    figure, images = _first_frame(dataset, indices)
    with writer.saving(figure, str(path), _DPI):
        for moment, label in zip(moments, labels, strict=True):
            for row, index in zip(images, indices, strict=True):
                for image, field in zip(row, states_at(dataset, index, [moment])[0], strict=True):
                    image.set_data(field)
            figure.suptitle(f"{title(dataset.manifest)}, {label}")
            writer.grab_frame()
            figure.set_layout_engine("none")  # the first frame has fixed it


def _first_frame(dataset: ShardedDataset, indices: list[int]) -> tuple[Figure, list[list[Any]]]:
    """Draw the first time; return the figure and its images by sample and field."""
    moments = spread(dataset.num_times, _NUM_OF_SCALE)
    states = np.stack([states_at(dataset, index, moments) for index in indices])
    colors = [color_scale(field) for field in np.moveaxis(states, 2, 0)]
    height, width = panel_size(dataset.grid.lengths, len(colors), side=0.4)
    size = (0.4 + len(colors) * (width + BAR), 0.6 + len(indices) * (height + 0.2))
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(len(indices), len(colors), squeeze=False, sharex=True, sharey=True)
    images: list[list[Any]] = []
    for axes, index, fields in zip(all_axes, indices, states[:, 0], strict=True):
        axes[0].set_ylabel(f"{dataset.split} {index}")
        lengths, drawn = dataset.grid.lengths, zip(axes, fields, colors, strict=True)
        images.append([draw_field(axis, field, lengths, color) for axis, field, color in drawn])
    for axes, image, name in zip(all_axes.T, images[0], dataset.target_fields, strict=True):
        axes[0].set_title(words(name))
        draw_color_bar(axes, image, shrink=0.9)
    return figure, images
