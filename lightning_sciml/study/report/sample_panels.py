"""One test sample of each set as several arms predict it: fields, error, PDE residual, spectra."""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.residual import residual
from lightning_sciml.pde.steady import named_equation
from lightning_sciml.plain_text import for_figure
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.spectra import ring_energies
from lightning_sciml.shards.titles import title
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import ResultRow
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.sections import Findings

STORED = ("inputs", "reference", "prediction", "coefficients", "sample_index")
MOST_RUNS = 40
Sample = Mapping[str, np.ndarray]


def load_sample(path: Path) -> dict[str, np.ndarray]:
    """Load the first of the samples whose fields ``sciml test`` has kept.

    Raises:
        InputError: the file is damaged; pickled objects in it are not loaded.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            kept = {name: file[name][0] for name in STORED}
    except (OSError, ValueError, EOFError, KeyError, IndexError, BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}); remove its run to do it again"
        ) from error
    shown = {"source": kept["inputs"][0]}
    return kept | shown | {name: kept[name][0, 0] for name in ("reference", "prediction")}


def samples_section(page: Page, found: Findings) -> None:
    """Add one figure for each test set, of the arms whose test has kept fields."""
    page.heading("One test sample of each set")
    page.note(
        "The same sample for all arms of the largest model, with the fewest downstream samples. "
        "Residuals show what derivatives make of an error; colour scales are shared in a column."
    )
    tested = [r for r in found.rows if r.run.init != Init.PRETRAIN and r.is_selected]
    for dataset in dict.fromkeys(r.dataset for r in tested):
        samples: dict[str, Sample] = {}
        for row in _shown([r for r in tested if r.dataset == dataset]):
            label = found.styles.label(row.arm, in_words=True).replace("; ", "\n")
            label += f"\n{row.run.num_samples} samples" if row.run.num_samples else ""
            paths = RunFolder(found.study.run_dir(row.run)).tests.glob("*.npz")
            for path in list(paths)[:1] if label not in samples else ():
                try:
                    samples[label] = load_sample(path)
                except InputError as error:
                    page.note(str(error))
        if samples:
            figure = sample_panels(samples, found.manifests[dataset])
            page.figure(f"samples_{dataset}", figure, is_photo=True)


def _shown(rows: Sequence[ResultRow]) -> list[ResultRow]:
    largest = max(rows, key=lambda r: r.result.num_parameters).run.model  # whatever its channels
    own = [r for r in rows if r.run.model == largest]
    fewest = min((r.run.num_samples for r in own if r.run.num_samples), default=0)
    shown = [r for r in own if r.run.num_samples in (0, fewest)]
    order = list(Init)
    shown.sort(key=lambda r: (order.index(r.run.init), r.arm, r.replicate))
    return shown[:MOST_RUNS]


def sample_panels(samples: Mapping[str, Sample], manifest: Manifest) -> Figure:
    """Draw source and reference, then prediction, error, residual and spectra of each arm.

    Args:
        samples: by label of the arm, as ``load_sample`` gives them; the same sample for all.
        manifest: of the test set; without an equation there is no residual.
    """
    first = next(iter(samples.values()))
    source, reference = first["source"], first["reference"]
    limit = float(np.abs(reference).max())
    figure = Figure(figsize=(12.5, 2.75 * (1 + len(samples))), layout="constrained")
    axes = figure.subplots(1 + len(samples), 4)
    _draw(axes[0, 0], source, float(np.abs(source).max()), "source f")
    _draw(axes[0, 1], reference, limit, "reference u")
    _write_coefficients(axes[0, 2], first, manifest)
    axes[0, 3].set_axis_off()
    for axis, sample in zip(axes[1:, 0], samples.values(), strict=True):
        _draw(axis, sample["prediction"], limit, "prediction û")
    errors = [s["prediction"] - s["reference"] for s in samples.values()]
    _draw_shares(axes[1:, 1], errors, "error û − u", reference, "‖u‖")
    _draw_shares(axes[1:, 2], _residuals(samples, manifest), "residual Lû − f", source, "‖f‖")
    for axis, (label, sample) in zip(axes[1:], samples.items(), strict=True):
        axis[0].set_ylabel(for_figure(label), fontsize=9)
        _draw_spectra(axis[3], sample, manifest.grid)
    figure.suptitle(f"{title(manifest)}: test sample {int(first['sample_index'])}")
    return figure


def _residuals(samples: Mapping[str, Sample], manifest: Manifest) -> list[np.ndarray]:
    """Compute Lû - f of each sample in float64; none where no equation is known."""
    equation = named_equation(manifest.equation, manifest.equation_parameters)
    if equation is None:
        return []
    names = ("prediction", "source", "coefficients")
    return [residual(equation, *(s[n].astype(float) for n in names)) for s in samples.values()]


def _draw_shares(
    column: Sequence[Axes], fields: Sequence[np.ndarray], name: str, whole: np.ndarray, norm: str
) -> None:
    """Draw fields on one colour scale; each title has the field's norm as a share of `whole`'s."""
    limit = max((float(np.quantile(np.abs(field), 0.995)) for field in fields), default=1.0)
    for axes in column[len(fields) :]:
        axes.set_axis_off()
    for axes, field in zip(column, fields, strict=False):
        share = np.linalg.norm(field) / np.linalg.norm(whole)
        _draw(axes, field, limit, f"{name}: {share:.3g} of {norm}")


def _draw(axes: Axes, field: Float[np.ndarray, "N N"], limit: float, title: str) -> None:
    image = axes.imshow(
        field, origin="lower", extent=(0, 1, 0, 1), cmap="RdBu_r", vmin=-limit, vmax=limit
    )
    axes.set_title(title, fontsize=9)
    axes.set(xticks=[0, 1], yticks=[0, 1])
    axes.figure.colorbar(image, ax=axes, shrink=0.85)


def _write_coefficients(axes: Axes, sample: Sample, manifest: Manifest) -> None:
    axes.set_axis_off()
    named = zip(manifest.coefficient_names, sample["coefficients"], strict=True)
    text = "\n".join(f"{for_figure(name)} = {value:.4g}" for name, value in named)
    axes.text(0.0, 0.5, text, va="center", family="monospace", transform=axes.transAxes)


def _draw_spectra(axes: Axes, sample: Sample, grid: Grid) -> None:
    """Draw the energy in rings of |k| of reference, prediction and error, as shares of ‖u‖²."""
    error = sample["prediction"] - sample["reference"]
    whole = float((sample["reference"].astype(float) ** 2).mean())
    curves = (
        ("reference", sample["reference"], "0.25", "-"),
        ("prediction", sample["prediction"], "#1f5fa8", "-"),
        ("error", error, "#b3423a", "--"),
    )
    for name, field, color, style in curves:
        share = ring_energies(field.astype(float), grid) / whole
        wavenumbers = np.arange(len(share)) / max(grid.lengths)
        axes.plot(wavenumbers, share, color=color, ls=style, lw=1.2, label=name)
    axes.set_yscale("log")
    axes.set_ylim(1e-13, 2)
    axes.set_xlabel("|k| / 2π", fontsize=8)
    axes.set_title("energy in rings of |k|, share of ‖u‖²", fontsize=9)
    axes.legend(fontsize=7, loc="upper right")
    axes.grid(alpha=0.2)
