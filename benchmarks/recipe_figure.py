"""Figure and tables of what ``recipe.py`` measured.

python benchmarks/recipe_figure.py docs/results/recipe/results.csv docs/results/recipe/recipe.png
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

STYLES = {
    ("paper", False): ("paper", "#b3423a", "-"),
    ("paper", True): ("paper, symmetrized", "#b3423a", "--"),
    ("scaling", False): ("+ scaling", "#7a7a7a", ":"),
    ("symmetries", False): ("+ symmetries", "#c08a1e", ":"),
    ("relative_l2", False): ("+ relative L²", "#4d8f5a", ":"),
    ("all", False): ("all three", "#1f5fa8", "-"),
    ("canonical", False): ("all three, canonical", "#6b3fa0", "-"),
    ("all", True): ("all three, symmetrized", "#1f5fa8", "--"),
}
Errors = dict[tuple[str, str, bool, str, int], list[float]]


def read(path: Path) -> Errors:
    """Errors of all seeds by (downstream set, arm, symmetrized, init, number of examples)."""
    errors: Errors = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            key = (
                *(row["downstream"], row["arm"], row["symmetrized"] == "True"),
                *(row["init"], int(row["num_examples"])),
            )
            errors[key].append(float(row["relative_l2"]))
    return errors


def draw(errors: Errors, path: Path) -> None:
    """Error against examples, a panel for each downstream set; bands span the seeds."""
    systems = list(dict.fromkeys(key[0] for key in errors))
    figure = Figure(figsize=(max(6.5, 4.4 * len(systems)), 4.6), layout="constrained")
    panels = figure.subplots(1, len(systems), squeeze=False)[0]
    for axes, system in zip(panels, systems, strict=True):
        for (arm, symmetrized), (label, color, line) in STYLES.items():
            ns = sorted(
                n
                for s, a, y, init, n in errors
                if (s, a, y, init) == (system, arm, symmetrized, "fine_tune")
            )
            runs = [errors[system, arm, symmetrized, "fine_tune", n] for n in ns]
            if not runs:
                continue
            axes.plot(ns, [np.mean(r) for r in runs], line, marker="o", color=color, label=label)
            low, high = [min(r) for r in runs], [max(r) for r in runs]
            axes.fill_between(ns, low, high, color=color, alpha=0.15, lw=0)
            zero_shot = errors.get((system, arm, symmetrized, "zero_shot", 0))
            if zero_shot and not symmetrized and line == "-":
                axes.axhline(float(np.mean(zero_shot)), color=color, lw=0.8, ls=(0, (1, 3)))
        axes.set(xscale="log", yscale="log", title=system, xlabel="downstream examples")
        axes.set_xticks([4, 16, 64, 256], ["4", "16", "64", "256"])
        axes.set_yticks([0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.autoscale(axis="y")
        axes.grid(which="both", alpha=0.2)
    panels[0].set_ylabel("relative L² error, fine-tuned")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=3,
        title="mean over seeds; band: all seeds; dotted level: zero-shot",
    )
    figure.savefig(path, dpi=150)


def table(errors: Errors) -> str:
    """Markdown: mean over seeds (number of seeds) by system and arm."""
    columns = sorted({key[3:] for key in errors}, key=lambda c: (c[0] != "pretrained", c))
    names = [init if not n else f"{init} {n}" for init, n in columns]
    lines = [f"| set | arm | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for system, arm, symmetrized in dict.fromkeys(key[:3] for key in errors):
        cells = []
        for column in columns:
            values = errors.get((system, arm, symmetrized, *column), [])
            cells.append(f"{np.mean(values):.4f} ({len(values)})" if values else "")
        suffix = ", symmetrized" if symmetrized else ""
        lines.append(f"| {system} | {arm}{suffix} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    measured = read(Path(sys.argv[1]))
    draw(measured, Path(sys.argv[2]))
    print(table(measured))
