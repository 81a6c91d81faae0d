"""One test sample as several arms predict it: fields, error, PDE residual and spectra."""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import PeriodicGrid
from lightning_sciml.pde.steady import Equation, named_equation
from lightning_sciml.plain_text import for_figure
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.figures import radial_spectra
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.titles import title
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import PRETRAIN, ResultRow
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.styles import Styles

COLUMNS = ("prediction û", "error û - u", "residual Lû - f", "spectrum")


def load_sample(path: Path, number: int = 0) -> dict[str, np.ndarray]:
    """Load one of the samples whose fields ``sciml test`` has kept.

    Raises:
        InputError: the file is damaged; pickled objects in it are not loaded.
    """
    names = ("source", "reference", "prediction", "coefficients", "sample_index")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name][number] for name in names}
    except (OSError, ValueError, EOFError, KeyError, IndexError, BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}); remove its run to do it again"
        ) from error


def residual(sample: Mapping[str, np.ndarray], equation: Equation) -> Float[np.ndarray, "N N"]:
    """Compute Lû - f in double precision."""
    N = sample["source"].shape[-1]
    symbol = equation.symbol(sample["coefficients"].astype(float), PeriodicGrid(N).wavenumbers)
    applied = symbol * np.fft.rfft2(sample["prediction"].astype(float))
    return np.fft.irfft2(applied, s=(N, N)) - sample["source"]


def samples_section(
    page: Page,
    runs: Path,
    rows: Sequence[ResultRow],
    styles: Styles,
    manifests: Mapping[str, Manifest],
) -> None:
    """Add one figure for each test set, of the arms that have kept fields in a folder of `runs`."""
    page.heading("One test sample of each set")
    page.note(
        "The same sample for all arms of the largest model, with the fewest downstream samples. "
        "Residuals show what derivatives make of an error; colour scales are shared in a column."
    )
    for dataset in dict.fromkeys(r.dataset for r in rows if r.init != PRETRAIN):
        samples = {}
        for row in _shown(rows, dataset):
            paths = list(RunFolder(runs / row.run).tests.glob("*.npz"))
            label = styles.legend(row.arm).replace("; ", "\n")
            label += f"\n{row.num_samples} samples" if row.num_samples else ""
            if paths and label not in samples:
                try:
                    samples[label] = load_sample(paths[0])
                except InputError as error:
                    page.note(str(error))
        if samples:
            figure = panels_figure(samples, manifests[dataset])
            page.figure(f"samples_{dataset}", figure, is_photo=True)


def _shown(rows: Sequence[ResultRow], dataset: str) -> list[ResultRow]:
    own = [r for r in rows if r.dataset == dataset and r.init != PRETRAIN and r.is_selected]
    largest = max(own, key=lambda r: r.num_parameters).model  # whatever its channels
    own = [r for r in own if r.model == largest]
    fewest = min((r.num_samples for r in own if r.num_samples), default=0)
    shown = [r for r in own if r.num_samples in (0, fewest)]
    order = list(Init)
    return sorted(shown, key=lambda r: (order.index(Init(r.init)), r.arm, r.replicate))[:40]


def panels_figure(samples: Mapping[str, Mapping[str, np.ndarray]], manifest: Manifest) -> Figure:
    """Draw source and reference, then one row for each arm; every arm shows the same sample.

    Args:
        samples: by label of the arm, as ``load_sample`` gives them.
        manifest: of the test set.
    """
    equation = named_equation(manifest.equation, manifest.equation_parameters)
    first = next(iter(samples.values()))
    reference = first["reference"]
    limit = float(np.abs(reference).max())
    errors = [s["prediction"] - s["reference"] for s in samples.values()]
    residuals = [residual(s, equation) for s in samples.values()] if equation else []
    error_limit = max(float(np.abs(e).max()) for e in errors)
    residual_limit = max((float(np.quantile(np.abs(r), 0.995)) for r in residuals), default=1.0)
    num_rows = 1 + len(samples)
    figure = Figure(figsize=(12.5, 2.75 * num_rows), layout="constrained")
    axes = figure.subplots(num_rows, 4)
    _draw(axes[0, 0], first["source"], float(np.abs(first["source"]).max()), "source f")
    _draw(axes[0, 1], reference, limit, "reference u")
    _write_coefficients(axes[0, 2], first, manifest)
    axes[0, 3].set_axis_off()
    for row, (label, sample) in enumerate(samples.items(), start=1):
        error = errors[row - 1]
        relative = np.linalg.norm(error) / np.linalg.norm(reference)
        _draw(axes[row, 0], sample["prediction"], limit, COLUMNS[0])
        axes[row, 0].set_ylabel(for_figure(label), fontsize=9)
        _draw(axes[row, 1], error, error_limit, f"{COLUMNS[1]}: {relative:.3g} of ‖u‖")
        if residuals:
            rest = residuals[row - 1]
            of_source = np.linalg.norm(rest) / np.linalg.norm(sample["source"])
            _draw(axes[row, 2], rest, residual_limit, f"{COLUMNS[2]}: {of_source:.3g} of ‖f‖")
        else:
            axes[row, 2].set_axis_off()
        _draw_spectra(axes[row, 3], sample)
    figure.suptitle(f"{title(manifest)}: test sample {int(first['sample_index'])}")
    return figure


def _draw(axes: Axes, field: Float[np.ndarray, "N N"], limit: float, title: str) -> None:
    image = axes.imshow(
        field, origin="lower", extent=(0, 1, 0, 1), cmap="RdBu_r", vmin=-limit, vmax=limit
    )
    axes.set_title(title, fontsize=9)
    axes.set_xticks([0, 1])
    axes.set_yticks([0, 1])
    axes.figure.colorbar(image, ax=axes, shrink=0.85)


def _write_coefficients(axes: Axes, sample: Mapping[str, np.ndarray], manifest: Manifest) -> None:
    axes.set_axis_off()
    named = zip(manifest.coefficient_names, sample["coefficients"], strict=True)
    text = "\n".join(f"{for_figure(name)} = {value:.4g}" for name, value in named)
    axes.text(0.0, 0.5, text, va="center", family="monospace", transform=axes.transAxes)


def _draw_spectra(axes: Axes, sample: Mapping[str, np.ndarray]) -> None:
    names = {"reference": "0.25", "prediction": "#1f5fa8"}
    fields = np.stack([sample[name] for name in names]).astype(float)
    error = (sample["prediction"] - sample["reference"]).astype(float)
    energy = (fields**2).sum(axis=(1, 2))
    for spectrum, total, (name, color) in zip(
        radial_spectra(fields), energy, names.items(), strict=True
    ):
        axes.plot(spectrum * total / energy[0], color=color, lw=1.2, label=name)
    share = radial_spectra(error[None])[0] * (error**2).sum() / energy[0]
    axes.plot(share, color="#b3423a", lw=1, ls="--", label="error")
    axes.set_yscale("log")
    axes.set_ylim(1e-13, 2)
    axes.set_xlabel("|k| / 2π", fontsize=8)
    axes.set_title("energy in rings of |k|, share of ‖u‖²", fontsize=9)
    axes.legend(fontsize=7, loc="upper right")
    axes.grid(alpha=0.2)
