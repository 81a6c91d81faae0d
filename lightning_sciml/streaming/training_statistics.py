"""The numbers that normalise a network's inputs and outputs, over its training samples."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from lightning_sciml.errors import InputError
from lightning_sciml.streaming.mixture_member import MixtureMember


@dataclass(frozen=True, kw_only=True)
class TrainingStatistics:
    """Medians over the training samples, and moments of the values of their fields.

    Attributes:
        field_norms: median of the L² norm on the unit square of each field, by name; of a
            trajectory the root of the mean square over all times.
        field_means: mean of all values of each field, by name.
        field_stds: their standard deviation.
        coefficients: median of |c| of each coefficient, by name.
        scaled_coefficients: median of |c/β|, with β the operator's scale of each sample.
    """

    field_norms: Mapping[str, float]
    coefficients: Mapping[str, float]
    scaled_coefficients: Mapping[str, float]
    field_means: Mapping[str, float] = field(default_factory=dict)
    field_stds: Mapping[str, float] = field(default_factory=dict)


def training_statistics(
    members: Sequence[MixtureMember], replayed: Sequence[MixtureMember] = ()
) -> TrainingStatistics:
    """Compute these over all samples of `members`; of what `replayed` alone have, over theirs."""
    own, others = ({**_medians(of), **_moments(of)} for of in (members, replayed))
    return TrainingStatistics(**{kind: {**others[kind], **own[kind]} for kind in own})


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


def _medians(members: Sequence[MixtureMember]) -> dict[str, dict[str, float]]:
    """Compute the medians over all samples of these members."""
    norms, coefficients, scaled = (defaultdict[str, list[np.ndarray]](list) for _ in range(3))
    for member in members:
        for name in (*member.dataset.input_fields, *member.dataset.target_fields):
            norms[name].append(_column(member, f"{name}_norm"))
        values = member.dataset.coefficients(_samples(member))
        scale = member.equation.operator_scale(values) if member.equation else 1.0
        for c, name in enumerate(member.dataset.coefficient_names):
            coefficients[name].append(values[:, c])
            scaled[name].append(values[:, c] / scale)
    kinds = {"field_norms": norms, "coefficients": coefficients, "scaled_coefficients": scaled}
    return {
        kind: {name: float(np.median(np.abs(np.concatenate(v)))) for name, v in values.items()}
        for kind, values in kinds.items()
    }
