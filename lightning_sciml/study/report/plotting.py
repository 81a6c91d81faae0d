"""Figures of a study: error against samples, model size and shift."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from lightning_sciml.shards.axis_ticks import label_log_axis
from lightning_sciml.shards.titles import words
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import Arm
from lightning_sciml.study.report.curves import Curve
from lightning_sciml.study.report.scaling_law import ScalingLaw
from lightning_sciml.study.report.styles import DASHES, LINES, Styles

ERROR = "relative L² error, mean of the test set"
Laws = Mapping[tuple[str, Arm], ScalingLaw]


def error_by_samples(curves: Sequence[Curve], laws: Laws, styles: Styles) -> Figure:
    """Draw a panel for each test set and model: curves with 95 % bands, and fitted laws.

    Sets on which nothing is trained have no panel, unless there are no others.
    """
    trained = [c for c in curves if any(c.num_samples)]
    panels = list(dict.fromkeys((c.dataset, c.arm.model) for c in trained or curves))
    num_columns = 2 if len(panels) == 4 else min(3, len(panels))
    num_rows = -(-len(panels) // num_columns)
    figure = Figure(
        figsize=(max(7.0, 4.6 * num_columns), 4.2 * num_rows + 0.8), layout="constrained"
    )
    is_one_problem = len({dataset for dataset, _ in panels}) == 1
    grid = figure.subplots(num_rows, num_columns, squeeze=False, sharey=is_one_problem)
    all_axes = grid.ravel()
    for axes, (dataset, model) in zip(all_axes, panels, strict=False):
        own = [c for c in curves if (c.dataset, c.arm.model) == (dataset, model)]
        for curve in own:
            _draw_curve(axes, curve, laws.get((dataset, curve.arm)), styles)
        _log_axes(axes, sorted({n for c in own for n in c.num_samples if n}))
        axes.set_title(f"{styles.title(dataset)}; {words(model)}")
        axes.set_xlabel("downstream training samples")
    for axes in all_axes[len(panels) :]:
        axes.set_axis_off()
    for axes in all_axes[::num_columns]:
        axes.set_ylabel(ERROR)
    _legend(figure, list(all_axes))
    return figure


def _draw_curve(axes: Axes, curve: Curve, law: ScalingLaw | None, styles: Styles) -> None:
    color, line = styles.color(curve.arm), styles.line(curve.arm)
    label = styles.legend(curve.arm)
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
    figure = Figure(figsize=(max(7.5, 4.8 * len(datasets)), 5.2), layout="constrained")
    all_axes = figure.subplots(1, len(datasets), squeeze=False, sharey=True).ravel()
    for axes, dataset in zip(all_axes, datasets, strict=True):
        own = [c for c in curves if c.dataset == dataset]
        for arm in dict.fromkeys((c.arm.init, c.arm.pretraining, c.arm.recipe) for c in own):
            of_arm = [c for c in own if (c.arm.init, c.arm.pretraining, c.arm.recipe) == arm]
            of_arm.sort(key=lambda c: c.num_parameters)
            _draw_sizes(axes, of_arm, styles)
        sizes = {c.num_parameters: words(c.arm.model) for c in curves}
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(sorted(sizes), [sizes[n] for n in sorted(sizes)])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title(styles.title(dataset))
        axes.set_xlabel("model size (parameters)")
    all_axes[0].set_ylabel(ERROR)
    _legend(figure, list(all_axes))
    return figure


def _draw_sizes(axes: Axes, curves: Sequence[Curve], styles: Styles) -> None:
    x, arm = [c.num_parameters for c in curves], curves[0].arm
    common = _common_sizes(curves)
    few_some_many = [*dict.fromkeys((common[0], common[len(common) // 2], common[-1]))]
    for line, marker, n in zip(LINES, "o^D", few_some_many, strict=False):
        means, (low, high) = _at(curves, n)
        line, marker = (line, marker) if n else (DASHES, "x")
        color = styles.color(arm)
        axes.fill_between(x, low, high, color=color, alpha=0.1)
        axes.plot(
            x, means, marker, ls=line, color=color, label=_with_samples(styles.legend(arm), n)
        )


def error_by_shift(
    curves: Sequence[Curve], shifts: Mapping[tuple[str, str], float], styles: Styles
) -> Figure:
    """Draw the error of each arm against the shift of the test set from the pre-training set.

    Args:
        curves: of one model.
        shifts: by pre-training and test set.
        styles: of the report.
    """
    pretrainings = [p for p in styles.pretrainings if len(_shifts_of(shifts, p)) > 1]
    figure = Figure(figsize=(max(8.0, 5.2 * len(pretrainings)), 5.6), layout="constrained")
    all_axes = figure.subplots(1, len(pretrainings), squeeze=False, sharey=True).ravel()
    for axes, pretraining in zip(all_axes, pretrainings, strict=True):
        of_set = _shifts_of(shifts, pretraining)
        arms = dict.fromkeys(
            c.arm for c in curves if c.arm.pretraining in ("", pretraining) and c.dataset in of_set
        )
        for arm in arms:
            own = sorted(
                (c for c in curves if c.arm == arm and c.dataset in of_set),
                key=lambda c: of_set[c.dataset],
            )
            _draw_shifts(axes, own, of_set, styles)
        axes.set_yscale("log")
        axes.set_xlim(-0.05, 1.05)
        axes.set_title(f"pre-trained on {styles.title(pretraining)}")
        axes.set_xlabel("shift: 1 - overlap of the coefficient that moved furthest")
        top = axes.secondary_xaxis("top")
        names: dict[float, list[str]] = {}  # of equal shift below each other
        for dataset, shift in of_set.items():
            names.setdefault(round(shift, 2), []).append(styles.title(dataset))
        labels = ["\n".join(below) for below in names.values()]
        top.set_xticks(list(names), labels, fontsize=8, rotation=-20, ha="right")
    all_axes[0].set_ylabel(ERROR)
    _legend(figure, list(all_axes))
    return figure


def _shifts_of(shifts: Mapping[tuple[str, str], float], pretraining: str) -> dict[str, float]:
    return {d: s for (p, d), s in shifts.items() if p == pretraining}


def _draw_shifts(
    axes: Axes, curves: Sequence[Curve], shift_of: Mapping[str, float], styles: Styles
) -> None:
    x, arm = [shift_of[c.dataset] for c in curves], curves[0].arm
    common = _common_sizes(curves)
    few_and_many = [*dict.fromkeys((common[0], common[-1]))]
    for line, marker, fill, n in zip(LINES, "oD", ("none", "full"), few_and_many, strict=False):
        means, band = _at(curves, n)
        axes.errorbar(
            x,
            means,
            yerr=np.abs(band - means) if len(curves[0].replicates) > 1 else None,
            fmt=marker if n else "x",
            ls=line if n else DASHES,
            color=styles.color(arm),
            label=_with_samples(styles.legend(arm), n),
            ms=5,
            lw=1.1,
            capsize=2,
            fillstyle=fill,
        )


def _common_sizes(curves: Sequence[Curve]) -> list[int]:
    return sorted(set.intersection(*({*c.num_samples} for c in curves)))


def _at(
    curves: Sequence[Curve], num_samples: int
) -> tuple[Float[np.ndarray, " C"], Float[np.ndarray, "2 C"]]:
    """Collect means and bands of all curves at a number of samples."""
    columns = [c.num_samples.index(num_samples) for c in curves]
    means = np.array([c.mean[i] for c, i in zip(curves, columns, strict=True)])
    return means, np.stack([c.band[:, i] for c, i in zip(curves, columns, strict=True)], axis=1)


def _with_samples(name: str, num_samples: int) -> str:
    return f"{name}, {num_samples} samples" if num_samples else name


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


def _legend(figure: Figure, all_axes: list[Axes]) -> None:
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
    figure.set_figheight(figure.get_figheight() + 0.2 * (len(handles) // num_columns))
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=num_columns,
        fontsize=9,
    )
