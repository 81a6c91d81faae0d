"""Titles of figures: "Poisson, λ ∈ (5, 10)" for the data set poisson_5_10."""

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lightning_sciml.plain_text import for_figure
from lightning_sciml.shards.manifest import Manifest

# Equation: its name, and the ranges that distinguish data sets of it, symbols by option.
EQUATIONS = {
    "poisson": ("Poisson", {"eigenvalue": "λ"}),
    "advection_diffusion": ("advection-diffusion", {"advection_diffusion_ratio": "Ψ"}),
    "helmholtz": ("Helmholtz", {"omega": "ω"}),
    "heat": ("heat", {"eigenvalue": "λ"}),
    "unsteady_advection_diffusion": (
        "unsteady advection-diffusion",
        {"advection_diffusion_ratio": "Ψ"},
    ),
    "wave": ("wave", {"c": "c"}),
    "burgers": ("Burgers", {"nu": "ν"}),
    "navier_stokes": ("Navier-Stokes", {"nu": "ν"}),
    "forced_navier_stokes": ("forced Navier-Stokes", {"nu": "ν"}),
    "kolmogorov_flow": ("Kolmogorov flow", {"nu": "ν"}),
    "kuramoto_sivashinsky": ("Kuramoto-Sivashinsky", {"side": "side"}),
    "allen_cahn": ("Allen-Cahn", {"nu": "ν"}),
    "fisher_kpp": ("Fisher-KPP", {"nu": "ν", "r": "r"}),
    "swift_hohenberg": ("Swift-Hohenberg", {"r": "r", "g": "g"}),
    "gray_scott": ("Gray-Scott", {"feed": "F", "kill": "k"}),
    "darcy": ("Darcy flow", {"contrast": "contrast"}),
}
SYMBOLS = {
    option: symbol for _, symbols in EQUATIONS.values() for option, symbol in symbols.items()
}
_NO_BREAK = "\u00a0"
_WALLS = {("dirichlet",) * 2: "Dirichlet ", ("neumann",) * 2: "Neumann "}


def words(name: str) -> str:
    """Write a name as words."""
    return for_figure(name.replace("_", " "))


def symbol(name: str) -> str:
    """Write a coefficient as its symbol, or its name as words."""
    return SYMBOLS.get(name) or words(name)


def title(manifest: Manifest) -> str:
    """Name equation, walls and range if the configuration has them, else the set by its name."""
    walls = _WALLS.get(manifest.grid.boundary, "")
    return title_of(manifest.name, manifest.equation, manifest.config, walls)


def title_of(name: str, equation: str, config: Mapping[str, Any], walls: str = "") -> str:
    """Name a data set as `title`, without its manifest.

    Args:
        name: of the data set.
        equation: its name.
        config: of the generator.
        walls: what stands before the equation.
    """
    ranges = config.get("coefficients") or config.get("diffusivity")
    options: Any = ranges.get("init_args") if isinstance(ranges, Mapping) else None
    if equation not in EQUATIONS or not isinstance(options, Mapping):
        return for_figure(name)
    in_words, symbols = EQUATIONS[equation]
    limits: dict[str, Any] = {symbol: options.get(option) for option, symbol in symbols.items()}
    if not all(map(_is_range, limits.values())):
        return for_figure(name)
    return ", ".join([f"{walls}{in_words}", *(_range(*pair) for pair in limits.items())])


def _is_range(limits: Any) -> bool:
    return isinstance(limits, list) and all(isinstance(x, (int, float)) for x in limits)


def _range(symbol: str, limits: Sequence[float]) -> str:
    if len({*limits}) == 1:
        return f"{symbol} = {limits[0]:g}"
    return f"{symbol} ∈ ({', '.join(f'{x:g}' for x in limits)})"


def titles(manifests: Mapping[str, Manifest]) -> dict[str, str]:
    """Return titles by name of the data set; equal titles get the name as well."""
    found = {name: title(manifest) for name, manifest in manifests.items()}
    number = Counter(found.values())
    return {n: t if number[t] == 1 else f"{t} ({for_figure(n)})" for n, t in found.items()}


def wrapped(text: str, most_letters: int) -> str:
    """Break a title into lines, not within a range such as "λ ∈ (1, 5)"."""
    whole = re.sub(r"\S+ ∈ \([^)]*\)", lambda match: match[0].replace(" ", _NO_BREAK), text)
    return "\n".join(textwrap.wrap(whole, most_letters)).replace(_NO_BREAK, " ")


def time_labels(times: Sequence[float]) -> list[str]:
    """Write times as "t = 0.25", with as many digits as tell them apart."""
    for digits in range(3, 18):
        labels = [f"t = {time:.{digits}g}" for time in times]
        if len({*labels}) == len(times):
            break
    return labels


def numbers(names: Sequence[str], values: Iterable[float]) -> list[str]:
    """Write the coefficients of a sample as "ν = 0.01"."""
    return [f"{symbol(name)} = {value:.3g}" for name, value in zip(names, values, strict=True)]
