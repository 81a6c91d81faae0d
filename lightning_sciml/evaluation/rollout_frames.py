"""Frames of a rollout: reference, prediction and error, a row each, a column a lead time."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from lightning_sciml.evaluation.solution_panels import Panel
from lightning_sciml.plain_text import for_figure
from lightning_sciml.shards.field_panels import (
    color_scale,
    draw_color_bar,
    draw_field,
    panel_size,
)

MOST_FIELDS = 4
_ROWS = ("reference", "prediction", "error")


def rollout_frames(panel: Panel) -> Figure:
    """Draw the kept steps of a rollout, three rows a field, of at most four fields.

    Reference and prediction share one colour scale over all steps, that of the reference. That of
    the error ends with the largest error, or with the largest deviation of the reference from its
    mean where that is less. What is not finite is blank.
    """
    sample, lengths = panel.sample, panel.grid.lengths
    num_steps, num_fields = sample.reference.shape[:2]
    shown = range(min(num_fields, MOST_FIELDS))
    height, width = panel_size(lengths)
    size = (0.9 * (0.5 + num_steps * width), 0.5 + 3 * len(shown) * (0.9 * height + 0.2))
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(3 * len(shown), num_steps, squeeze=False, sharex=True, sharey=True)
    for f in shown:
        reference, prediction = sample.reference[:, f], sample.prediction[:, f]
        error = np.subtract(prediction, reference, dtype=float)
        colors = [color_scale(reference)] * 2 + [_error_scale(error, reference)]
        rows = all_axes[3 * f : 3 * f + 3]
        kinds = zip(rows, _ROWS, (reference, prediction, error), colors, strict=True)
        for axes, kind, frames, color in kinds:
            for axis, frame in zip(axes, frames, strict=True):
                finite = np.ma.masked_invalid(frame)
                image = draw_field(axis, finite, lengths, color)
            draw_color_bar(axes, image, shrink=0.9)
            axes[0].set_ylabel(f"{for_figure(sample.output_fields[f])}, {kind}", fontsize=9)
    for axis, lead_time in zip(all_axes[0], sample.lead_times, strict=True):
        axis.set_title(f"after {lead_time:.3g}", fontsize=9)
    figure.suptitle(for_figure(panel.label))
    return figure


def _error_scale(
    error: Float[np.ndarray, "K H W"], reference: Float[np.ndarray, "K H W"]
) -> dict[str, Any]:
    finite = np.abs(error[np.isfinite(error)])
    deviation = float(np.abs(reference - reference.mean(dtype=float)).max())
    largest = min(float(finite.max(initial=0.0)), deviation or np.inf)
    return {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}
