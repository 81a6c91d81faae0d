"""Draw the README's figure from results.csv: error against downstream samples, for two recipes.

    python docs/notebook/recipe/transfer_figure.py

Points are means over three seeds, bands reach from the smallest to the largest of them.
"""

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from lightning_sciml.shards.figure_style import SMALL, WIDTH, draw_grid, save_figure, styled
from lightning_sciml.study.report.styles import COLORS, LINES, SCRATCH_LINE, fill

HERE = Path(__file__).parent
OUTPUT = HERE.parents[1] / "figures/transfer"
COLOURS = {"paper": "#b3423a", "dimensionless": COLORS[0]}
MARKERS = {"paper": "o", "dimensionless": "^"}
ZERO_SHOT_AT = 1  # where zero-shot stands on the axis of samples


def errors() -> dict[tuple[str, str], dict[int, list[float]]]:
    """Relative L2 errors on Poisson (5, 10) by (recipe, init), then by number of samples."""
    found: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    with (HERE / "results.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            is_wanted = row["dataset"] == "poisson_5_10" and row["recipe"] in COLOURS
            is_wanted &= row.get("field", "all") == "all"
            if is_wanted and row["is_selected"] == "True" and row["pretraining"] != "mixture":
                samples = int(row["num_samples"] or 0) or ZERO_SHOT_AT
                found[row["recipe"], row["init"]][samples].append(float(row["relative_l2"]))
    return found


@styled
def draw() -> None:
    """Write the figure."""
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    axes = figure.subplots()
    for (recipe, init), by_samples in errors().items():
        if init == "pretrain":
            continue
        colour, x = COLOURS[recipe], sorted(by_samples)
        means = [sum(by_samples[n]) / len(by_samples[n]) for n in x]
        low, high = ([bound(by_samples[n]) for n in x] for bound in (min, max))
        if init == "zero_shot":
            around = [[means[0] - low[0]], [high[0] - means[0]]]
            look: dict[str, Any] = {"color": colour, "marker": MARKERS[recipe], "ms": 5, "ls": ""}
            axes.errorbar(x, means, around, **look, **fill(init))
            continue
        line = SCRATCH_LINE if init == "scratch" else LINES[init][0]
        axes.plot(x, means, ls=line, marker=MARKERS[recipe], color=colour, **fill(init))
        axes.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)
    label: dict[str, Any] = {"ha": "left", "va": "center", "fontsize": SMALL}
    red, blue = COLOURS["paper"], COLOURS["dimensionless"]
    axes.text(40, 0.27, "from scratch, the paper's recipe", color=red, **label)
    axes.text(80, 0.066, "fine-tuned, the paper's recipe", color=red, **label)
    axes.text(1.25, 0.155, "zero-shot", color=red, **label)
    axes.text(20, 0.0098, "fine-tuned, dimensionless recipe", color=blue, **label)
    axes.text(1.25, 0.0088, "zero-shot", color=blue, **label)
    axes.set(xscale="log", yscale="log", ylim=(0.004, 0.42), xlim=(0.8, 1500))
    axes.set_xlabel("labelled samples of the new physics (Poisson, λ ∈ (5, 10))")
    axes.set_ylabel("relative L² error on its test set")
    axes.set_title("Pre-trained on Poisson, λ ∈ (1, 5); three seeds, 48×48, 640K")
    axes.set_xticks([1, 4, 16, 64, 256, 1024], ["none", "4", "16", "64", "256", "1,024"])
    axes.yaxis.set_major_locator(FixedLocator([0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4]))
    axes.set_yticklabels(["0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0.4"])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(FixedLocator([]))
        axis.set_minor_formatter(NullFormatter())
    draw_grid(axes)
    save_figure(figure, OUTPUT, ["png"])


if __name__ == "__main__":
    draw()
