"""Spectra of rollouts: predictions of all arms and the reference, at a few lead times."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lightning_sciml.errors import InputError
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.figure_style import REFERENCE, styled, title_figure
from lightning_sciml.shards.titles import words
from lightning_sciml.study.execution.results import Arm
from lightning_sciml.study.report.figure_keys import add_key
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.plotting import error_panels
from lightning_sciml.study.report.sections import Findings
from lightning_sciml.study.report.shown_runs import shown_rollouts
from lightning_sciml.study.report.styles import Styles

_FLOOR = 1e-11  # of the largest energy: what is below is rounding to float32
Spectra = Mapping[str, Mapping[float, Float[np.ndarray, "R 3"]]]
"""Rows of wavenumber, energy of the reference and of the prediction, by field and lead time."""


def spectra_section(page: Page, found: Findings) -> None:
    """Add a figure for each test set and field, where runs are tested by rollouts."""
    shown = shown_rollouts(found)
    if not shown:
        return
    page.heading("Spectra of rollouts")
    page.note(
        "Energy in rings of wavenumbers, mean over the trajectories within all bounds and over "
        "replicates; reference in black. Largest model, and the middle number of downstream "
        "samples."
    )
    for dataset, rows in shown.items():
        of_arms: dict[Arm, list[Spectra]] = {}
        for row in rows:
            path = RunFolder(found.study.run_dir(row.run)).tests / f"{dataset}-rollout-spectra.csv"
            try:
                of_arms.setdefault(row.arm, []).append(read_spectra(path))
            except InputError as error:
                page.note(str(error))
        known = {arm: spectra for arm, spectra in of_arms.items() if any(spectra)}
        fields = found.manifests[dataset].target_fields if known else ()
        for field in fields:
            figure = spectra_figure(known, field, found.styles)
            title_figure(figure, f"{found.styles.title(dataset)}: {words(field)}")
            own = f"_{field}" if len(fields) > 1 else ""
            page.figure(f"rollout_spectra_{dataset}{own}", figure)


def read_spectra(path: Path) -> Spectra:
    """Read the spectra that ``sciml test`` has written of the rollouts of one data set.

    Raises:
        InputError: the file is missing or damaged.
    """
    found: dict[str, dict[float, list[list[float]]]] = {}
    try:
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                numbers = [float(row[name]) for name in ("wavenumber", "reference", "prediction")]
                of_field = found.setdefault(row["field"], {})
                lead_time = float(f"{float(row['lead_time']):.6g}")  # differences of times round
                of_field.setdefault(lead_time, []).append(numbers)
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}); remove its run to do it again"
        ) from error
    return {name: {t: np.array(rows) for t, rows in of.items()} for name, of in found.items()}


@styled
def spectra_figure(of_arms: Mapping[Arm, Sequence[Spectra]], field: str, styles: Styles) -> Figure:
    """Draw a panel for each lead time: the reference, and the mean over replicates of each arm."""
    times = sorted({t for arm in of_arms.values() for one in arm for t in one.get(field, {})})
    figure, all_axes = error_panels(max(1, len(times)), sharey=True)
    for axes, time in zip(all_axes, times, strict=False):
        tables = {
            arm: [one[field][time] for one in spectra if time in one.get(field, {})]
            for arm, spectra in of_arms.items()
        }
        _draw(axes, {arm: np.mean(own, axis=0) for arm, own in tables.items() if own}, styles)
        axes.set_title(f"after {time:.3g}")
        axes.set_xlabel("|k| / 2π")
    all_axes[0].set_ylabel("energy in the ring")
    known = {"": {"reference": Line2D([], [], **REFERENCE)}}
    add_key(figure, all_axes, styles, list(of_arms), known)
    return figure


def _draw(axes: Axes, tables: Mapping[Arm, Float[np.ndarray, "R 3"]], styles: Styles) -> None:
    wavenumbers, reference, _ = next(iter(tables.values())).T
    axes.plot(wavenumbers, reference, label="reference", **REFERENCE)
    for arm, (own_wavenumbers, _, energy) in ((arm, table.T) for arm, table in tables.items()):
        every, label = max(1, len(energy) // 5), styles.label(arm)
        axes.plot(own_wavenumbers, energy, label=label, markevery=every, **styles.look(arm))
    axes.set_yscale("log")
    axes.set_ylim(bottom=_FLOOR * float(reference.max()))
