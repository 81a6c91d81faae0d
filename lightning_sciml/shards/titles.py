"""Titles of figures: "Poisson, λ ∈ (5, 10)" for the data set poisson_5_10."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from lightning_sciml.plain_text import for_figure
from lightning_sciml.shards.manifest import Manifest

# Equation: its name, and the range that distinguishes data sets of it, by option and by symbol.
EQUATIONS = {
    "poisson": ("Poisson", "eigenvalue", "λ"),
    "advection_diffusion": ("advection-diffusion", "advection_diffusion_ratio", "Ψ"),
    "helmholtz": ("Helmholtz", "omega", "ω"),
}


def words(name: str) -> str:
    """Write a name as words."""
    return for_figure(name.replace("_", " "))


def title(manifest: Manifest) -> str:
    """Name equation and range if the configuration has them, else the data set."""
    coefficients = manifest.config.get("coefficients")
    options: Any = coefficients.get("init_args") if isinstance(coefficients, Mapping) else None
    if manifest.equation not in EQUATIONS or not isinstance(options, Mapping):
        return words(manifest.name)
    equation, option, symbol = EQUATIONS[manifest.equation]
    limits = options.get(option)
    if not isinstance(limits, list) or not all(isinstance(x, (int, float)) for x in limits):
        return words(manifest.name)
    return f"{equation}, {symbol} ∈ ({', '.join(f'{x:g}' for x in limits)})"


def titles(manifests: Mapping[str, Manifest]) -> dict[str, str]:
    """Return titles by name of the data set; equal titles get the name as well."""
    found = {name: title(manifest) for name, manifest in manifests.items()}
    number = Counter(found.values())
    return {n: t if number[t] == 1 else f"{t} ({words(n)})" for n, t in found.items()}
