"""Errors of rollouts by lead time: a figure and a table for each test set."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_sciml.plain_text import counted
from lightning_sciml.shards.figure_style import styled
from lightning_sciml.study.execution.rollout_results import Number, Rollout
from lightning_sciml.study.report.curves import curves
from lightning_sciml.study.report.figure_keys import add_key
from lightning_sciml.study.report.lead_curves import (
    BLOWN_UP,
    LeadCurve,
    by_set_and_model,
    few_some_many,
    lead_curves,
    rollout_error,
)
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.plotting import ERROR, error_panels
from lightning_sciml.study.report.sections import NEEDED, Findings, needed_by_target
from lightning_sciml.study.report.styles import Styles

WINDOWS = ("6:12", "13:30")


def lead_time_section(page: Page, found: Findings) -> None:
    """Add errors of rollouts against lead time, and a table of them, where there are rollouts."""
    own = known_curves(found)
    if not own:
        return
    page.heading("Error of rollouts against lead time")
    page.note(
        "Rollouts of the test trajectories from their first states on, each step from the "
        "predictions before it; mean over trajectories, then over replicates. A trajectory that "
        "has left all bounds is out of the mean from that lead time on, of which × marks the "
        "first; a line ends where a replicate has none left. The table has relative L² over all "
        "steps, VRMSE over the steps 6 to 12 and 13 to 30, both ends included, as The Well has it, "
        "the median time until the correlation falls below 0.8, and blown up: the trajectories "
        "that leave all bounds, of those of all replicates."
    )
    for name, title, of_set in by_set_and_model(own, found.styles):
        page.figure(f"error_by_lead_time_{name}", lead_figure(of_set, found, title))
        header, *rows = lead_table(of_set, found.styles)
        page.table([title, *header], rows)


def known_curves(found: Findings) -> list[LeadCurve]:
    """List the rollouts of arms that have a style: those with an error on windows, too."""
    known = {curve.arm for curve in found.curves}
    return [curve for curve in lead_curves(found.rows) if curve.arm in known]


@styled
def lead_figure(own: Sequence[LeadCurve], found: Findings, title: str) -> Figure:
    """Draw a panel for few, some and many downstream samples: a line with its band an arm."""
    numbers = few_some_many(own)
    figure, all_axes = error_panels(len(numbers), sharey=True)
    for axes, number in zip(all_axes, numbers, strict=True):
        for curve in (c for c in own if c.num_samples in (0, number)):
            draw_line(axes, curve, curve.errors, found.styles)
        axes.set_yscale("log")
        axes.set_title(counted(number, "downstream sample") if number else "zero-shot")
        axes.set_xlabel("lead time")
    all_axes[0].set_ylabel(f"{ERROR} of rollouts")
    figure.suptitle(title)
    add_key(figure, all_axes, found.styles, [c.arm for c in own])
    return figure


def draw_line(
    axes: Axes, curve: LeadCurve, values: Float[np.ndarray, "R K"], styles: Styles
) -> None:
    """Draw values of the replicates as their mean and band; × where a rollout is left first."""
    look = styles.look(curve.arm)
    color = look["color"]
    mean, (low, high) = curve.mean_and_band(values)
    x = np.array(curve.lead_times)
    if len(curve.replicates) > 1:
        axes.fill_between(x, low, high, color=color, alpha=0.15, lw=0)
    every = max(1, len(x) // 4)
    axes.plot(x, mean, label=styles.label(curve.arm), markevery=every, **look)
    if (step := curve.first_left) is not None and not np.isnan(mean[step]):
        axes.plot(x[step], mean[step], "x", color=color, ms=6)


def lead_table(own: Sequence[LeadCurve], styles: Styles) -> list[list[str]]:
    """Tabulate rollouts by arm and downstream samples; the first row names all columns but one."""
    windows = [w for w in WINDOWS if any(w in r.windows for c in own for r in c.rollouts)]
    errors = ["relative L²", "at the last step", *(f"VRMSE {window}" for window in windows)]
    rows = [["n", *errors, "correlation ≥ 0.8 until", "blown up"]]
    rows += [
        [
            styles.label(curve.arm),
            f"{curve.num_samples:,}",
            curve.cell(lambda rollout: rollout.mean_relative_l2),
            curve.cell(lambda rollout: rollout.relative_l2[-1]),
            *(curve.cell(_vrmse_in(window)) for window in windows),
            _correlation(curve),
            f"{curve.num_blown_up:,} of {sum(r.num_samples for r in curve.rollouts):,}",
        ]
        for curve in own
    ]
    return rows


def _vrmse_in(window: str) -> Callable[[Rollout], Number]:
    return lambda rollout: rollout.windows.get(window, {}).get("vrmse")


def _correlation(curve: LeadCurve) -> str:
    """Write the mean of the medians; at least that where one of them is a lower bound."""
    bound = "≥ " if any(rollout.is_correlated for rollout in curve.rollouts) else ""
    cell = curve.cell(lambda rollout: rollout.correlation_time)
    return cell if cell == "-" else bound + cell


def rollout_needed_section(page: Page, found: Findings) -> None:
    """Add the samples that arms need for an error of rollouts."""
    known = {curve.arm for curve in found.curves}
    own = [c for c in curves(found.rows, rollout_error) if c.arm in known]
    if rows := needed_by_target(own, found, useless=BLOWN_UP):
        page.heading("Samples needed for an error of rollouts")
        page.note(
            "As above, of the relative L² error over all steps of the rollouts. A run counts with "
            f"an error of {BLOWN_UP:g} where one of its rollouts leaves all bounds; where scratch "
            "does so at its best, that error is no target."
        )
        page.table(NEEDED, rows)
