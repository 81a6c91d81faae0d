"""Colour maps, one for each kind of field: signed, of one sign, and the error of a prediction.

The lightness of all three rises linearly, so equal steps of a value look equal and a copy in grey
has the same order. Those of signed fields and of errors are neutral at zero, where the lightness is
halfway: darker is negative. Such maps are called linear-diverging by Kovesi (arXiv 1509.03700).
"""

from typing import Literal

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.colors import Colormap, ListedColormap

FieldKind = Literal["signed", "one sign", "error"]

_NUM_COLORS = 257  # zero is one of them
_LIGHTNESS = (15.0, 95.0)  # L* of the most negative and of the most positive value
_CHROMA, _RISE = 70.0, 0.6  # at both ends, as far as a screen has it; power of |value|
_BLUE_ORANGE, _PURPLE_GREEN = (285.0, 70.0), (325.0, 128.0)  # hues of both ends in CIELAB, degrees
_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65
_XYZ_TO_RGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)


def luminance(colors: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Relative luminance Y of sRGB colours in [0, 1]: what a copy in grey keeps."""
    linear = np.where(colors > 0.04045, ((colors + 0.055) / 1.055) ** 2.4, colors / 12.92)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def lightness(colors: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Lightness L* of sRGB colours, 0 black to 100 white, even to the eye."""
    y = luminance(colors)
    return np.where(y > (6 / 29) ** 3, 116 * np.cbrt(y) - 16, y * (29 / 3) ** 3)


def _linear_diverging(name: str, hues: tuple[float, float]) -> ListedColormap:
    """Make a map whose L* is linear and whose chroma grows from zero in the middle."""
    place = np.linspace(-1, 1, _NUM_COLORS)
    light = np.interp(place, (-1, 1), _LIGHTNESS)
    hue = np.deg2rad(np.where(place < 0, *hues))
    shares = np.linspace(0, 1, 101)[:, None]
    rgb = _rgb(light + 0 * shares, shares * _CHROMA * np.abs(place) ** _RISE, hue + 0 * shares)
    is_shown = ((rgb >= 0) & (rgb <= 1)).all(axis=-1)
    largest = np.cumprod(is_shown, axis=0).sum(axis=0) - 1  # grey is always shown
    return ListedColormap(rgb[largest, np.arange(_NUM_COLORS)].clip(0, 1), name=name)


def _rgb(
    light: Float[np.ndarray, "*n"], chroma: Float[np.ndarray, "*n"], hue: Float[np.ndarray, "*n"]
) -> Float[np.ndarray, "*n 3"]:
    """Convert CIELAB, its hue in radians, to sRGB; outside [0, 1] no screen shows it."""
    y = (light + 16) / 116
    f = np.stack([y + chroma * np.cos(hue) / 500, y, y - chroma * np.sin(hue) / 200], axis=-1)
    xyz = _WHITE * np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    linear = xyz @ _XYZ_TO_RGB.T
    root = np.cbrt(np.abs(linear)) ** 1.25  # the power 1 / 2.4
    return np.where(linear > 0.0031308, 1.055 * root - 0.055, 12.92 * linear)


MAPS: dict[FieldKind, Colormap] = {
    "signed": _linear_diverging("signed", _BLUE_ORANGE),
    "one sign": matplotlib.colormaps["viridis"],
    "error": _linear_diverging("error", _PURPLE_GREEN),
}
