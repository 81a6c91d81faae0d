"""Colour maps, one for each kind of field: signed, of one sign, and the error of a prediction.

The lightness of all three rises linearly, so equal steps of a value look equal and a copy in grey
has the same order. Those of signed fields and of errors are neutral at zero, where the lightness is
halfway: darker is negative. Such maps are called linear-diverging by Kovesi (arXiv 1509.03700).
"""

from typing import Literal

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.colors import Colormap, LinearSegmentedColormap

FieldKind = Literal["signed", "one sign", "error"]

# L* rises by 8 from colour to colour, from 15 to 95. Hues are 285° and 70°, 325° and 128° of
# CIELAB, the chroma as large as a screen has it, at most 70 |value|^0.6.
_BLUE_ORANGE = (
    *("#002552", "#033571", "#034793", "#3e5a9b", "#616d9b", "#848484"),
    *("#b8926c", "#daa369", "#fcb669", "#fed3a9", "#ffeedf"),
)
_PURPLE_GREEN = (
    *("#47014e", "#63016c", "#722b78", "#7f4882", "#886389", "#848484"),
    *("#89a072", "#94b972", "#a1d276", "#afec7b", "#d0ffa4"),
)
_NUM_COLORS = 257  # zero is one of them

MAPS: dict[FieldKind, Colormap] = {
    "signed": LinearSegmentedColormap.from_list("signed", _BLUE_ORANGE, _NUM_COLORS),
    "one sign": matplotlib.colormaps["viridis"],
    "error": LinearSegmentedColormap.from_list("error", _PURPLE_GREEN, _NUM_COLORS),
}


def luminance(colors: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Relative luminance Y of sRGB colours in [0, 1]: what a copy in grey keeps."""
    linear = np.where(colors > 0.04045, ((colors + 0.055) / 1.055) ** 2.4, colors / 12.92)
    return linear @ np.array([0.2126, 0.7152, 0.0722])
