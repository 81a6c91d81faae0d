"""Frames of a rollout: reference, prediction and error, side by side or as a movie."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.animation import AbstractMovieWriter
from matplotlib.figure import Figure

from lightning_sciml.evaluation.sample_fields import SampleFields
from lightning_sciml.evaluation.solution_panels import Panel
from lightning_sciml.plain_text import for_figure
from lightning_sciml.shards.color_maps import MAPS
from lightning_sciml.shards.field_panels import (
    BAR,
    color_scale,
    draw_color_bar,
    draw_field,
    panel_size,
)
from lightning_sciml.shards.figure_style import styled
from lightning_sciml.shards.titles import words

MOST_FIELDS = 4
_DPI = 160
_SIDE, _BESIDE = 0.8, 0.06  # inches: labels and bar of a row, gap of a frame
_KINDS = ("reference", "prediction", "error")


@styled
def rollout_frames(panel: Panel) -> Figure:
    """Draw the kept steps of a rollout, three rows a field, of at most four fields.

    Reference and prediction share one colour scale over all steps, that of the reference. That of
    the error ends with the largest error, or with the largest deviation of the reference from its
    mean where that is less. What is not finite is blank.
    """
    sample, lengths = panel.sample, panel.grid.lengths
    num_steps, num_fields = sample.reference.shape[:2]
    shown = range(min(num_fields, MOST_FIELDS))
    height, width = panel_size(lengths, max(2, num_steps), beside=_BESIDE, side=_SIDE)
    size = (
        _SIDE + max(2, num_steps) * (width + _BESIDE),
        0.5 + 3 * len(shown) * (height + 0.12),
    )
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(3 * len(shown), num_steps, squeeze=False, sharex=True, sharey=True)
    for f in shown:
        rows = all_axes[3 * f : 3 * f + 3]
        for axes, (kind, frames, color) in zip(rows, _kinds(sample, f), strict=True):
            for axis, frame in zip(axes, frames, strict=True):
                image = draw_field(axis, frame, lengths, color)
            draw_color_bar(axes, image, shrink=0.9)
            axes[0].set_ylabel(f"{words(sample.output_fields[f])},\n{kind}")
    for axis, lead_time in zip(all_axes[0], sample.lead_times, strict=True):
        axis.set_title(f"after {lead_time:.3g}")
    figure.suptitle(for_figure(panel.label))
    return figure


@styled
def write_rollout_movie(panel: Panel, path: Path, writer: AbstractMovieWriter) -> None:
    """Write the kept steps of a rollout, a row a field, in the colours of ``rollout_frames``."""
    sample = panel.sample
    shown = range(min(sample.reference.shape[1], MOST_FIELDS))
    height, width = panel_size(panel.grid.lengths, 3, side=0.3)
    size = (0.3 + 3 * (width + BAR), 0.5 + len(shown) * (height + 0.3))
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(len(shown), 3, squeeze=False, sharex=True, sharey=True)
    images: list[tuple[Any, np.ndarray]] = []
    for row, f in zip(all_axes, shown, strict=True):
        for axes, (kind, frames, color) in zip(row, _kinds(sample, f), strict=True):
            images.append((draw_field(axes, frames[0], panel.grid.lengths, color), frames))
            draw_color_bar([axes], images[-1][0], shrink=0.9)
            axes.set_title(f"{words(sample.output_fields[f])}, {kind}")
    with writer.saving(figure, str(path), _DPI):
        for k, lead_time in enumerate(sample.lead_times):
            for image, frames in images:
                image.set_data(frames[k])
            figure.suptitle(f"{for_figure(panel.label)}, after {lead_time:.3g}")
            writer.grab_frame()
            figure.set_layout_engine("none")  # the first frame has fixed it


def _kinds(sample: SampleFields, f: int) -> list[tuple[str, Any, dict[str, Any]]]:
    """Name the kinds of frames of a field, (K, H, W), finite or masked, and their colours."""
    reference, prediction = sample.reference[:, f], sample.prediction[:, f]
    error = np.subtract(prediction, reference, dtype=float)
    colors = [color_scale(reference)] * 2 + [_error_scale(error, reference)]
    frames = [np.ma.masked_invalid(of) for of in (reference, prediction, error)]
    return [*zip(_KINDS, frames, colors, strict=True)]


def _error_scale(
    error: Float[np.ndarray, "K H W"], reference: Float[np.ndarray, "K H W"]
) -> dict[str, Any]:
    finite = np.abs(error[np.isfinite(error)])
    deviation = float(np.abs(reference - reference.mean(dtype=float)).max())
    largest = min(float(finite.max(initial=0.0)), deviation or np.inf)
    return {"cmap": MAPS["error"], "vmin": -largest, "vmax": largest}
