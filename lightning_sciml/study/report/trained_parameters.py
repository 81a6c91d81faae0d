"""Errors of fine-tuning against the parameters that it trains."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_sciml.plain_text import counted
from lightning_sciml.shards.titles import words
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.report.curves import Curve
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.plotting import add_legend, error_panels
from lightning_sciml.study.report.sections import Findings
from lightning_sciml.study.report.styles import Styles

MARKERS = "o^D"


def trained_parameters_section(page: Page, found: Findings) -> None:
    """Add errors against trained parameters, where recipes of one network differ in these."""
    panels = list(_panels(found.curves))
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


def _panels(curves: Sequence[Curve]) -> Iterator[list[Curve]]:
    """List the fine-tuned curves that differ in trained parameters, by test set and model."""
    groups: dict[tuple[str, str, str], list[Curve]] = {}
    for curve in curves:
        if curve.arm.init == Init.FINE_TUNE and curve.num_trained_parameters:
            key = (curve.dataset, curve.arm.model, curve.arm.pretraining)
            groups.setdefault(key, []).append(curve)
    for group in groups.values():
        if len({curve.num_trained_parameters for curve in group}) > 1:
            yield group


def _few_some_many(curves: Sequence[Curve]) -> list[int]:
    """Choose up to three numbers of samples that all curves have."""
    common = sorted(set.intersection(*({*c.num_samples} for c in curves)))
    return list(dict.fromkeys(common[i] for i in (0, len(common) // 2, -1) if common))


def error_by_trained_parameters(panels: Sequence[Sequence[Curve]], styles: Styles) -> Figure:
    """Draw a panel for each group of curves: recipes by colour, numbers of samples by marker."""
    figure, all_axes = error_panels(len(panels), sharey=True)
    for axes, curves in zip(all_axes, panels, strict=False):
        for marker, n in zip(MARKERS, _few_some_many(curves), strict=False):
            axes.plot([], [], marker, color="gray", ls="", ms=5, label=counted(n, "sample"))
            for curve in curves:
                _draw_point(axes, curve, n, marker, styles.color(curve.arm))
        for curve in curves:
            color, name = styles.color(curve.arm), words(curve.arm.recipe)
            axes.plot([], [], "s", color=color, ls="", ms=5, label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(f"{styles.title(curves[0].dataset)}; {words(curves[0].arm.model)}")
        axes.set_xlabel("trained parameters")
    add_legend(figure, all_axes)
    return figure


def _draw_point(axes: Axes, curve: Curve, n: int, marker: str, color: str) -> None:
    i = curve.num_samples.index(n)
    mean, band = curve.mean[i], curve.band[:, i]
    axes.errorbar(
        [curve.num_trained_parameters],
        [mean],
        yerr=np.abs(band - mean)[:, None] if len(curve.replicates) > 1 else None,
        fmt=marker,
        color=color,
        ms=5,
        lw=1.1,
        capsize=2,
    )


def _table(curves: Sequence[Curve], styles: Styles) -> tuple[list[str], list[list[object]]]:
    """List trained parameters and errors, the most parameters first."""
    sizes = _few_some_many(curves)
    rows: list[list[object]] = []
    most = max(curve.num_trained_parameters for curve in curves)
    for curve in sorted(curves, key=lambda curve: -curve.num_trained_parameters):
        number = curve.num_trained_parameters
        row: list[object] = [styles.label(curve.arm), f"{number:,}", f"{number / most:.1%}"]
        for n in sizes:
            i = curve.num_samples.index(n)
            band = " [{:.4f}, {:.4f}]".format(*curve.band[:, i])
            row.append(f"{curve.mean[i]:.4f}{band if len(curve.replicates) > 1 else ''}")
        rows.append(row)
    title = f"relative L² error on {curves[0].dataset}, {curves[0].arm.model}"
    return [title, "trained parameters", "share", *(f"n = {n:,}" for n in sizes)], rows
