"""Errors of fine-tuning against the parameters that it trains."""

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from lightning_sciml.shards.axis_ticks import label_log_axis
from lightning_sciml.shards.figure_style import styled
from lightning_sciml.shards.titles import words
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.report.curves import Curve
from lightning_sciml.study.report.figure_keys import add_key
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.plotting import (
    by_marker_size,
    draw_errors,
    error_panels,
    few_some_many,
    sample_sizes,
    set_title,
)
from lightning_sciml.study.report.sections import Findings
from lightning_sciml.study.report.styles import Styles


def trained_parameters_section(page: Page, found: Findings) -> None:
    """Add errors against trained parameters, where recipes of one network differ in these."""
    panels = list(alike_in_size(found.curves))
    if not panels:
        return
    page.heading("Error against trained parameters")
    page.note(
        "Fine-tuned networks of one size, by recipe: parameters that training changes, low-rank "
        "updates by their factors, as a share of those of the recipe that trains most."
    )
    page.figure("error_by_trained_parameters", error_by_trained_parameters(panels, found.styles))
    for curves in panels:
        page.table(*_table(curves, found.styles))


def alike_in_size(curves: Sequence[Curve]) -> Iterator[list[Curve]]:
    """List fine-tuned curves that differ in trained parameters, by test set and model."""
    groups: dict[tuple[str, str, str], list[Curve]] = {}
    for curve in curves:
        if curve.arm.init == Init.FINE_TUNE and curve.num_trained_parameters:
            key = (curve.dataset, curve.arm.model, curve.arm.pretraining)
            groups.setdefault(key, []).append(curve)
    for group in groups.values():
        if len({curve.num_trained_parameters for curve in group}) > 1:
            yield group


@styled
def error_by_trained_parameters(panels: Sequence[Sequence[Curve]], styles: Styles) -> Figure:
    """Draw a panel for each group of curves: a marker a recipe, larger with more samples."""
    figure, all_axes = error_panels(len(panels), sharey=True)
    drawn: list[tuple[float, int]] = []
    for axes, curves in zip(all_axes, panels, strict=False):
        drawn += by_marker_size(curves)
        for ms, n in by_marker_size(curves):
            for curve in curves:
                look = {**styles.look(curve.arm), "ls": "", "ms": ms}
                draw_errors(axes, [float(curve.num_trained_parameters)], [curve], n, look)
        axes.set_xscale("log")
        axes.set_yscale("log")
        set_title(axes, f"{styles.title(curves[0].dataset)}; {words(curves[0].arm.model)}")
        axes.set_xlabel("trained parameters")
        label_log_axis(axes.xaxis)
    arms = [curve.arm for curves in panels for curve in curves]
    add_key(figure, all_axes, styles, arms, sample_sizes(drawn))
    return figure


def _table(curves: Sequence[Curve], styles: Styles) -> tuple[list[str], list[list[object]]]:
    """List trained parameters and errors, the most parameters first."""
    sizes = few_some_many(curves)
    rows: list[list[object]] = []
    most = max(curve.num_trained_parameters for curve in curves)
    for curve in sorted(curves, key=lambda curve: -curve.num_trained_parameters):
        number = curve.num_trained_parameters
        row: list[object] = [styles.label(curve.arm), f"{number:,}", f"{number / most:.1%}"]
        rows.append([*row, *(curve.cell(curve.num_samples.index(n)) for n in sizes)])
    title = f"relative L² error on {styles.title(curves[0].dataset)}; {curves[0].arm.model}"
    return [title, "trained parameters", "share", *(f"n = {n:,}" for n in sizes)], rows
