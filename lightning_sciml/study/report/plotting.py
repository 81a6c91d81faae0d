"""Figures of a study: error against samples and shift, and what others share with them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from lightning_sciml.plain_text import counted, for_figure
from lightning_sciml.shards.figure_style import SMALL, WIDTH, styled
from lightning_sciml.shards.titles import words, wrapped
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import Arm
from lightning_sciml.study.report.curves import Curve
from lightning_sciml.study.report.figure_keys import Entries, add_key
from lightning_sciml.study.report.scaling_law import ScalingLaw
from lightning_sciml.study.report.styles import Origins, Styles

ERROR = "relative L² error"
Laws = Mapping[tuple[str, Arm], ScalingLaw]
MARKER_SIZES = {1: (4.0,), 2: (2.5, 5.8), 3: (2.5, 4.0, 5.8)}
"""Points: few, some and many downstream samples, by how many of these there are."""
_ONE, _SIDE = 4.2, 0.5  # inches: width of a figure of one panel, of the labels of an axis
_LETTER = 0.063  # inches of a letter of a title


def error_panels(
    number: int, *, height: float = 2.1, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Make a figure of so many panels of errors, at most three in a row: a page is no wider.

    Args:
        number: of panels; axes behind them are empty.
        height: of a row, in inches; of a single panel it is a half larger.
        sharey: whether all panels have one axis of errors.
    """
    num_columns = 2 if number == 4 else min(3, number)
    num_rows = -(-number // num_columns)
    size = (WIDTH, height * num_rows) if number > 1 else (_ONE, 1.3 * height)
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(num_rows, num_columns, squeeze=False, sharey=sharey).ravel().tolist()
    for axes in all_axes[number:]:
        axes.set_axis_off()
    for axes in all_axes[::num_columns]:
        axes.set_ylabel(ERROR)
    return figure, all_axes


def panel_width(axes: Axes) -> float:
    """Estimate the inches of a panel, before a layout is made."""
    figure = axes.get_figure(root=True)
    num_columns = axes.get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
    return figure.get_figwidth() / num_columns - _SIDE / num_columns  # type: ignore[union-attr]


def set_title(axes: Axes, title: str, more: str = "") -> None:
    """Write a title over a panel, and more below it, in lines no wider than the panel."""
    width = panel_width(axes)
    axes.set_title("\n".join(wrapped(text, int(width / _LETTER)) for text in (title, more) if text))


@styled
def error_by_samples(curves: Sequence[Curve], laws: Laws, styles: Styles) -> Figure:
    """Draw a panel for each test set and model: curves with 95 % bands, and fitted laws.

    Sets on which nothing is trained have no panel, unless there are no others.
    """
    trained = [c for c in curves if any(c.num_samples)]
    panels = list(dict.fromkeys((c.dataset, c.arm.model) for c in trained or curves))
    is_one_problem = len({dataset for dataset, _ in panels}) == 1
    figure, all_axes = error_panels(len(panels), sharey=is_one_problem)
    shown = [c for c in curves if (c.dataset, c.arm.model) in panels]
    origins = Origins(styles, [c.arm for c in shown])
    for axes, (dataset, model) in zip(all_axes, panels, strict=False):
        own = [c for c in shown if (c.dataset, c.arm.model) == (dataset, model)]
        for curve in own:
            _draw_curve(axes, curve, laws.get((dataset, curve.arm)), styles)
        _log_axes(axes, sorted({n for c in own for n in c.num_samples if n}), len(panels))
        more = origins.of_panel(c.arm for c in own)
        set_title(axes, f"{styles.title(dataset)}; {words(model)}", more)
        axes.set_xlabel("downstream samples")
    add_key(figure, all_axes, styles, [c.arm for c in shown])
    return figure


def _draw_curve(axes: Axes, curve: Curve, law: ScalingLaw | None, styles: Styles) -> None:
    look, label = styles.look(curve.arm), styles.label(curve.arm)
    color, (low, high) = look["color"], curve.band
    if curve.arm.init == Init.ZERO_SHOT:
        axes.axhline(curve.mean[0], label=label, markevery=[0], clip_on=False, **look)
        axes.axhspan(low[0], high[0], color=color, alpha=0.08, lw=0)
        return
    axes.fill_between(curve.num_samples, low, high, color=color, alpha=0.15, lw=0)
    if len(curve.num_samples) == 1:  # no area to fill
        axes.vlines(curve.num_samples, low, high, color=color)
    axes.plot(curve.num_samples, curve.mean, label=label, **look)
    if law is not None:
        x = np.geomspace(law.sizes[0], 2 * law.sizes[1], 50)
        axes.plot(x, law(x), color=color, lw=0.6, alpha=0.7)


@styled
def error_by_shift(
    curves: Sequence[Curve], shifts: Mapping[tuple[str, str], float], styles: Styles
) -> Figure:
    """Draw the error of each arm against the shift of the test set from the pre-training set.

    The curves are of one model, the shifts by pre-training and test set.
    """
    of_pretraining: dict[str, dict[str, float]] = {}
    for (pretraining, dataset), shift in shifts.items():
        of_pretraining.setdefault(pretraining, {})[dataset] = shift
    panels = {p: of_set for p, of_set in of_pretraining.items() if len(of_set) > 1}
    figure, all_axes = error_panels(len(panels), height=2.7, sharey=True)
    shown, drawn = [c for c in curves if c.arm.pretraining in ("", *panels)], []
    for axes, (pretraining, of_set) in zip(all_axes, panels.items(), strict=False):
        own = [c for c in shown if c.arm.pretraining in ("", pretraining) and c.dataset in of_set]
        drawn += draw_arms(axes, [(of_set[c.dataset], c) for c in own], styles)
        axes.set_yscale("log")
        axes.set_xlim(-0.05, 1.05)
        set_title(axes, f"pre-trained on {styles.title(pretraining)}")
        axes.set_xlabel("shift (1 - overlap)")
        names: dict[float, list[str]] = {}  # of equal shift below each other
        for dataset, shift in of_set.items():
            names.setdefault(round(shift, 2), []).append(styles.title(dataset))
        labels = ["\n".join(below) for below in names.values()]
        top = axes.secondary_xaxis("top")
        top.set_xticks(list(names), labels, fontsize=SMALL, rotation=-45, ha="right")
    add_key(figure, all_axes, styles, [c.arm for c in shown], sample_sizes(drawn))
    return figure


def few_some_many(curves: Iterable[Curve]) -> list[int]:
    """Choose up to three numbers of samples that all curves have."""
    common = sorted(set.intersection(*({*c.num_samples} for c in curves)))
    return list(dict.fromkeys(common[i] for i in (0, len(common) // 2, -1) if common))


def by_marker_size(curves: Sequence[Curve]) -> list[tuple[float, int]]:
    """Return up to three numbers of samples, each behind the size of its marker."""
    numbers = few_some_many(curves)
    return [*zip(MARKER_SIZES.get(len(numbers), ()), numbers, strict=True)]


def sample_sizes(drawn: Iterable[tuple[float, int]]) -> dict[str, Entries]:
    """Return the part of a legend that says which size of marker is how many samples."""
    of_size: dict[float, dict[str, None]] = {}
    for ms, n in drawn:
        of_size.setdefault(ms, {})[f"{n:,}" if n else "none"] = None
    entries = {
        " or ".join(of_size[ms]): Line2D([], [], ls="", marker="o", color="#444444", ms=ms)
        for ms in sorted(of_size)
    }
    return {"Samples": entries} if len(entries) > 1 else {}


def draw_arms(
    axes: Axes,
    points: Iterable[tuple[float, Curve]],
    styles: Styles,
    families: Mapping[str, str] | None = None,
) -> list[tuple[float, int]]:
    """Draw errors over sizes or shifts: a line for each arm, at few, some and many samples.

    Args:
        points: where a curve stands, and the curve; of an arm, one for each size or test set.
        families: of models, which no line joins with others; all are one by default.

    Returns:
        Sizes of markers, each with its number of samples.
    """
    arms: dict[Arm, list[tuple[float, Curve]]] = {}
    for x, curve in points:
        family = (families or {}).get(curve.arm.model, "")
        arms.setdefault(curve.arm._replace(model=family), []).append((x, curve))
    shown: list[tuple[float, int]] = []
    for of_arm in arms.values():
        places, curves = zip(*sorted(of_arm, key=lambda point: point[0]), strict=True)
        look, name = styles.look(curves[0].arm), styles.label(curves[0].arm)
        for ms, n in by_marker_size(curves):
            label = f"{name}, {counted(n, 'sample')}" if n else name
            draw_errors(axes, places, curves, n, {**look, "ms": ms, "label": label})
            shown.append((ms, n))
    return shown


def draw_errors(
    axes: Axes, x: Sequence[float], curves: Sequence[Curve], n: int, look: Mapping[str, Any]
) -> None:
    """Draw the mean errors of curves at n samples, and 95 % intervals of several replicates."""
    columns = [c.num_samples.index(n) for c in curves]
    means = np.array([c.mean[i] for c, i in zip(curves, columns, strict=True)])
    band = np.stack([c.band[:, i] for c, i in zip(curves, columns, strict=True)], axis=1)
    intervals = np.abs(band - means) if len(curves[0].replicates) > 1 else None
    axes.errorbar(x, means, yerr=intervals, **look)


def _log_axes(axes: Axes, ticks: Sequence[int], num_panels: int) -> None:
    """Set logarithmic axes, with as many numbers of samples below as there is room for."""
    axes.set_yscale("log")
    if len(ticks) == 1:  # an axis has a scale by two numbers
        ticks = [ticks[0], 2 * ticks[0]]
        axes.set_xlim(ticks[0] / 1.5, 1.5 * ticks[1])
    if ticks:
        most = 8 if num_panels == 1 else 5
        ticks = [*ticks][:: -(-len(ticks) // most)]
        axes.set_xscale("log", base=2)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xticks(ticks, [for_figure(f"{n:,}") for n in ticks])
