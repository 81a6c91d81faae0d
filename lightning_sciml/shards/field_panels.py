"""A field as a picture: true aspect ratio, lengths on the axes, one colour map for its kind."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from lightning_sciml.shards.color_maps import MAPS, FieldKind
from lightning_sciml.shards.figure_style import SMALL, WIDTH

_AREA = 4.0  # of a panel, square inches
_LONGEST = 3.2  # side of a panel, inches
_BOTH_SIGNS = 0.1  # share of the larger extreme from which the smaller one counts
_LETTER = 0.052  # inches of a letter of a title
BAR = 0.48
"""Inches beside a panel for its colour bar and the labels of both."""


def spread(number: int, most: int) -> list[int]:
    """Choose at most so many of 0 … number - 1: evenly spread, the first and the last included."""
    return np.unique(np.linspace(0, number - 1, min(number, most)).round().astype(int)).tolist()


def panel_size(
    lengths: tuple[float, float], num_columns: int = 1, *, beside: float = BAR, side: float = 0.0
) -> tuple[float, float]:
    """Return the size (y, x) of a picture in inches, for a domain with these side lengths (y, x).

    Equal areas, as long as so many pictures beside one another fit the width of a page; a domain
    whose sides differ by more than 2.5 gets a smaller one.

    Args:
        lengths: of the domain.
        num_columns: pictures in a row.
        beside: inches that each needs for labels.
        side: inches that the row needs for labels.
    """
    room = (WIDTH - side) / num_columns - beside
    scale = min(
        np.sqrt(_AREA / (lengths[0] * lengths[1])), _LONGEST / max(lengths), room / lengths[1]
    )
    return float(scale * lengths[0]), float(scale * lengths[1])


def field_kind(values: Float[np.ndarray, "..."]) -> FieldKind:
    """Tell by its values whether a field has both signs."""
    low, high = float(values.min()), float(values.max())
    return "signed" if min(-low, high) > _BOTH_SIGNS * max(-low, high) else "one sign"


def color_scale(values: Float[np.ndarray, "..."], kind: FieldKind | None = None) -> dict[str, Any]:
    """Choose colours for fields of one kind: around zero if they have both signs, else by range.

    Args:
        values: finite.
        kind: of the field; by these values if it is not given.
    """
    kind = kind or field_kind(values)
    low, high = float(values.min()), float(values.max())
    if kind != "one sign":
        high = max(-low, high)
        low = -high
    return {"cmap": MAPS[kind], "vmin": low, "vmax": high}


def draw_field(
    axes: Axes, field: Float[np.ndarray, "H W"], lengths: tuple[float, float], color: dict[str, Any]
) -> Any:
    """Draw a field [y, x] on its domain, y upwards; return the image."""
    height, width = lengths
    axes.spines[:].set_visible(True)
    axes.set_xticks([0, width], ["0", f"{width:.3g}"])
    axes.set_yticks([0, height], ["0", f"{height:.3g}"])
    return axes.imshow(
        field, origin="lower", extent=(0, width, 0, height), interpolation="nearest", **color
    )


def draw_color_bar(axes: Sequence[Axes], image: Any, **options: Any) -> None:
    """Draw one colour bar beside axes; its ticks do not depend on its size, so layouts hold."""
    bar = axes[0].figure.colorbar(image, ax=[*axes], ticks=MaxNLocator(4), **options)
    bar.outline.set_linewidth(0.5)


def number_lines(told: Sequence[str], width: float) -> str:
    """Put numbers two in a line, or one where two do not fit, under a picture of so many inches."""
    most = int((width + BAR) / _LETTER)
    pairs = ["   ".join(told[first : first + 2]) for first in range(0, len(told), 2)]
    lines = [
        line
        for i, pair in enumerate(pairs)
        for line in ([pair] if len(pair) <= most else told[2 * i : 2 * i + 2])
    ]
    return "\n".join(textwrap.fill(line, most) for line in lines)


def draw_panel(
    axes: Axes,
    field: Float[np.ndarray, "H W"],
    lengths: tuple[float, float],
    color: dict[str, Any],
    title: str,
) -> None:
    """Draw a field with a colour bar of its own under a title, in lines as wide as the field."""
    axes.set_axis_on()
    draw_color_bar([axes], draw_field(axes, field, lengths, color), shrink=0.8)
    num_columns = axes.get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
    most = int((WIDTH / num_columns - BAR) / _LETTER)
    lines = [textwrap.fill(line, most) for line in title.split("\n")]
    axes.set_title("\n".join(lines), fontsize=SMALL)
