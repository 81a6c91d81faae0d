"""Errors against downstream samples as text for a terminal."""

from collections.abc import Sequence

from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import Replicate
from lightning_sciml.study.report.curves import Curve
from lightning_sciml.study.report.styles import Styles


def error_table(curves: Sequence[Curve], styles: Styles, origins: Sequence[int] = (0,)) -> str:
    """Tabulate, by test set and model, the mean error of every arm, and scratch over each arm.

    A ratio compares replicates that both arms have.

    Args:
        curves: of all arms.
        styles: names of the arms.
        origins: seeds of pre-trainings; a replicate of seed s starts from number s modulo their
            count.
    """
    panels = dict.fromkeys((c.dataset, c.arm.model) for c in curves)
    return "\n".join(
        _table(
            f"{dataset}, {model}",
            [c for c in curves if (c.dataset, c.arm.model) == panel],
            styles,
            origins,
        )
        for panel in panels
        for dataset, model in [panel]
    )


def _table(title: str, curves: Sequence[Curve], styles: Styles, origins: Sequence[int]) -> str:
    sizes = sorted({n for c in curves for n in c.num_samples if n}) or [0]
    rows = [[f"relative L² error on {title}", *(f"n = {n:,}" for n in sizes)]]
    rows += [
        [arm_name(c, curves, styles), *(_cell(_error(c, n), ".4f") for n in sizes)] for c in curves
    ]
    for scratch in (c for c in curves if c.arm.init == Init.SCRATCH):
        for other in (
            c for c in curves if c.arm.init != Init.SCRATCH and c.arm.recipe == scratch.arm.recipe
        ):
            pair = _paired(scratch, other, origins)
            ratios = [_ratio(_error(pair[0], n), _error(pair[1], n)) for n in sizes] if pair else []
            name = f"{styles.label(scratch.arm)} / {styles.label(other.arm)}"
            rows.append([name, *(_cell(ratio, ".2f") for ratio in ratios)])
    width = max(len(row[0]) for row in rows)
    return "\n".join(row[0].ljust(width) + "".join(c.rjust(12) for c in row[1:]) for row in rows)


def arm_name(curve: Curve, curves: Sequence[Curve], styles: Styles) -> str:
    """Name an arm, with its number of replicates where trained arms differ in that."""
    numbers = {len(c.replicates) for c in curves if c.arm.init != Init.ZERO_SHOT}
    label, number = styles.label(curve.arm), len(curve.replicates)
    is_uneven = len(numbers) > 1 and curve.arm.init != Init.ZERO_SHOT
    return f"{label} ({number} replicate{'s' if number > 1 else ''})" if is_uneven else label


def _paired(scratch: Curve, other: Curve, origins: Sequence[int]) -> tuple[Curve, Curve] | None:
    """Restrict both arms to the replicates that both have; None where there are none."""
    if other.arm.init != Init.ZERO_SHOT:
        common = [r for r in scratch.replicates if r in other.replicates]
        return (scratch.on(common), other.on(common)) if common else None
    origin_of = {r: Replicate(origins[r[0] % len(origins)], 0) for r in scratch.replicates}
    common = [r for r in scratch.replicates if origin_of[r] in other.replicates]
    if not common:
        return None
    return scratch.on(common), other.on([origin_of[r] for r in common])


def _error(curve: Curve, num_samples: int) -> float | None:
    """Look up the mean error; zero-shot has the same error at any number of samples."""
    if curve.arm.init == Init.ZERO_SHOT:
        return float(curve.mean[0])
    if num_samples not in curve.num_samples:
        return None
    return float(curve.mean[curve.num_samples.index(num_samples)])


def _ratio(scratch: float | None, other: float | None) -> float | None:
    return scratch / other if scratch and other else None


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
