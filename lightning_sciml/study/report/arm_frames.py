"""Frames of one test trajectory as several arms roll it out."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_sciml.evaluation.sample_fields import SampleFields, alike
from lightning_sciml.plain_text import for_figure
from lightning_sciml.shards.field_panels import color_scale, draw_color_bar, draw_field, panel_size
from lightning_sciml.shards.figure_style import SMALL, styled, title_figure
from lightning_sciml.shards.titles import words
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.sections import Findings
from lightning_sciml.study.report.shown_runs import kept_samples, shown_rollouts

MOST_FIELDS, MOST_ARMS = 4, 12
_SIDE, _BESIDE = 0.9, 0.14  # inches: labels and bar of a row, gap of a frame


def frames_section(page: Page, found: Findings) -> None:
    """Add a figure for each test set and field, of the rollouts of which tests have kept fields."""
    shown = shown_rollouts(found)
    if not shown:
        return
    page.heading("Frames of rollouts")
    page.note(
        "One test trajectory, the first replicate of each arm; largest model, and the middle "
        "number of downstream samples. Numbers: relative L² error of the frame. All frames share "
        "the colour scale of the reference; what is not finite is blank. Arms whose rollouts begin "
        "later, after more input states, or have other steps than those of the first are left out."
    )
    for dataset, rows in shown.items():
        samples = kept_samples(page, found, rows, ending="-rollout", most=MOST_ARMS)
        for name in _fields(samples):
            figure = arm_frames(samples, name, found.manifests[dataset].grid.lengths)
            title_figure(figure, f"{found.styles.title(dataset)}: {words(name)}")
            own = f"_{name}" if len(_fields(samples)) > 1 else ""
            page.figure(f"rollout_frames_{dataset}{own}", figure, is_photo=True)


def _fields(samples: Mapping[str, SampleFields]) -> tuple[str, ...]:
    return next(iter(samples.values())).output_fields[:MOST_FIELDS] if samples else ()


@styled
def arm_frames(
    samples: Mapping[str, SampleFields], name: str, lengths: tuple[float, float]
) -> Figure:
    """Draw a row of the reference, and a row of the prediction of each arm.

    Args:
        samples: the same trajectory by label of the arm. Arms whose rollouts have other states
            than those of the first are left out.
        name: of the field.
        lengths: of the domain, along y and x.
    """
    first = next(iter(samples.values()))
    shown = alike(samples)
    steps, field = range(len(first.lead_times)), first.output_fields.index(name)
    columns = max(2, len(steps))
    height, width = panel_size(lengths, columns, beside=_BESIDE, side=_SIDE)
    size = (_SIDE + columns * (width + _BESIDE), 0.45 + (1 + len(shown)) * (height + 0.3))
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(1 + len(shown), len(steps), squeeze=False, sharex=True, sharey=True)
    references = first.reference[:, field].astype(float)
    colors = color_scale(references)
    for axes, step in zip(all_axes[0], steps, strict=True):
        image = draw_field(axes, references[step], lengths, colors)
        axes.set_title(f"after {first.lead_times[step]:.3g}")
    all_axes[0][0].set_ylabel("reference", fontsize=SMALL)
    for row, (label, sample) in zip(all_axes[1:], shown.items(), strict=True):
        row[0].set_ylabel(for_figure(label), fontsize=SMALL)
        for axes, step in zip(row, steps, strict=True):
            prediction = sample.prediction[step, field].astype(float)
            draw_field(axes, np.ma.masked_invalid(prediction), lengths, colors)
            _write_error(axes, prediction, references[step])
    draw_color_bar(all_axes.ravel().tolist(), image, shrink=0.6)
    return figure


def _write_error(axes: Axes, prediction: np.ndarray, reference: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        error = np.linalg.norm(prediction - reference) / np.linalg.norm(reference)
    axes.set_title(f"{error:.3g}" if np.isfinite(error) else "not finite", fontsize=SMALL)
