"""Moments, increments and medians of training samples in the units of each problem."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lightning_sciml.pde.units import SOLUTION, Units
from lightning_sciml.pde.units import amplitudes as amplitudes_of
from lightning_sciml.streaming.measured_windows import Measured, measured_windows
from lightning_sciml.streaming.mixture_member import MixtureMember
from lightning_sciml.streaming.windows import LEAD_TIME

Fields = dict[str, Float[np.ndarray, "n H W"]]


class InUnits(NamedTuple):
    """Windows in the units of their problems; by name.

    Attributes:
        fields: inputs, states before the step, and solutions.
        increments: what states change by.
        numbers: coefficients and lead time.
    """

    fields: Fields
    increments: Fields
    numbers: dict[str, Float[np.ndarray, " n"]]


def unit_statistics(
    members: Sequence[MixtureMember], amplitudes: Collection[str] = ()
) -> dict[str, dict[str, float]]:
    """Measure means and deviations of fields, r.m.s. increments, medians of coefficients.

    Data sets count by their numbers of values. States named in `amplitudes` are in units of their
    root mean square where their equation gives them none.
    """
    sums, squares, numbers = (defaultdict[str, list[np.ndarray]](list) for _ in range(3))
    for member in members:
        count = member.subset.num_samples * member.windows.num_possible * member.grid.num_points
        # Means of a part at a time: fields of all windows at once may take gigabytes.
        windows = measured_windows(member)
        parts = [_means_of(_in_units(member, part, amplitudes)) for part in windows]
        for name in parts[0].fields:
            sums[name].append(_weighted(count, [p.fields[name] for p in parts]))
        for name in parts[0].increments:
            squares[name].append(_weighted(count, [p.increments[name] for p in parts]))
        for name in parts[0].numbers:
            numbers[name] += [p.numbers[name] for p in parts]
    moments = {name: _pooled(of) for name, of in sums.items()}
    return {
        "field_means": {name: mean for name, (mean, _) in moments.items()},
        "field_stds": {n: max(0.0, square - m**2) ** 0.5 for n, (m, square) in moments.items()},
        "increments": {name: _pooled(of)[0] ** 0.5 for name, of in squares.items()},
        "coefficients": {
            n: float(np.median(np.abs(np.concatenate(v)))) for n, v in numbers.items()
        },
    }


class _Means(NamedTuple):
    """Means over the grid of each window, of a field and its square, or of a square; by name."""

    fields: dict[str, Float[np.ndarray, "n 2"]]
    increments: dict[str, Float[np.ndarray, "n 1"]]
    numbers: dict[str, Float[np.ndarray, " n"]]


def _means_of(windows: InUnits) -> _Means:
    return _Means(
        {name: _means(u, np.square(u)) for name, u in windows.fields.items()},
        {name: _means(np.square(u)) for name, u in windows.increments.items()},
        windows.numbers,
    )


def _means(*fields: Float[np.ndarray, "n H W"]) -> Float[np.ndarray, "n k"]:
    return np.stack([field.mean(axis=(-2, -1)) for field in fields], axis=1)


def _weighted(count: int, means: Sequence[Float[np.ndarray, "n k"]]) -> Float[np.ndarray, " k1"]:
    """Return `count`, and that many times the mean over windows of each column."""
    return count * np.array([1.0, *np.concatenate(means).mean(axis=0)])


def _pooled(parts: Sequence[Float[np.ndarray, " k"]]) -> list[float]:
    count, *totals = np.sum(parts, axis=0)
    return [float(total / count) for total in totals]


def _in_units(member: MixtureMember, measured: Measured, amplitudes: Collection[str]) -> InUnits:
    dataset = member.dataset
    states = dataset.target_fields if dataset.is_evolution else ()
    before, after = (
        dict(zip(names, fields.astype(np.float64).swapaxes(0, 1), strict=True))
        for names, fields in (
            ((*dataset.input_fields, *states), measured.before),
            (dataset.target_fields, measured.after),
        )
    )
    coefficients = dataset.coefficients(measured.samples)
    ones = np.ones(len(coefficients))
    units = Units({}, ones)
    if member.equation is not None and member.equation.has_units(before, dataset.target_fields):
        units = member.equation.units(before, coefficients, measured.lead_times)
    elif states:
        units = Units(amplitudes_of({n: before[n] for n in states}, amplitudes), ones)
    columns = coefficients.T / units.coefficients
    numbers = dict(zip(dataset.coefficient_names, columns, strict=True))

    def scaled(fields: Fields, key: str = "") -> Fields:
        of = {name: units.fields.get(key or name, ones)[:, None, None] for name in fields}
        return {name: field / of[name] for name, field in fields.items()}

    if not states:
        return InUnits(scaled(before) | scaled(after, SOLUTION), {}, numbers)
    numbers[LEAD_TIME] = measured.lead_times / (ones if units.time is None else units.time)
    return InUnits(scaled(before), scaled({n: after[n] - before[n] for n in states}), numbers)
