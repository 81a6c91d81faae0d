"""What a figure shows, in words, for readers who cannot see it; the numbers stand in tables."""

from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_LONGEST = 600


def alternative_text(figure: Figure) -> str:
    """Describe a figure by its titles, axes and the names of its curves."""
    axes = [one for one in figure.axes if one.axison]
    charts = [one for one in axes if one.lines or one.containers]
    told = [
        figure.get_suptitle(),
        *[_axes_of(one) for one in charts[:1]],
        *_listed("panels", (one.get_title() for one in charts)),
        *_listed("pictures", (one.get_title() for one in axes if one.images)),
        *_listed("rows", (one.get_ylabel() for one in axes if one.images)),
        *_listed("curves", (n for one in charts for n in one.get_legend_handles_labels()[1])),
    ]
    text = ". ".join(" ".join(part.split()) for part in told if part).replace(r"\$", "$")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _axes_of(axes: Axes) -> str:
    """Write what is drawn against what."""
    scale = ", both logarithmic" if axes.get_xscale() == axes.get_yscale() == "log" else ""
    return f"{axes.get_ylabel() or axes.get_title()} against {axes.get_xlabel()}{scale}"


def _listed(name: str, texts: Iterable[str]) -> list[str]:
    found = dict.fromkeys(text for text in texts if text)
    return [f"{name}: {'; '.join(found)}"] if found else []
