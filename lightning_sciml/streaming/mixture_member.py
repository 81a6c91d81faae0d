"""One data set of a mixture: which of its samples take part, and how many in an epoch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.pde.steady import Equation, named_equation
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.streaming.sampler import Subset


@dataclass(frozen=True, kw_only=True)
class MixtureMember:
    """One data set of a mixture, and what is needed to check a prediction against its equation.

    Attributes:
        dataset: the shards of one split.
        subset: which of its samples take part.
        equation: its operator, if one is known.
        columns: where its coefficients stand among the mixture's.
        channels: where its fields stand among the mixture's.
        samples_per_epoch: how many of them an epoch takes. Where that is not all, an epoch
            continues where the one before it ended, round and round.
    """

    dataset: ShardedDataset
    subset: Subset
    equation: Equation | None
    columns: tuple[int, ...]
    channels: tuple[int, ...]
    samples_per_epoch: int

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.dataset.manifest.name


def member_of(
    dataset: ShardedDataset,
    names: Sequence[str],
    fields: Sequence[str],
    *,
    num_samples: int | None = None,
    start: int = 0,
    seed: int | None = None,
) -> MixtureMember:
    """Make samples of a data set part of a mixture of these coefficients and input fields.

    Args:
        dataset: one split.
        names: coefficients of the mixture.
        fields: input fields of the mixture.
        num_samples: how many; all by default.
        start: samples of the draw that are left to others.
        seed: of the draw; None keeps the order.

    Raises:
        InputError: it has not so many.
    """
    wanted, num_there = num_samples or dataset.num_samples, dataset.num_samples
    if start + wanted > num_there:
        raise InputError(
            f"{dataset.directory} has {num_there} {dataset.split} samples, {start + wanted} were "
            f"asked for; lower data.num_{dataset.split}_samples or generate more"
        )
    manifest = dataset.manifest
    return MixtureMember(
        dataset=dataset,
        subset=Subset(num_samples=wanted, dataset_size=num_there, seed=seed, start=start),
        equation=named_equation(manifest.equation, manifest.equation_parameters),
        columns=tuple(names.index(n) for n in dataset.coefficient_names),
        channels=(*(fields.index(n) for n in dataset.input_fields), len(fields)),
        samples_per_epoch=wanted,
    )


def proportions(weights: Sequence[float], total: int) -> list[int]:
    """Split `total` in proportion to `weights`, exactly: largest remainders are rounded up."""
    shares = np.asarray(weights, float) / np.sum(weights) * total
    counts = np.floor(shares).astype(int)
    largest = np.argsort(counts - shares, kind="stable")[: total - counts.sum()]
    counts[largest] += 1
    return [int(count) for count in counts]


def with_epoch_counts(
    members: Sequence[MixtureMember], weights: Sequence[float], samples_per_epoch: int
) -> list[MixtureMember]:
    """Set the members' shares of an epoch to exact proportions."""
    counts = proportions(weights, samples_per_epoch)
    return [replace(m, samples_per_epoch=n) for m, n in zip(members, counts, strict=True)]
