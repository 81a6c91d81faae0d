"""Draw one trajectory of each of some data sets, a row each, into a small PNG.

python docs/figures/evolutions.py FIGURE.png data/SET [data/SET ...]
"""

import sys

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from lightning_sciml.shards.field_panels import color_scale, spread
from lightning_sciml.shards.figure_style import SMALL, WIDTH, styled
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.titles import numbers, title, words
from lightning_sciml.shards.trajectories import states_at

NUM_FRAMES = 7
NUM_COLORS = 96  # of the file: a field then takes a quarter of the bytes
SAMPLE = 1
MAX_NUMBERS = 3  # above a row; more do not fit


def draw(figure: Figure, datasets: list[ShardedDataset]) -> None:
    """Draw frames of the first field, from the first time to the last; each row has its colours."""
    all_axes = figure.subplots(len(datasets), NUM_FRAMES, squeeze=False)
    for axes, dataset in zip(all_axes, datasets, strict=True):
        moments = spread(dataset.num_times, NUM_FRAMES)
        frames = states_at(dataset, SAMPLE, moments)[:, 0]
        colors = color_scale(frames)
        for axis, frame, moment in zip(axes, frames, moments, strict=True):
            axis.imshow(frame, origin="lower", **colors)
            axis.set_axis_off()
            axis.set_title(f"t = {dataset.times[moment]:g}", fontsize=SMALL, pad=2)
        coefficients = dataset.coefficients(np.arange(len(dataset)))
        told = numbers(dataset.coefficient_names, coefficients[SAMPLE])
        varies = np.ptp(coefficients, axis=0) > 0
        told = [number for number, it_does in zip(told, varies, strict=True) if it_does]
        note = f"{title(dataset.manifest)}: {words(dataset.target_fields[0])}"
        if len(told) <= MAX_NUMBERS:
            note += f" for {', '.join(told)}"
        axes[0].text(0, 1.22, note, fontsize=SMALL, transform=axes[0].transAxes)


def save_small(figure: Figure, path: str) -> None:
    """Write a PNG of few colours."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    picture.quantize(NUM_COLORS, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


@styled
def main(path: str, *folders: str) -> None:
    """Write the figure."""
    datasets = [ShardedDataset(folder, "train") for folder in folders]
    figure = Figure(figsize=(WIDTH, 1.2 * len(folders)), dpi=110)
    draw(figure, datasets)
    figure.subplots_adjust(0.01, 0.01, 0.99, 1 - 0.28 / len(folders), wspace=0.05, hspace=0.45)
    save_small(figure, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
