"""One test sample of each set as several arms predict it: fields, error, PDE residual, spectra."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_sciml.evaluation.sample_fields import SampleFields, alike
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.named_equation import named_equation
from lightning_sciml.pde.residual import residual
from lightning_sciml.pde.walls import has_continuation
from lightning_sciml.plain_text import for_figure
from lightning_sciml.shards.color_maps import MAPS
from lightning_sciml.shards.field_panels import BAR, color_scale, draw_panel, panel_size
from lightning_sciml.shards.figure_style import (
    ERROR,
    PREDICTION,
    REFERENCE,
    SMALL,
    draw_grid,
    styled,
)
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.spectra import ring_energies
from lightning_sciml.shards.titles import numbers, title, words
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.sections import Findings
from lightning_sciml.study.report.shown_runs import kept_samples, shown_runs

MOST_RUNS = 40
_SIDE = 0.35  # inches, of the labels of rows
_LETTERS = 80  # of a line of coefficients


class Shown(NamedTuple):
    """What is drawn of a sample: one output field at its last step.

    Attributes:
        inputs: two at most, with their names; of an evolution that field's last state first.
        source: f, the first input.
        reference: u.
        prediction: û.
        symbol: name of the field, with the lead time.
        coefficients: of the sample.
        sample_index: of the sample.
    """

    inputs: list[tuple[Float[np.ndarray, "H W"], str]]
    source: Float[np.ndarray, "H W"]
    reference: Float[np.ndarray, "H W"]
    prediction: Float[np.ndarray, "H W"]
    symbol: str
    coefficients: Float[np.ndarray, " c"]
    sample_index: int

    @classmethod
    def of(cls, sample: SampleFields, name: str) -> Self:
        """Take a field of a sample."""
        field, lead_time = sample.output_fields.index(name), sample.lead_times[-1]
        named = zip(sample.inputs, sample.input_fields, strict=True)
        inputs = sorted(named, key=lambda pair: pair[1] != name)
        return cls(
            inputs=[(values, words(called)) for values, called in inputs[:2]],
            source=sample.inputs[0],
            reference=sample.reference[-1, field],
            prediction=sample.prediction[-1, field],
            symbol=words(name) + (f" after {lead_time:.3g}" if lead_time else ""),
            coefficients=sample.coefficients,
            sample_index=sample.sample_index,
        )


def samples_section(page: Page, found: Findings) -> None:
    """Add one figure for each test set, of the arms whose test has kept fields."""
    page.heading("One test sample of each set")
    page.note(
        "The same sample for all arms of the largest model, with the fewest downstream samples. "
        "Arms that are tested on other windows than the first are left out. "
        "Residuals show what derivatives make of an error; colour scales are shared in a column."
    )
    tested = [row for row in found.rows if row.run.init != Init.PRETRAIN]
    for dataset, rows in shown_runs(tested, fewest=True).items():
        samples = kept_samples(page, found, rows[:MOST_RUNS], most=MOST_RUNS)
        if samples:
            fields = found.manifests[dataset].target_fields
            for field in fields:
                figure = sample_panels(samples, found.manifests[dataset], field)
                own = f"_{field}" if len(fields) > 1 else ""
                page.figure(f"samples_{dataset}{own}", figure, is_photo=True)


@styled
def sample_panels(samples: Mapping[str, SampleFields], manifest: Manifest, name: str) -> Figure:
    """Draw inputs and reference, then prediction, error, residual and spectra of each arm.

    Args:
        samples: by label of the arm. Arms with another reference than the first are left out.
        manifest: of the test set; without a steady equation there is no residual.
        name: of the output field; of an evolution its last step is drawn.
    """
    shown = {label: Shown.of(sample, name) for label, sample in alike(samples).items()}
    first, lengths = next(iter(shown.values())), manifest.grid.lengths
    residuals = _residuals(shown, manifest)
    num_columns = 4 if residuals else 3
    height, width = panel_size(lengths, num_columns, side=_SIDE)
    size = (_SIDE + num_columns * (width + BAR), 0.3 + (height + 0.44) * (1 + len(shown)))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1 + len(shown), num_columns)
    colors = color_scale(first.reference)
    _draw_first_row(axes[0], first, lengths, colors)
    for axis, one in zip(axes[1:, 0], shown.values(), strict=True):
        draw_panel(axis, one.prediction, lengths, colors, "prediction")
    errors = [one.prediction - one.reference for one in shown.values()]
    _draw_shares(axes[1:, 1], errors, "error û − u", (first.reference, "‖u‖"), lengths)
    if residuals:
        of_source = (first.source, "‖f‖")
        _draw_shares(axes[1:, 2], residuals, "residual Lû − f", of_source, lengths)
    for axis, (label, one) in zip(axes[1:], shown.items(), strict=True):
        axis[0].set_ylabel(for_figure(label), fontsize=SMALL)
        _draw_spectra(axis[-1], one, manifest.grid)
    axes[1, -1].set_title("energy in ring,\nshare of ‖u‖²", fontsize=SMALL)
    handles, labels = axes[1, -1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=3)
    axes[-1, -1].set_xlabel("|k| / 2π")
    told = ", ".join(numbers(manifest.coefficient_names, first.coefficients))
    whole = f"{title(manifest)}: test sample {first.sample_index}"
    figure.suptitle("\n".join([whole, *textwrap.wrap(told, _LETTERS)]))
    return figure


def _draw_first_row(
    row: Sequence[Axes], first: Shown, lengths: tuple[float, float], colors: dict[str, Any]
) -> None:
    """Draw the inputs, and the reference in the column behind the first."""
    for axis in row:
        axis.set_axis_off()
    for axis, (field, title_of) in zip((row[0], row[-1]), first.inputs, strict=False):
        draw_panel(axis, field, lengths, color_scale(field), title_of)
    draw_panel(row[1], first.reference, lengths, colors, f"reference {first.symbol}")


def _residuals(shown: Mapping[str, Shown], manifest: Manifest) -> list[np.ndarray]:
    """Compute Lû - f of each sample in float64; none where no steady equation is known."""
    equation = named_equation(manifest.equation, manifest.equation_parameters)
    boundary = manifest.grid.boundary
    if equation is None or manifest.is_evolution or not has_continuation(boundary):
        return []
    values = ((s.prediction, s.source, s.coefficients) for s in shown.values())
    return [residual(equation, *(v.astype(float) for v in of), boundary=boundary) for of in values]


def _draw_shares(
    column: Sequence[Axes],
    fields: Sequence[np.ndarray],
    name: str,
    whole: tuple[np.ndarray, str],
    lengths: tuple[float, float],
) -> None:
    """Draw fields on one colour scale; each title has the field's norm as a share of `whole`'s."""
    limit = max((float(np.quantile(np.abs(field), 0.995)) for field in fields), default=1.0)
    color = {"cmap": MAPS["error"], "vmin": -limit, "vmax": limit}
    for axes, field in zip(column, fields, strict=True):
        share = np.linalg.norm(field) / np.linalg.norm(whole[0])
        draw_panel(axes, field, lengths, color, f"{name}:\n{share:.3g} of {whole[1]}")


def _draw_spectra(axes: Axes, sample: Shown, grid: Grid) -> None:
    """Draw the energy in rings of |k| of reference, prediction and error, as shares of ‖u‖²."""
    error = sample.prediction - sample.reference
    whole = float((sample.reference.astype(float) ** 2).mean())
    curves = (
        ("reference", sample.reference, REFERENCE),
        ("prediction", sample.prediction, PREDICTION),
        ("error", error, ERROR),
    )
    for name, field, look in curves:
        share = ring_energies(field.astype(float), grid) / whole
        wavenumbers = np.arange(len(share)) / max(grid.lengths)
        axes.plot(wavenumbers, share, label=name, **look)
    axes.set_yscale("log")
    axes.set_ylim(1e-13, 2)
    axes.set_yticks([1e-12, 1e-8, 1e-4, 1])
    draw_grid(axes)
