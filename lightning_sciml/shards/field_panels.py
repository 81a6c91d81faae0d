"""A field as a picture: true aspect ratio, lengths on the axes, one colour scale for its kind."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

_AREA = 4.0  # of a panel, square inches
_LONGEST = 3.2  # side of a panel, inches
_BOTH_SIGNS = 0.1  # share of the larger extreme from which the smaller one counts


def spread(number: int, most: int) -> list[int]:
    """Choose at most so many of 0 … number - 1: evenly spread, the first and the last included."""
    return np.unique(np.linspace(0, number - 1, min(number, most)).round().astype(int)).tolist()


def panel_size(lengths: tuple[float, float]) -> tuple[float, float]:
    """Return the size (y, x) of a picture in inches, for a domain with these side lengths (y, x).

    Equal areas; a domain whose sides differ by more than 2.5 gets a smaller one.
    """
    scale = min(np.sqrt(_AREA / (lengths[0] * lengths[1])), _LONGEST / max(lengths))
    return float(scale * lengths[0]), float(scale * lengths[1])


def color_scale(values: Float[np.ndarray, "..."]) -> dict[str, Any]:
    """Choose colours for fields of one kind: around zero if they have both signs, else by range."""
    low, high = float(values.min()), float(values.max())
    largest = max(-low, high)
    if min(-low, high) > _BOTH_SIGNS * largest:
        return {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}
    return {"cmap": "viridis", "vmin": low, "vmax": high}


def draw_field(
    axes: Axes, field: Float[np.ndarray, "H W"], lengths: tuple[float, float], color: dict[str, Any]
) -> Any:
    """Draw a field [y, x] on its domain, y upwards; return the image."""
    height, width = lengths
    axes.set_xticks([0, width], ["0", f"{width:.3g}"])
    axes.set_yticks([0, height], ["0", f"{height:.3g}"])
    axes.tick_params(labelsize=8)
    return axes.imshow(
        field, origin="lower", extent=(0, width, 0, height), interpolation="nearest", **color
    )


def draw_color_bar(axes: Sequence[Axes], image: Any, **options: Any) -> None:
    """Draw one colour bar beside axes; its ticks do not depend on its size, so layouts hold."""
    bar = axes[0].figure.colorbar(image, ax=[*axes], ticks=MaxNLocator(5), **options)
    bar.ax.tick_params(labelsize=8)


def draw_panel(
    axes: Axes,
    field: Float[np.ndarray, "H W"],
    lengths: tuple[float, float],
    color: dict[str, Any],
    title: str,
) -> None:
    """Draw a field with a colour bar of its own under a title."""
    axes.set_axis_on()
    draw_color_bar([axes], draw_field(axes, field, lengths, color), shrink=0.9)
    axes.set_title(title, fontsize=9)
