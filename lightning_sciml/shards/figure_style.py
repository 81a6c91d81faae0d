"""The style of all figures: fonts, lines and sizes for a page 5.5 inches wide, and their files."""

from collections.abc import Collection, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, get_args

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_sciml.errors import InputError
from lightning_sciml.shards.durable import replacing

FigureFormat = Literal["png", "svg", "pdf"]
FORMATS: tuple[FigureFormat, ...] = get_args(FigureFormat)

WIDTH = 5.5
"""Inches: the text of a page in print. No figure is wider, so none is scaled down."""
SMALL, NORMAL, LARGE = 7.0, 8.0, 9.0
"""Sizes of fonts, in points."""

STYLE: Any = {  # matplotlib types each key
    "font.family": "DejaVu Sans",  # comes with matplotlib, and has Greek and mathematics
    "font.size": NORMAL,
    "figure.titlesize": LARGE,
    "figure.dpi": 160,  # of what TensorBoard and movies show
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "axes.titlesize": NORMAL,
    "axes.labelsize": NORMAL,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "lines.markeredgewidth": 0.8,
    "lines.dash_capstyle": "butt",
    "errorbar.capsize": 1.5,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # letters stay text, as journals ask for
    "svg.hashsalt": "lightning_sciml",  # equal figures are equal files
}
styled = matplotlib.rc_context(STYLE)
"""Decorate a function that draws: what it makes has the style, whatever the user's settings are."""

# Fields of one sample as curves: black and solid, blue and dashed, red and dotted.
REFERENCE: dict[str, Any] = {"color": "black", "ls": "-", "lw": 1.6}
PREDICTION: dict[str, Any] = {"color": "#1d4f91", "ls": (0, (4, 1.5)), "lw": 1.1}
ERROR: dict[str, Any] = {"color": "#b3423a", "ls": (0, (1, 1)), "lw": 1.1}

_NO_DATES: dict[FigureFormat, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def check_formats(formats: Sequence[str]) -> list[FigureFormat]:
    """Return the formats of figures.

    Raises:
        InputError: one of them is none, or there is none.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise InputError(
            f"formats must be some of {', '.join(FORMATS)}, got {', '.join(unknown) or 'none'}"
        )
    return [name for name in FORMATS if name in formats]


@styled
def rendered(figure: Figure, format: FigureFormat) -> bytes:
    """Render a figure: the bytes depend on it alone, and on the version of matplotlib."""
    stream = BytesIO()
    figure.savefig(stream, format=format, metadata=_NO_DATES[format])
    return stream.getvalue()


def save_figure(figure: Figure, path: Path, formats: Collection[FigureFormat]) -> list[Path]:
    """Write a figure to PATH.FORMAT in each format, whole or not at all; return the files."""
    files = [path.with_name(f"{path.name}.{name}") for name in formats]
    for file, name in zip(files, formats, strict=True):
        with replacing(file) as temporary:
            temporary.write_bytes(rendered(figure, name))
    return files


@styled
def title_figure(figure: Figure, text: str) -> None:
    """Write a title over all panels."""
    figure.suptitle(text)


def draw_grid(axes: Axes) -> None:
    """Draw the lines of a chart's major ticks, behind the curves."""
    axes.grid(visible=True)
