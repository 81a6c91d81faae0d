"""The figure of errors against costs: networks as markers, variants of a solver as lines."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lightning_sciml.shards.axis_ticks import label_log_axis
from lightning_sciml.shards.figure_style import SMALL, styled
from lightning_sciml.shards.titles import words
from lightning_sciml.study.execution.costs import SetCosts, SolverCost
from lightning_sciml.study.report.break_even import front
from lightning_sciml.study.report.comparisons import Comparison
from lightning_sciml.study.report.figure_keys import Entries, add_key
from lightning_sciml.study.report.plotting import error_panels, set_title
from lightning_sciml.study.report.styles import Styles

MARKERS = "oD^svP*X"  # of models
DASHES = (0, (4, 3))
GREYS = ("#222222", "#6e6e6e", "#a0a0a0", "#c8c8c8")  # of grids, from the finest on
_LEAST_AREA, _MORE_AREA = 9.0, 30.0  # of markers, by samples


@styled
def error_by_cost(
    compared: Sequence[Comparison], costs: Mapping[str, SetCosts], styles: Styles
) -> Figure:
    """Draw a panel for each test set, both axes logarithmic; larger markers have more samples."""
    figure, all_axes = error_panels(len(costs), height=2.4)
    models = list(dict.fromkeys(c.curve.arm.model for c in compared))
    for axes, (dataset, of_set) in zip(all_axes, costs.items(), strict=False):
        _draw_solver(axes, list(of_set.solver.values()))
        for c in (c for c in compared if c.curve.dataset == dataset):
            look = styles.look(c.curve.arm)
            if len(models) > 1:
                look["marker"] = MARKERS[models.index(c.curve.arm.model) % len(MARKERS)]
            _draw_network(axes, c, {**look, "ls": "", "label": styles.label(c.curve.arm)})
        axes.set_xscale("log")
        axes.set_yscale("log")
        set_title(axes, styles.title(dataset))
        axes.set_xlabel("seconds of a core a solve")
        label_log_axis(axes.xaxis)
    arms = [c.curve.arm for c in compared]
    add_key(figure, all_axes, styles, arms, _others(models))
    return figure


def _others(models: Sequence[str]) -> dict[str, Entries]:
    """Return further parts of the legend: the solver, and models where there are several."""
    solver: dict[str, Entries] = {
        "Solver": {"best of all": Line2D([], [], color="black", lw=2, alpha=0.55)}
    }
    if len(models) == 1:
        return solver
    looks: list[dict[str, Any]] = [{"marker": m, "color": "#444444", "ls": ""} for m in MARKERS]
    of_models = {
        words(name): Line2D([], [], **look) for name, look in zip(models, looks, strict=False)
    }
    return {**solver, "Model": of_models}


def _draw_solver(axes: Axes, solver: Sequence[SolverCost]) -> None:
    """Draw a line for each grid, dashed in float32, and the front over all of them."""
    lines: dict[str, list[SolverCost]] = {}
    for variant in solver:
        lines.setdefault(variant.line, []).append(variant)
    grids = list(dict.fromkeys(line.partition(",")[0] for line in lines))
    for line, variants in lines.items():
        color = GREYS[min(grids.index(line.partition(",")[0]), len(GREYS) - 1)]
        dashes = DASHES if line.endswith("float32") else "-"
        elapsed_s, errors = _points(variants)
        axes.plot(elapsed_s, errors, ".", ls=dashes, color=color, lw=0.8, ms=2.5)
        if elapsed_s and dashes == "-" and len(grids) > 1:
            axes.annotate(
                line.partition(",")[0],
                (elapsed_s[-1], errors[-1]),
                xytext=(2, 3),
                textcoords="offset points",
                fontsize=SMALL,
                color="#444444",
            )
    best = front(solver)
    axes.plot(*_points(best), "-", color="#000000", lw=2.0, alpha=0.55, label="best solvers")


def _points(variants: Sequence[SolverCost]) -> tuple[list[float], list[float]]:
    stable = [(float(np.median(v.elapsed_s)), v.error) for v in variants if v.error]
    return [elapsed_s for elapsed_s, _ in stable], [error for _, error in stable]


def _draw_network(axes: Axes, compared: Comparison, look: Mapping[str, Any]) -> None:
    """Draw one network, with the band of its error and the extremes of its time."""
    curve, column = compared.curve, compared.column
    low, high = curve.band[:, column]
    seconds, error = compared.network, compared.error
    share = column / max(1, len(curve.num_samples) - 1)
    axes.errorbar(
        seconds.median,
        error,
        xerr=[[seconds.median - seconds.low], [seconds.high - seconds.median]],
        yerr=[[max(0.0, error - low)], [max(0.0, high - error)]],
        ms=np.sqrt(_LEAST_AREA + _MORE_AREA * share),
        alpha=0.8,
        **look,
    )
