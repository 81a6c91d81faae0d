"""The key of a figure: labels at the ends of lines where they fit, else a legend in parts.

The legend has a part for each thing that tells arms apart (recipe, start, downstream samples)
instead of an entry for each arm, of which a study may have dozens.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lightning_sciml.plain_text import for_figure
from lightning_sciml.shards.axis_ticks import label_log_axis
from lightning_sciml.shards.color_maps import luminance
from lightning_sciml.shards.figure_style import SMALL, draw_grid
from lightning_sciml.shards.titles import words
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import Arm
from lightning_sciml.study.report.styles import Origins, Start, Styles, fill

Entries = Mapping[str, Artist]
_GREY = "#444444"
_LETTER, _HANDLE = 0.056, 0.5  # inches of a letter, and of a handle with its gaps
_LINE = 0.13  # inches of a line of a title
_MOST_DIRECT, _LONGEST_DIRECT = 5, 24  # labels at lines, and their letters
_FIRST_END = 0.9  # of the width of a panel: where a line must end to have a label
_CONTRAST = 4.5  # of text, as WCAG asks for


def add_key(
    figure: Figure,
    all_axes: Sequence[Axes],
    styles: Styles,
    arms: Collection[Arm],
    others: Mapping[str, Entries] | None = None,
) -> None:
    """Label the errors on all panels and their curves, once all of these are drawn.

    Args:
        figure: with panels only.
        all_axes: its panels.
        styles: of the report.
        arms: that are drawn.
        others: further parts of the legend by heading, which may be empty.
    """
    for axes in (axes for axes in all_axes if axes.axison):
        draw_grid(axes)
        label_log_axis(axes.yaxis)
    _make_room_for_titles(figure, all_axes)
    if others is None and _label_lines(figure, all_axes):
        return
    own = {"Recipe": _recipes(styles, arms), "Start": _starts(styles, arms)}
    if len(own["Recipe"]) > 1 and len(own["Start"]) == 1:
        own.pop("Start")
    _draw_legend(figure, [(name, part) for name, part in {**own, **(others or {})}.items() if part])


def _make_room_for_titles(figure: Figure, all_axes: Sequence[Axes]) -> None:
    """Make the figure higher by what titles of several lines take from its rows."""
    num_lines = max(axes.get_title().count("\n") for axes in all_axes)
    num_rows = all_axes[0].get_subplotspec().get_gridspec().nrows  # type: ignore[union-attr]
    figure.set_figheight(figure.get_figheight() + _LINE * num_lines * num_rows)


def _recipes(styles: Styles, arms: Collection[Arm]) -> dict[str, Artist]:
    """List a marker in its colour for each recipe, where there are several."""
    entries: dict[str, Artist] = {}
    for arm in arms if len(styles.recipes) > 1 else ():
        handle = Line2D([], [], ls="", color=styles.color(arm), marker=styles.marker(arm), ms=5)
        entries.setdefault(words(arm.recipe), handle)
    return entries


def _starts(styles: Styles, arms: Collection[Arm]) -> dict[str, Artist]:
    """List a line for each start, grey where colours say the recipe."""
    entries: dict[str, Artist] = {}
    origins, has_recipes = Origins(styles, arms), len(styles.recipes) > 1
    known: dict[Start, Arm] = {styles.start(arm): arm for arm in arms}
    for start in sorted(known, key=lambda start: (start.place, [*Init].index(Init(start.init)))):
        arm = known[start]
        look = {"color": _GREY, "marker": "o"} if has_recipes else {}
        handle = Line2D([], [], **{**styles.look(arm), **look, **fill(arm.init)})
        entries[for_figure(origins.start(start))] = handle
    return entries


def _draw_legend(figure: Figure, parts: Sequence[tuple[str, Entries]]) -> None:
    """Draw the parts beside one another below the panels, each with its heading on top."""
    columns = _columns(figure.get_figwidth(), [len(part) for _, part in parts], parts)
    num_rows = max(-(-len(part) // n) for n, (_, part) in zip(columns, parts, strict=True))
    is_headed = sum(heading != "" for heading, _ in parts) > 1
    handles: list[Artist] = []
    labels: list[str] = []
    empty = Line2D([], [], ls="")
    for n, (heading, part) in zip(columns, parts, strict=True):
        cells = [*part.items(), *[("", empty)] * (n * num_rows - len(part))]
        for column in range(n):
            own = cells[column * num_rows : (column + 1) * num_rows]
            own = [(heading if column == 0 else "", empty)] * is_headed + own
            labels += [label for label, _ in own]
            handles += [handle for _, handle in own]
    height = 0.16 * (num_rows + is_headed) + 0.05
    figure.set_figheight(figure.get_figheight() + height)
    legend = figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=sum(columns),
        handlelength=3.4,
        columnspacing=1.2,
        borderpad=0.2,
    )
    for text in legend.get_texts():
        if is_headed and text.get_text() in {heading for heading, _ in parts}:
            text.set_fontweight("bold")


def _columns(width: float, sizes: Sequence[int], parts: Sequence[tuple[str, Entries]]) -> list[int]:
    """Choose numbers of columns of the parts: few rows, within the width of the figure."""
    widths = [_HANDLE + _LETTER * max(map(len, (name, *part))) for name, part in parts]
    columns = [1] * len(parts)
    while True:
        rows = [-(-size // n) for size, n in zip(sizes, columns, strict=True)]
        highest = int(np.argmax(rows))
        wider = [n + (i == highest) for i, n in enumerate(columns)]
        if rows[highest] == 1 or float(np.dot(wider, widths)) > width:
            return columns
        columns = wider


def _label_lines(figure: Figure, all_axes: Sequence[Axes]) -> bool:
    """Write names at the ends of the lines of the last panel, if all stand there and fit."""
    shown = [axes for axes in all_axes if axes.axison]
    last = shown[-1]
    handles, labels = last.get_legend_handles_labels()
    everywhere = {str(label) for axes in shown for label in axes.get_legend_handles_labels()[1]}
    lines = [handle for handle in handles if isinstance(handle, Line2D)]
    is_short = all(len(str(label)) <= _LONGEST_DIRECT for label in labels)
    has_all = {*map(str, labels)} == everywhere and len(lines) == len(handles)
    is_row = len({axes.get_subplotspec().rowspan.start for axes in shown}) == 1  # type: ignore[union-attr]
    if not (0 < len(lines) <= _MOST_DIRECT and is_short and has_all and is_row):
        return False
    figure.draw_without_rendering()
    heights = _heights_of_ends(last, lines)
    if heights is None:
        return False
    needed = 1.15 * SMALL / 72 * figure.dpi / last.bbox.height
    order = np.argsort(heights)
    if any(heights[b] - heights[a] < needed for a, b in pairwise(order)):
        return False
    for line, label, height in zip(lines, labels, heights, strict=True):
        last.annotate(
            str(label),
            (1, height),
            xycoords="axes fraction",
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=readable(str(line.get_color())),
            annotation_clip=False,
        )
    return True


def _heights_of_ends(axes: Axes, lines: Sequence[Line2D]) -> list[float] | None:
    """Return where lines end, as parts of the panel's height; None if one ends too early."""
    heights = []
    for line in lines:
        finite = [
            point for point in np.asarray(line.get_xydata(), float) if np.isfinite(point).all()
        ]
        if not finite:
            return None
        pixels = line.get_transform().transform(finite[-1])
        x, y = axes.transAxes.inverted().transform(pixels)
        if x < _FIRST_END or not 0 <= y <= 1:
            return None
        heights.append(float(y))
    return heights


def readable(color: str) -> str:
    """Darken a colour until text of it can be read on white."""
    rgb = np.array(matplotlib.colors.to_rgb(color))
    while 1.05 / (float(luminance(rgb[None])[0]) + 0.05) < _CONTRAST:
        rgb = 0.95 * rgb
    return matplotlib.colors.to_hex(tuple(rgb.tolist()))
