"""Draw three samples of each of some steady data sets, a row each, into a small PNG.

python docs/figures/steady.py FIGURE.png data/SET [data/SET ...]
"""

import sys

import numpy as np
from evolutions import save_small
from matplotlib.figure import Figure

from lightning_sciml.shards.field_panels import color_scale, field_kind
from lightning_sciml.shards.figure_style import SMALL, WIDTH, styled
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.titles import numbers, title, words

NUM_SAMPLES = 3


def draw(figure: Figure, datasets: list[ShardedDataset]) -> None:
    """Draw the first input and the first output of each sample beside each other."""
    all_axes = figure.subplots(len(datasets), 2 * NUM_SAMPLES, squeeze=False)
    indices = np.arange(NUM_SAMPLES)
    for axes, dataset in zip(all_axes, datasets, strict=True):
        fields, coefficients = dataset.fields(indices), dataset.coefficients(indices)
        kinds = [field_kind(of_field) for of_field in fields.swapaxes(0, 1)]
        for sample, (own, c) in enumerate(zip(fields, coefficients, strict=True)):
            pair = (0, len(dataset.input_fields))
            for axis, f in zip(axes[2 * sample : 2 * sample + 2], pair, strict=True):
                axis.imshow(own[f], origin="lower", **color_scale(own[f], kinds[f]))
                axis.set_axis_off()
            told = "\n".join(numbers(dataset.coefficient_names, c))
            axes[2 * sample].set_title(told, fontsize=SMALL, pad=2, loc="left")
        what = f"{words(dataset.input_fields[0])}, {words('solution')}"
        note = f"{title(dataset.manifest)} ({dataset.manifest.name}): {what}"
        axes[0].text(0, 1.36, note, fontsize=SMALL, transform=axes[0].transAxes)


@styled
def main(path: str, *folders: str) -> None:
    """Write the figure."""
    figure = Figure(figsize=(WIDTH, 1.45 * len(folders)), dpi=110)
    draw(figure, [ShardedDataset(folder, "train") for folder in folders])
    figure.subplots_adjust(0.01, 0.01, 0.99, 1 - 0.32 / len(folders), wspace=0.05, hspace=0.5)
    save_small(figure, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
