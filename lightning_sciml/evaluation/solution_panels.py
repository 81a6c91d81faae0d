"""A figure of samples: source, reference, prediction, error."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from lightning_sciml.plain_text import for_figure

COLUMNS = ("source f", "reference u", "prediction û", "error û − u")


def solution_panels(
    source: Float[np.ndarray, "B H W"],
    reference: Float[np.ndarray, "B H W"],
    prediction: Float[np.ndarray, "B H W"],
    labels: Sequence[str],
) -> Figure:
    """Draw one row a sample; reference and prediction share a colour scale, the error has its own.

    Args:
        source: f.
        reference: u.
        prediction: û.
        labels: what to write beside each row (data set, index).
    """
    num_rows = len(source)
    figure = Figure(figsize=(11, 2.6 * num_rows), layout="constrained")
    all_axes = figure.subplots(num_rows, 4, squeeze=False)
    for row, (axes, label) in enumerate(zip(all_axes, labels, strict=True)):
        error = prediction[row] - reference[row]
        relative = np.linalg.norm(error) / np.linalg.norm(reference[row])
        limit = float(np.abs(reference[row]).max())
        error_limit = float(np.abs(error).max())
        fields = (source[row], reference[row], prediction[row], error)
        colors: list[dict[str, Any]] = [
            {"cmap": "viridis"},
            *({"cmap": "RdBu_r", "vmin": -v, "vmax": v} for v in (limit, limit, error_limit)),
        ]
        for axis, field, color in zip(axes, fields, colors, strict=True):
            image = axis.imshow(field, origin="lower", extent=(0, 1, 0, 1), **color)
            axis.set(xticks=[0, 1], yticks=[0, 1])
            figure.colorbar(image, ax=axis, shrink=0.85)
        axes[0].set_ylabel(f"{for_figure(label)}\ny")
        axes[3].set_title(f"relative L² {relative:.3g}", fontsize="medium")
    for axis, title in zip(all_axes[0], COLUMNS, strict=True):
        axis.set_title(title + ("\n" + axis.get_title() if axis.get_title() else ""))
    for axis in all_axes[-1]:
        axis.set_xlabel("x")
    return figure
