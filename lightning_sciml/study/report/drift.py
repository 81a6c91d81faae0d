"""Drift of energy and enstrophy in rollouts, and violations of the budgets that equations give."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lightning_sciml.shards.figure_style import REFERENCE, WIDTH, styled, title_figure
from lightning_sciml.study.report.figure_keys import add_key
from lightning_sciml.study.report.lead_curves import LeadCurve, by_set_and_model, few_some_many
from lightning_sciml.study.report.lead_times import draw_line, known_curves
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.plotting import set_title
from lightning_sciml.study.report.sections import Findings
from lightning_sciml.study.report.styles import Styles

TITLES = {
    "error": "error of the {}, relative",
    "budget": "violation of the budget of {} in a step, relative to the initial {}",
}


def drift_section(page: Page, found: Findings) -> None:
    """Add a figure for each test set whose equation has a budget, where there are rollouts."""
    own = [c for c in known_curves(found) if all(rollout.drift for rollout in c.rollouts)]
    if not own:
        return
    page.heading("Drift of energy and enstrophy in rollouts")
    page.note(
        "Left: |Q(û) - Q(u)| / Q(u). Right: |Q(û(t + Δ)) - Q(û(t)) - ∫ dQ/dt| / Q(u(0)), with the "
        "rate that the equation gives and the trapezoidal rule; black: the same of the reference, "
        "which is the error of that rule. Mean over trajectories within all bounds, then over "
        "replicates; the middle number of downstream samples."
    )
    for name, title, of_set in by_set_and_model(own, found.styles):
        numbers = few_some_many(of_set)
        number = numbers[len(numbers) // 2]
        shown = [c for c in of_set if c.num_samples in (0, number)]
        figure = drift_figure(shown, found.styles)
        title_figure(figure, title)
        page.figure(f"rollout_drift_{name}", figure)


@styled
def drift_figure(own: Sequence[LeadCurve], styles: Styles) -> Figure:
    """Draw a row for each invariant: its error, and the violation of its budget."""
    first = own[0].rollouts[0].drift
    names = [name.removesuffix("_error") for name in first if name.endswith("_error")]
    figure = Figure(figsize=(WIDTH, 2.1 * len(names)), layout="constrained")
    all_axes = figure.subplots(len(names), 2, squeeze=False)
    for row, name in zip(all_axes, names, strict=True):
        for axes, (kind, title) in zip(row, TITLES.items(), strict=True):
            for curve in own:
                draw_line(axes, curve, curve.drift(f"{name}_{kind}"), styles)
            axes.set_yscale("log")
            set_title(axes, title.format(*[name] * 2))
        of_reference = own[0].drift(f"{name}_budget_of_reference").mean(axis=0)
        row[1].plot(own[0].lead_times, of_reference, label="reference", **REFERENCE)
    for axes in all_axes[-1]:
        axes.set_xlabel("lead time")
    reference = Line2D([], [], **REFERENCE)
    arms = [curve.arm for curve in own]
    add_key(figure, list(all_axes.ravel()), styles, arms, {"": {"reference": reference}})
    return figure
