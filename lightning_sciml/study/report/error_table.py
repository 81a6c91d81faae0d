"""Tables of errors: by downstream samples, and by learning rate."""

from collections import Counter
from collections.abc import Sequence
from itertools import product

import numpy as np

from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import Arm, Replicate, ResultRow
from lightning_sciml.study.report.curves import Curve
from lightning_sciml.study.report.styles import Styles


def error_tables(
    curves: Sequence[Curve], names: Styles, origins: Sequence[int] = (0,), *, bands: bool = False
) -> list[list[list[str]]]:
    """Tabulate, by test set and model, the mean error of every arm, and scratch over each arm.

    The first row of a table names its columns. A ratio compares replicates that both arms have.

    Args:
        curves: of all arms.
        names: of arms and data sets.
        origins: seeds of pre-trainings; a replicate of seed s starts from number s modulo their
            count.
        bands: add the 95 % interval to the mean of several replicates.
    """
    tables = []
    for dataset, model in dict.fromkeys((c.dataset, c.arm.model) for c in curves):
        own = [c for c in curves if (c.dataset, c.arm.model) == (dataset, model)]
        sizes = sorted({n for c in own for n in c.num_samples if n}) or [0]
        title = f"relative L² error on {names.title(dataset)}, {model}"
        rows = [[title, *(f"n = {n:,}" for n in sizes)]]
        for curve in own:
            columns = [_column(curve, n) for n in sizes]
            cells = ["" if i is None else curve.cell(i, has_band=bands) for i in columns]
            rows.append([arm_name(curve, own, names), *cells])
        for scratch, other in product(own, own):
            is_pair = scratch.arm.init == Init.SCRATCH != other.arm.init
            if is_pair and scratch.arm.recipe == other.arm.recipe:
                rows.append(_ratios(scratch, other, sizes, names, origins))
        tables.append(rows)
    return tables


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Write rows of equal length as text, the first column to the left, all others to the right."""
    widths = [max(12, 2 + max(map(len, column))) for column in zip(*rows, strict=True)]
    return "\n".join(
        first.ljust(widths[0] - 2) + "".join(map(str.rjust, others, widths[1:]))
        for first, *others in rows
    )


def _ratios(
    scratch: Curve, other: Curve, sizes: Sequence[int], names: Styles, origins: Sequence[int]
) -> list[str]:
    """Divide the errors of scratch by those of another arm, over replicates that both have."""
    origin_of = {r: r for r in scratch.replicates}
    if other.arm.init == Init.ZERO_SHOT:  # which starts from a pre-training and has no other seed
        origin_of = {r: Replicate(origins[r[0] % len(origins)], 0) for r in scratch.replicates}
    common = [r for r in scratch.replicates if origin_of[r] in other.replicates]
    name = f"{names.label(scratch.arm)} / {names.label(other.arm)}"
    if not common:
        return [name, *("" for _ in sizes)]
    scratch, other = scratch.on(common), other.on([origin_of[r] for r in common])
    pairs = [(_error(scratch, n), _error(other, n)) for n in sizes]
    return [name, *(f"{above / below:.2f}" if above and below else "" for above, below in pairs)]


def arm_name(curve: Curve, curves: Sequence[Curve], names: Styles) -> str:
    """Name an arm, with its number of replicates where trained arms differ in that."""
    numbers = {len(c.replicates) for c in curves if c.arm.init != Init.ZERO_SHOT}
    label, number = names.label(curve.arm), len(curve.replicates)
    is_uneven = len(numbers) > 1 and curve.arm.init != Init.ZERO_SHOT
    return f"{label} ({number} replicate{'s' if number > 1 else ''})" if is_uneven else label


def _column(curve: Curve, num_samples: int) -> int | None:
    """Find a number of samples in a curve; zero-shot has the same error at any number."""
    if curve.arm.init == Init.ZERO_SHOT:
        return 0
    return curve.num_samples.index(num_samples) if num_samples in curve.num_samples else None


def _error(curve: Curve, num_samples: int) -> float | None:
    column = _column(curve, num_samples)
    return None if column is None else float(curve.mean[column])


def rate_table(rows: Sequence[ResultRow], names: Styles) -> list[list[str]]:
    """Tabulate the test error of every arm at every learning rate, and the rates chosen.

    Errors are means over replicates. The last column has each rate that validation has chosen, with
    the number of replicates for which it did. The first row names the columns. Arms that have one
    rate are left out.
    """
    trained: dict[tuple[str, Arm, int], list[ResultRow]] = {}
    for row in rows:
        if row.run.learning_rate:
            trained.setdefault((row.dataset, row.arm, row.run.num_samples), []).append(row)
    groups = {k: own for k, own in trained.items() if len({r.run.learning_rate for r in own}) > 1}
    rates = sorted({row.run.learning_rate or 0.0 for own in groups.values() for row in own})
    table = [["test set", "arm", "n", *(f"rate {rate:g}" for rate in rates), "chosen"]]
    for (dataset, arm, num_samples), own in groups.items():
        errors = [_mean_error(own, rate) for rate in rates]
        chosen = Counter(f"{row.run.learning_rate:g}" for row in own if row.is_selected)
        times = ", ".join(f"{rate} ({number}×)" for rate, number in chosen.most_common())
        name = names.whole(arm)
        table.append([names.title(dataset), name, f"{num_samples:,}", *errors, times])
    return table


def _mean_error(rows: Sequence[ResultRow], rate: float) -> str:
    own = [row for row in rows if row.run.learning_rate == rate]
    errors = [row.relative_l2 for row in own]
    if None in errors:
        return "not finite"
    num_stopped = sum(row.result.stopped_at_step is not None for row in own)
    stopped = f" ({num_stopped}× stopped)" if num_stopped else ""
    return f"{np.mean(errors):.4f}{stopped}" if errors else ""  # type: ignore[arg-type]
