"""A figure of samples: inputs, references, predictions, errors."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_sciml.evaluation.sample_fields import SampleFields
from lightning_sciml.pde.grid import Grid
from lightning_sciml.plain_text import for_figure
from lightning_sciml.shards.field_panels import (
    BAR,
    color_scale,
    draw_panel,
    panel_size,
    spread,
)
from lightning_sciml.shards.figure_style import styled
from lightning_sciml.shards.titles import words

MOST_STEPS, MOST_ROWS = 3, 8
_SIDE = 0.2  # inches, of the labels of rows


class Panel(NamedTuple):
    """A sample to be drawn: what to write beside it, its grid and its fields."""

    label: str
    grid: Grid
    sample: SampleFields


@styled
def solution_panels(panels: Sequence[Panel]) -> Figure:
    """Draw rows for each sample: an input, then a field at a step, its prediction and its error.

    The first, the last and a middle step are drawn, and at most eight rows a sample. Reference and
    prediction share a colour scale, the error has its own.
    """
    rows = [_num_rows(panel.sample) for panel in panels]
    sizes = [panel_size(panel.grid.lengths, 4, side=_SIDE) for panel in panels]
    heights = [size[0] for size, number in zip(sizes, rows, strict=True) for _ in range(number)]
    figure = Figure(
        figsize=(
            _SIDE + 4 * (max(size[1] for size in sizes) + BAR),
            sum(heights) + 0.45 * len(heights) + 0.1,
        ),
        layout="constrained",
    )
    all_axes = figure.subplots(len(heights), 4, squeeze=False, height_ratios=heights)
    first = 0
    for panel, number in zip(panels, rows, strict=True):
        _draw_sample(all_axes[first : first + number], panel)
        first += number
    return figure


def _shown(sample: SampleFields) -> list[tuple[int, int]]:
    """Choose steps and fields."""
    steps, num_fields, *_ = sample.reference.shape
    return [*product(spread(steps, MOST_STEPS), range(num_fields))][:MOST_ROWS]


def _num_rows(sample: SampleFields) -> int:
    return max(min(len(sample.inputs), MOST_ROWS), len(_shown(sample)))


def _draw_sample(rows: Sequence[Sequence[Axes]] | np.ndarray, panel: Panel) -> None:
    sample, lengths = panel.sample, panel.grid.lengths
    for axes in (axes for row in rows for axes in row):
        axes.set_axis_off()
    for row, name, field in zip(rows, sample.input_fields, sample.inputs, strict=False):
        draw_panel(row[0], field, lengths, color_scale(field), words(name))
    for row, (step, f) in zip(rows, _shown(sample), strict=False):
        reference, prediction = sample.reference[step, f], sample.prediction[step, f]
        error = prediction - reference
        name, colors = _name(sample, step, f), color_scale(reference)
        share = np.linalg.norm(error) / np.linalg.norm(reference)
        draw_panel(row[1], reference, lengths, colors, name)
        draw_panel(row[2], prediction, lengths, colors, "prediction")
        draw_panel(
            row[3], error, lengths, color_scale(error, "error"), f"error:\n{share:.3g} of ‖u‖"
        )
    rows[0][0].set_ylabel(f"{for_figure(panel.label)}\ny")
    for axes in rows[-1]:
        axes.set_xlabel("x")


def _name(sample: SampleFields, step: int, field: int) -> str:
    """Name a field, of an evolution with its lead time."""
    name, lead_time = words(sample.output_fields[field]), sample.lead_times[step]
    return f"{name} after {lead_time:.3g}" if lead_time else name
