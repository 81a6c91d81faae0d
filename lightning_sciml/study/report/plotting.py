"""Figures of a study: error against samples, model size and shift."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from lightning_sciml.plain_text import counted
from lightning_sciml.shards.axis_ticks import label_log_axis
from lightning_sciml.shards.titles import words
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import Arm
from lightning_sciml.study.report.curves import Curve
from lightning_sciml.study.report.scaling_law import ScalingLaw
from lightning_sciml.study.report.styles import DASHES, LINES, Styles

ERROR = "relative L² error, mean of the test set"
Laws = Mapping[tuple[str, Arm], ScalingLaw]


def error_panels(
    number: int, *, height: float = 4.4, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Make a figure of so many panels of errors, at most three in a row: a page is no wider.

    Args:
        number: of panels; axes behind them are empty.
        height: of a row, in inches.
        sharey: whether all panels have one axis of errors.
    """
    num_columns = 2 if number == 4 else min(3, number)
    num_rows = -(-number // num_columns)
    size = (max(7.5, 4.8 * num_columns), height * num_rows + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(num_rows, num_columns, squeeze=False, sharey=sharey).ravel().tolist()
    for axes in all_axes[number:]:
        axes.set_axis_off()
    for axes in all_axes[::num_columns]:
        axes.set_ylabel(ERROR)
    return figure, all_axes


def error_by_samples(curves: Sequence[Curve], laws: Laws, styles: Styles) -> Figure:
    """Draw a panel for each test set and model: curves with 95 % bands, and fitted laws.

    Sets on which nothing is trained have no panel, unless there are no others.
    """
    trained = [c for c in curves if any(c.num_samples)]
    panels = list(dict.fromkeys((c.dataset, c.arm.model) for c in trained or curves))
    is_one_problem = len({dataset for dataset, _ in panels}) == 1
    figure, all_axes = error_panels(len(panels), sharey=is_one_problem)
    for axes, (dataset, model) in zip(all_axes, panels, strict=False):
        own = [c for c in curves if (c.dataset, c.arm.model) == (dataset, model)]
        for curve in own:
            _draw_curve(axes, curve, laws.get((dataset, curve.arm)), styles)
        _log_axes(axes, sorted({n for c in own for n in c.num_samples if n}))
        axes.set_title(f"{styles.title(dataset)}; {words(model)}")
        axes.set_xlabel("downstream training samples")
    add_legend(figure, all_axes)
    return figure


def _draw_curve(axes: Axes, curve: Curve, law: ScalingLaw | None, styles: Styles) -> None:
    color, line = styles.color(curve.arm), styles.line(curve.arm)
    label = styles.label(curve.arm, in_words=True)
    low, high = curve.band
    if curve.arm.init == Init.ZERO_SHOT:
        dashed = DASHES if line == "-" else line
        axes.axhline(curve.mean[0], color=color, ls=dashed, lw=1.2, label=label)
        axes.axhspan(low[0], high[0], color=color, alpha=0.08, lw=0)
        return
    axes.fill_between(curve.num_samples, low, high, color=color, alpha=0.15, lw=0)
    marker = "s" if curve.arm.init == Init.SCRATCH else "o"
    if len(curve.num_samples) == 1:  # no area to fill
        axes.vlines(curve.num_samples, low, high, color=color, lw=1.2)
    axes.plot(curve.num_samples, curve.mean, marker, ls=line, color=color, ms=5, label=label)
    if law is not None:
        x = np.geomspace(law.sizes[0], 2 * law.sizes[1], 50)
        axes.plot(x, law(x), color=color, lw=0.8, alpha=0.7)


def error_by_size(curves: Sequence[Curve], styles: Styles) -> Figure:
    """Draw a panel for each test set: error against parameters, at few, some and many samples."""
    datasets = list(dict.fromkeys(c.dataset for c in curves))
    figure, all_axes = error_panels(len(datasets), sharey=True)
    sizes = {c.num_parameters: words(c.arm.model) for c in curves}
    for axes, dataset in zip(all_axes, datasets, strict=False):
        arms: dict[Arm, list[tuple[float, Curve]]] = {}
        for curve in (c for c in curves if c.dataset == dataset):
            point = (curve.num_parameters, curve)
            arms.setdefault(curve.arm._replace(model=""), []).append(point)
        for of_size in arms.values():
            draw_arm(axes, of_size, styles)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(sorted(sizes), [sizes[n] for n in sorted(sizes)])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title(styles.title(dataset))
        axes.set_xlabel("model size (parameters)")
    add_legend(figure, all_axes)
    return figure


def error_by_shift(
    curves: Sequence[Curve], shifts: Mapping[tuple[str, str], float], styles: Styles
) -> Figure:
    """Draw the error of each arm against the shift of the test set from the pre-training set.

    Args:
        curves: of one model.
        shifts: by pre-training and test set.
        styles: of the report.
    """
    of_pretraining: dict[str, dict[str, float]] = {}
    for (pretraining, dataset), shift in shifts.items():
        of_pretraining.setdefault(pretraining, {})[dataset] = shift
    drawn = {p: of_set for p, of_set in of_pretraining.items() if len(of_set) > 1}
    figure, all_axes = error_panels(len(drawn), height=5.2, sharey=True)
    for axes, (pretraining, of_set) in zip(all_axes, drawn.items(), strict=False):
        arms: dict[Arm, list[tuple[float, Curve]]] = {}
        for curve in curves:
            if curve.arm.pretraining in ("", pretraining) and curve.dataset in of_set:
                arms.setdefault(curve.arm, []).append((of_set[curve.dataset], curve))
        for of_shift in arms.values():
            draw_arm(axes, of_shift, styles)
        axes.set_yscale("log")
        axes.set_xlim(-0.05, 1.05)
        axes.set_title(f"pre-trained on {styles.title(pretraining)}")
        axes.set_xlabel("shift: 1 - overlap of the coefficient that moved furthest")
        names: dict[float, list[str]] = {}  # of equal shift below each other
        for dataset, shift in of_set.items():
            names.setdefault(round(shift, 2), []).append(styles.title(dataset))
        labels = ["\n".join(below) for below in names.values()]
        top = axes.secondary_xaxis("top")
        top.set_xticks(list(names), labels, fontsize=8, rotation=-45, ha="right")
    add_legend(figure, all_axes)
    return figure


def draw_arm(axes: Axes, points: Sequence[tuple[float, Curve]], styles: Styles) -> None:
    """Draw the errors of one arm over sizes or shifts: a line at few, some and many samples."""
    x, curves = zip(*sorted(points, key=lambda point: point[0]), strict=True)
    common = sorted(set.intersection(*({*c.num_samples} for c in curves)))
    few_some_many = dict.fromkeys(common[i] for i in (0, len(common) // 2, -1) if common)
    for line, marker, n in zip(LINES, "o^D", few_some_many, strict=False):
        columns = [c.num_samples.index(n) for c in curves]
        means = np.array([c.mean[i] for c, i in zip(curves, columns, strict=True)])
        band = np.stack([c.band[:, i] for c, i in zip(curves, columns, strict=True)], axis=1)
        name = styles.label(curves[0].arm, in_words=True)
        # hollow from scratch, where colours tell recipes
        is_hollow = curves[0].arm.init == Init.SCRATCH and len(styles.recipes) > 1
        axes.errorbar(
            x,
            means,
            yerr=np.abs(band - means) if len(curves[0].replicates) > 1 else None,
            fmt=marker if n else "x",
            ls=line if n else DASHES,
            color=styles.color(curves[0].arm),
            mfc="white" if is_hollow else None,
            label=f"{name}, {counted(n, 'sample')}" if n else name,
            ms=5,
            lw=1.1,
            capsize=2,
        )


def _log_axes(axes: Axes, ticks: Sequence[int]) -> None:
    axes.set_yscale("log")
    if len(ticks) == 1:  # an axis has a scale by two numbers
        ticks = [ticks[0], 2 * ticks[0]]
        axes.set_xlim(ticks[0] / 1.5, 1.5 * ticks[1])
    if ticks:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
        axes.tick_params(labelsize=8)  # on both axes: a panel may have eleven sizes


def add_legend(figure: Figure, all_axes: list[Axes]) -> None:
    """Label errors on all panels, and curves below the panels, once all curves are drawn."""
    for axes in (axes for axes in all_axes if axes.axison):
        axes.grid(alpha=0.2)
        label_log_axis(axes.yaxis)
    handles: dict[str, Artist] = {}
    for axes in all_axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(str(label), handle)
    longest = max(map(len, handles), default=0)
    num_columns = max(1, min(3, int(figure.get_figwidth() / (0.07 * longest + 0.6))))
    figure.set_figheight(figure.get_figheight() + 0.2 * -(-len(handles) // num_columns))
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=num_columns,
        fontsize=9,
    )
