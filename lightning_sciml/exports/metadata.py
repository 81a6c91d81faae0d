"""What a graph says of itself: its problem, the ranges it was trained on, its operator."""

import math
from importlib.metadata import version
from typing import Any

from lightning_sciml.exports.named_operator import NamedOperator
from lightning_sciml.json_files import json_text


def metadata(named: NamedOperator, smallest: tuple[int, int]) -> dict[str, str]:
    """Return texts by name, of which all but `lightning_sciml` are JSON.

    Keys are lightning_sciml (the version), problem (its equation with parameters, the range of each
    coefficient in the training, the grid of the training with its lengths and boundaries, names of
    fields), smallest_grid (points along y and x) and operator (network, normalisation, coordinates
    and what else it does inside).
    """
    operator = named.operator.describe().plain()
    problem = next(p for p in operator.pop("problems") if p["name"] == named.problem.name)
    for name, bounds in problem["ranges"].items():  # JSON has no infinity: it was not recorded
        problem["ranges"][name] = [bound if math.isfinite(bound) else None for bound in bounds]
    told: dict[str, Any] = {
        "problem": problem,
        "smallest_grid": list(smallest),
        "operator": operator,
    }
    return {
        "lightning_sciml": version("lightning_sciml"),
        **{name: json_text(value).strip() for name, value in told.items()},
    }


def input_texts(named: NamedOperator) -> dict[str, str]:
    """Say of each input what it is, for those who look at the graph."""
    texts = dict.fromkeys(named.fields, "(batch, y, x)")
    for name in named.numbers:
        low, high = named.problem.ranges[name]
        texts[name] = f"(batch,), in the training {low:.6g} … {high:.6g}"
    return texts
