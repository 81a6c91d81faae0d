"""The medians that normalise a network's inputs and output, over its training samples."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.streaming.mixture_member import MixtureMember


@dataclass(frozen=True, kw_only=True)
class TrainingStatistics:
    """Medians over the training samples.

    Attributes:
        field_norms: median of the L² norm on the unit square of each input field, by name.
        coefficients: median of |c| of each coefficient, by name.
        scaled_coefficients: median of |c/β|, with β the operator's scale of each sample.
    """

    field_norms: Mapping[str, float]
    coefficients: Mapping[str, float]
    scaled_coefficients: Mapping[str, float]


def training_statistics(
    members: Sequence[MixtureMember], replayed: Sequence[MixtureMember] = ()
) -> TrainingStatistics:
    """Compute medians over all samples of `members`; of what `replayed` alone have, over theirs."""
    own, others = _medians(members), _medians(replayed)
    return TrainingStatistics(**{kind: {**others[kind], **own[kind]} for kind in own})


def reject_not_finite(members: Sequence[MixtureMember]) -> None:
    """Reject samples whose coefficients or norms are NaN or infinite.

    One of them would make the medians NaN, and with them the loss of every other sample.

    Raises:
        InputError: naming data set and samples.
    """
    for member in members:
        samples = member.subset(np.arange(member.subset.num_samples))
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


def _medians(members: Sequence[MixtureMember]) -> dict[str, dict[str, float]]:
    """Compute the attributes of TrainingStatistics over all samples of these members."""
    norms, coefficients, scaled = (defaultdict[str, list[np.ndarray]](list) for _ in range(3))
    for member in members:
        samples = member.subset(np.arange(member.subset.num_samples))
        of_samples = member.dataset.norms(samples)
        for name in member.dataset.input_fields:
            column = member.dataset.norm_names.index(f"{name}_norm")
            norms[name].append(of_samples[:, column])
        values = member.dataset.coefficients(samples)
        scale = member.equation.operator_scale(values) if member.equation else 1.0
        for c, name in enumerate(member.dataset.coefficient_names):
            coefficients[name].append(values[:, c])
            scaled[name].append(values[:, c] / scale)
    kinds = {"field_norms": norms, "coefficients": coefficients, "scaled_coefficients": scaled}
    return {
        kind: {name: float(np.median(np.abs(np.concatenate(v)))) for name, v in values.items()}
        for kind, values in kinds.items()
    }
