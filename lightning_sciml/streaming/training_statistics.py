"""The numbers that normalise a network's inputs and outputs, over its training samples."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from lightning_sciml.errors import InputError
from lightning_sciml.pde.steady import Equation
from lightning_sciml.streaming.measured_windows import measured_windows
from lightning_sciml.streaming.mixture_member import MixtureMember
from lightning_sciml.streaming.unit_statistics import unit_statistics
from lightning_sciml.streaming.windows import LEAD_TIME

Kinds = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class TrainingStatistics:
    """Medians over the training samples, and moments of the values of their fields.

    Attributes:
        field_norms: median of the L² norm on the unit square of each field, by name; of a
            trajectory the root of the mean square over all times.
        field_means: mean of all values of each field, by name.
        field_stds: their standard deviation.
        coefficients: median of |c| of each coefficient, by name; of trajectories also that of the
            lead time over their windows.
        scaled_coefficients: median of |c/β|, with β the operator's scale of each sample.
        increments: root of the mean square of what each state changes by from one state of a window
            to the next; empty where it was not asked for.
        in_units: means, deviations, increments and coefficients in the units of each problem; none
            where they were not asked for.
    """

    field_norms: Mapping[str, float]
    coefficients: Mapping[str, float]
    scaled_coefficients: Mapping[str, float]
    field_means: Mapping[str, float] = field(default_factory=dict)
    field_stds: Mapping[str, float] = field(default_factory=dict)
    increments: Mapping[str, float] = field(default_factory=dict)
    in_units: "TrainingStatistics | None" = None


def training_statistics(
    members: Sequence[MixtureMember],
    replayed: Sequence[MixtureMember] = (),
    *,
    with_increments: bool = False,
    in_units: bool = False,
    amplitudes: Collection[str] = (),
) -> TrainingStatistics:
    """Compute these over all samples of `members`; of what `replayed` alone have, over theirs.

    Args:
        members: data sets that are trained on.
        replayed: others that are shown again.
        with_increments: measure increments.
        in_units: measure in the units of each problem, too.
        amplitudes: states that are then in units of their root mean square where their equation
            gives them none.
    """
    own, others = (
        {**_medians(of), **_moments(of), "increments": _increments(of if with_increments else ())}
        for of in (members, replayed)
    )
    statistics = TrainingStatistics(**_joined(own, others))
    if not in_units:
        return statistics
    measured = _joined(*(unit_statistics(of, amplitudes) for of in (members, replayed)))
    return replace(statistics, in_units=replace(statistics, **measured))


def _joined(own: Kinds, others: Kinds) -> dict[str, Any]:
    """Take what only the others have from them."""
    return {kind: {**others[kind], **own[kind]} for kind in own}


def reject_not_finite(members: Sequence[MixtureMember]) -> None:
    """Reject samples whose coefficients or norms are NaN or infinite.

    One of them would make the medians NaN, and with them the loss of every other sample.

    Raises:
        InputError: naming data set and samples.
    """
    for member in members:
        samples = _samples(member)
        for kind, values in (
            ("coefficients", member.dataset.coefficients(samples)),
            ("norms", member.dataset.norms(samples)),
        ):
            bad = samples[~np.isfinite(values).all(axis=1)].tolist()
            if bad:
                names = ", ".join(f"{member.name}:{i}" for i in bad[:8])
                raise InputError(
                    f"coefficients and norms must be finite, the {kind} of {len(bad)} "
                    f"{member.dataset.split} samples (data set:index) are not: {names}"
                    f"{', …' if len(bad) > 8 else ''}; make the data set anew without them"
                )


def _samples(member: MixtureMember) -> NDArray[np.int64]:
    return member.subset(np.arange(member.subset.num_samples))


def _column(member: MixtureMember, name: str) -> Float[np.ndarray, " n"]:
    """Return a column of ``norms`` of the samples that take part."""
    return member.dataset.norms(_samples(member))[:, member.dataset.norm_names.index(name)]


def _moments(members: Sequence[MixtureMember]) -> dict[str, dict[str, float]]:
    """Compute mean and standard deviation of the values of each field.

    Those of a sample are in its norms; data sets count by their numbers of values.
    """
    sums: defaultdict[str, list[np.ndarray]] = defaultdict(list)
    for member in members:
        dataset = member.dataset
        for name in (*dataset.input_fields, *dataset.target_fields):
            num_times = dataset.num_times if name in dataset.target_fields else 1
            means, norms = _column(member, f"{name}_mean"), _column(member, f"{name}_norm")
            moments = np.array([len(means), means.sum(), np.square(norms).sum()])
            sums[name].append(num_times * member.grid.num_points * moments)
    field_means, field_stds = {}, {}
    for name, parts in sums.items():
        count, total, squares = np.sum(parts, axis=0)
        field_means[name] = mean = float(total / count)
        field_stds[name] = float(np.sqrt(max(0.0, squares / count - mean**2)))
    return {"field_means": field_means, "field_stds": field_stds}


def _increments(members: Sequence[MixtureMember]) -> dict[str, float]:
    """Compute √(mean (u(t + Δ) - u(t))²) of each state over windows of the trajectories.

    Data sets count by their numbers of values. The same windows on every rank and in every run.
    """
    sums: defaultdict[str, list[np.ndarray]] = defaultdict(list)
    for member in members:
        if not member.dataset.is_evolution:
            continue
        count = member.subset.num_samples * member.windows.num_possible * member.grid.num_points
        for name, square in zip(member.dataset.target_fields, _squares(member), strict=True):
            sums[name].append(count * np.array([1.0, square]))
    totals = {name: np.sum(parts, axis=0) for name, parts in sums.items()}
    return {name: float(np.sqrt(total / count)) for name, (count, total) in totals.items()}


def _squares(member: MixtureMember) -> Float[np.ndarray, " F"]:
    """Compute the mean square of what each state changes by."""
    means = []
    for part in measured_windows(member):
        states = part.before[:, len(member.dataset.input_fields) :]
        squares = np.square(part.after.astype(np.float64) - states)
        means.append(squares.mean(axis=(-2, -1)))
    return np.concatenate(means).mean(axis=0)


def _medians(members: Sequence[MixtureMember]) -> dict[str, dict[str, float]]:
    """Compute the medians over all samples of these members."""
    norms, coefficients, scaled = (defaultdict[str, list[np.ndarray]](list) for _ in range(3))
    for member in members:
        for name in (*member.dataset.input_fields, *member.dataset.target_fields):
            norms[name].append(_column(member, f"{name}_norm"))
        values = member.dataset.coefficients(_samples(member))
        equation = member.equation
        scale = equation.operator_scale(values) if isinstance(equation, Equation) else 1.0
        for c, name in enumerate(member.dataset.coefficient_names):
            coefficients[name].append(values[:, c])
            scaled[name].append(values[:, c] / scale)
    kinds = {"field_norms": norms, "coefficients": coefficients, "scaled_coefficients": scaled}
    medians = {
        kind: {name: float(np.median(np.abs(np.concatenate(v)))) for name, v in values.items()}
        for kind, values in kinds.items()
    }
    if any(member.dataset.is_evolution for member in members):
        medians["coefficients"][LEAD_TIME] = _median_lead_time(members)
    return medians


def _median_lead_time(members: Sequence[MixtureMember]) -> float:
    """Compute the median over all windows of the trajectories."""
    times, counts = [], []
    for member in members:
        if member.dataset.is_evolution:
            times.append(step_times(member))
            counts.append(np.full(len(times[-1]), member.subset.num_samples))
    order = np.argsort(values := np.concatenate(times))
    ends = np.cumsum(np.concatenate(counts)[order])
    middle = (ends[-1] - 1) // 2, ends[-1] // 2  # of an even number two
    return float(values[order[np.searchsorted(ends, middle, side="right")]].mean())


def step_times(member: MixtureMember) -> Float[np.ndarray, " n"]:
    """List the lead times of the windows of one trajectory, those of all have."""
    starts, strides = member.windows.at(np.arange(member.windows.num_possible))
    return member.lead_time(member.windows.time_index(starts, strides), strides)
