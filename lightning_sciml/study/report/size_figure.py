"""The figure of a study that shows errors against model size."""

import math
import re
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from lightning_sciml.plain_text import for_figure
from lightning_sciml.shards.figure_style import styled
from lightning_sciml.shards.titles import words
from lightning_sciml.study.report.curves import Curve
from lightning_sciml.study.report.figure_keys import add_key
from lightning_sciml.study.report.plotting import (
    draw_arms,
    error_panels,
    panel_width,
    sample_sizes,
    set_title,
)
from lightning_sciml.study.report.styles import Origins, Styles

_LETTER = 0.07  # inches of a letter of a tick, with its share of the gap between two labels
_SIZE = re.compile(r"[\d.]+[KMG]")  # a model named by its number of parameters


@styled
def error_by_size(
    curves: Sequence[Curve], styles: Styles, families: Mapping[str, str] | None = None
) -> Figure:
    """Draw a panel for each test set: error against parameters, at few, some and many samples.

    A line joins the sizes of one family of models.
    """
    datasets = list(dict.fromkeys(c.dataset for c in curves))
    figure, all_axes = error_panels(len(datasets), sharey=True)
    names: dict[int, dict[str, None]] = {}
    for curve in curves:
        names.setdefault(curve.num_parameters, {})[words(curve.arm.model)] = None
    origins, drawn = Origins(styles, [c.arm for c in curves]), list[tuple[float, int]]()
    for axes, dataset in zip(all_axes, datasets, strict=False):
        own = [c for c in curves if c.dataset == dataset]
        drawn += draw_arms(axes, [(c.num_parameters, c) for c in own], styles, families)
        axes.set_xscale("log")
        axes.set_yscale("log")
        _label_sizes(axes, {n: ", ".join(names[n]) for n in sorted(names)})
        set_title(axes, styles.title(dataset), origins.of_panel(c.arm for c in own))
        axes.set_xlabel("parameters of the network")
    add_key(figure, all_axes, styles, [c.arm for c in curves], sample_sizes(drawn))
    return figure


def _label_sizes(axes: Axes, names: Mapping[int, str]) -> None:
    """Label an axis by numbers of parameters, with names that say more below where all fit."""
    labels = {n: f"{short_number(n)}\n{name}" for n, name in names.items()}
    are_sizes = all(_SIZE.fullmatch(name) for name in names.values())
    if are_sizes or len(_fitting(axes, labels)) < len(labels):
        labels = {n: short_number(n) for n in names}
    shown = _fitting(axes, labels)
    axes.set_xticks(shown, [for_figure(labels[n]) for n in shown])
    axes.xaxis.set_minor_formatter(NullFormatter())


def _fitting(axes: Axes, labels: Mapping[int, str]) -> list[int]:
    """List those of rising numbers whose labels do not touch the one before, first and last too."""
    low, high = axes.get_xlim()
    inch = panel_width(axes) / math.log(high / low)
    wide = {n: _LETTER * max(map(len, label.split("\n"))) for n, label in labels.items()}
    *before, last = labels
    found: list[int] = []
    for n in [*before[:1], last, *before[1:]]:
        gaps = (abs(math.log(n / m)) * inch - (wide[n] + wide[m]) / 2 for m in found)
        if all(gap >= 0 for gap in gaps):
            found.append(n)
    return sorted(found)


def short_number(number: int) -> str:
    """Write a number in three digits: 63.5K, 1.06M."""
    for unit, scale in (("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if number >= 0.9995 * scale:
            return f"{number / scale:.3g}{unit}"
    return str(number)
