"""Errors against the shift of test sets from the pre-training set."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_sciml.shards.axis_ticks import label_log_axis
from lightning_sciml.shards.figure_style import styled
from lightning_sciml.shards.titles import SYMBOLS, words
from lightning_sciml.study.report.curves import Curve
from lightning_sciml.study.report.figure_keys import add_key
from lightning_sciml.study.report.moved_parameter import (
    Extent,
    extents,
    is_log_uniform,
    moved_parameter,
)
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.plotting import (
    draw_arms,
    error_by_shift,
    error_panels,
    sample_sizes,
    set_title,
)
from lightning_sciml.study.report.sections import Findings
from lightning_sciml.study.report.shift import shift
from lightning_sciml.study.report.styles import Styles

DECADE = 10
FROM_BAR_TO_BAR = 0.03
"""Part of a panel's height between the bars of ranges that overlap."""

Panels = Mapping[tuple[str, str], Mapping[str, Extent]]
"""Extents by pre-training and parameter: that in the pre-training set, "", and in each test set."""


def shift_section(page: Page, found: Findings) -> None:
    """Add the shifts of test sets from pre-training sets; draw them where there are several."""
    members = {name: p.datasets for name, p in found.study.pretrainings.items()}
    pairs = dict.fromkeys((c.arm.pretraining, c.dataset) for c in found.curves if c.arm.pretraining)
    if not pairs:
        return
    manifests = found.manifests
    shifts = {(p, d): shift([manifests[m] for m in members[p]], manifests[d]) for p, d in pairs}
    page.heading("Shift from the pre-training set")
    own = [c for c in found.curves if c.arm.model == found.curves[0].arm.model]
    if panels := shifted_panels(found, list(pairs)):
        page.figure("error_by_parameter", error_by_parameter(own, panels, found.styles))
        page.note(
            "Points: the median of the parameter in each test set; bars at the bottom: its range. "
            "Grey: the range of pre-training."
        )
    page.note(
        "1 - overlap of realised histograms, of the coefficient that moved furthest; marginal "
        "distributions only. 1: disjoint, or another equation. A narrower set inside the range of "
        "pre-training counts as shifted as well."
    )
    page.table(
        ["pre-trained on", "test set", "shift"],
        [[*map(found.styles.title, k), f"{s:.3f}"] for k, s in shifts.items()],
    )
    single = [p for p, _ in shifts if len(members[p]) == 1]
    drawn = {(p, d): s for (p, d), s in shifts.items() if single.count(p) > 2}
    if drawn:
        page.figure("error_by_shift", error_by_shift(own, drawn, found.styles))


def shifted_panels(found: Findings, pairs: Sequence[tuple[str, str]]) -> Panels:
    """Find the parameters by which the test sets of a pre-training differ from its one data set.

    A panel has two test sets at least. The pre-training set itself is in all of its panels.
    """
    panels: dict[tuple[str, str], dict[str, Extent]] = {}
    unmoved: list[tuple[str, str]] = []
    for pretraining, dataset in pairs:
        sets = found.study.pretrainings[pretraining].datasets
        before, after = found.manifests[sets[0]], found.manifests[dataset]
        if len(sets) > 1 or before.equation != after.equation:
            continue
        name = moved_parameter(before, after)
        if name is None:
            unmoved.append((pretraining, dataset))
        else:
            panel = panels.setdefault((pretraining, name), {"": extents(before)[name]})
            panel[dataset] = extents(after)[name]
    for pretraining, dataset in unmoved:
        for (other, name), panel in panels.items():
            if other == pretraining:
                panel[dataset] = extents(found.manifests[dataset])[name]
    return {key: panel for key, panel in panels.items() if len(panel) > 2}


@styled
def error_by_parameter(curves: Sequence[Curve], panels: Panels, styles: Styles) -> Figure:
    """Draw the error of each arm of one model by what tells test sets from pre-training."""
    figure, all_axes = error_panels(len(panels))
    shown = [c for c in curves if c.arm.pretraining in ("", *(p for p, _ in panels))]
    drawn: list[tuple[float, int]] = []
    for axes, ((pretraining, name), panel) in zip(all_axes, panels.items(), strict=False):
        own = [c for c in shown if c.arm.pretraining in ("", pretraining)]
        drawn += _draw_panel(axes, own, panel, styles)
        set_title(axes, f"pre-trained on {styles.title(pretraining)}")
        axes.set_xlabel(SYMBOLS.get(name) or words(name))
    add_key(figure, all_axes, styles, [c.arm for c in shown], sample_sizes(drawn))
    return figure


def _draw_panel(
    axes: Axes, curves: Sequence[Curve], panel: Mapping[str, Extent], styles: Styles
) -> list[tuple[float, int]]:
    """Draw one panel; return sizes of markers, each with its number of samples."""
    points = [(panel[c.dataset].median, c) for c in curves if c.dataset in panel]
    drawn = draw_arms(axes, points, styles)
    axes.set_yscale("log")
    before = panel[""]
    axes.axvspan(before.low, before.high, color="0.5", alpha=0.15, lw=0)
    lows, _, highs = zip(*panel.values(), strict=True)
    widest = max(panel.values(), key=lambda extent: extent.high - extent.low)
    _draw_ranges(axes, [extent for dataset, extent in panel.items() if dataset])
    if min(lows) > 0 and (max(highs) >= DECADE * min(lows) or is_log_uniform(widest)):
        axes.set_xscale("log")
        label_log_axis(axes.xaxis)
    return drawn


def _draw_ranges(axes: Axes, ranges: Sequence[Extent]) -> None:
    """Draw a bar for each range along the bottom, those that overlap above one another."""
    rows: list[float] = []  # the end of the last bar of each
    for low, median, high in sorted(ranges):
        row = next((i for i, end in enumerate(rows) if end < low), len(rows))
        rows[row : row + 1] = [high]
        y = FROM_BAR_TO_BAR * (row + 1)
        axes.plot([low, high], [y, y], color="0.4", lw=1.5, transform=axes.get_xaxis_transform())
        axes.plot([median], [y], "|", color="0.1", ms=5, transform=axes.get_xaxis_transform())
