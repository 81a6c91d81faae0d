"""The figure of a few transfer runs."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from lightning_sciml.study.runs import Init
from lightning_sciml.study.transfer_table import TransferResult

STYLES = {
    Init.SCRATCH: ("from scratch", "#b3423a", "s"),
    Init.FINE_TUNE: ("fine-tuned", "#1f5fa8", "o"),
}


def plot_transfer(results: Sequence[TransferResult], title: str, path: Path) -> None:
    """Test error against the number of downstream samples, with 5–95 % of the test samples.

    Args:
        results: zero-shot, fine-tuned and from-scratch runs.
        title: pre-training set → downstream set, and the model.
        path: of the PNG.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for init, (label, color, marker) in STYLES.items():
        runs = sorted((r for r in results if r.init == init), key=lambda r: r.num_samples)
        x = [r.num_samples for r in runs]
        axes.fill_between(
            x, [r.band[0] for r in runs], [r.band[1] for r in runs], color=color, alpha=0.12, lw=0
        )
        axes.plot(x, [r.relative_l2 for r in runs], marker, ls="-", color=color, label=label)
    for run in results:
        if run.init == Init.ZERO_SHOT:
            axes.axhline(run.relative_l2, color="0.35", ls="--", label="zero-shot")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ticks = sorted({r.num_samples for r in results if r.num_samples})
    axes.set_xticks(ticks, [str(n) for n in ticks])
    axes.set_xlabel("downstream training samples")
    axes.set_ylabel("relative L² error on the test set")
    axes.set_title(title)
    axes.grid(which="both", alpha=0.2)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    figure.legend(
        loc="outside lower center", ncols=3, title="line: mean; band: 5–95 % of the test samples"
    )
    figure.savefig(path, dpi=150)
