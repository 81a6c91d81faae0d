"""One data set of a mixture: which of its samples take part, and how many in an epoch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float32, Float64
from numpy.typing import NDArray

from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.named_equation import AnyEquation, equation_of_channels
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.sample_files import Places
from lightning_sciml.streaming.epoch_plan import Group, SetSize
from lightning_sciml.streaming.sampler import Subset
from lightning_sciml.streaming.windows import LEAD_TIME, Windows, history_names

Indices = NDArray[np.int64]


class ChannelNames(NamedTuple):
    """Names of what a batch holds, in order.

    Attributes:
        coefficients: of its c coefficients.
        inputs: of its S input channels.
        outputs: of its F output fields.
    """

    coefficients: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, data: ShardedDataset | DatasetPlan, windows: Windows) -> Self:
        """Name what a data set alone gives: static fields, then states from the oldest on."""
        history = history_names(data.target_fields, windows.history)
        return cls(data.coefficient_names, (*data.input_fields, *history), data.target_fields)

    @classmethod
    def union(cls, names: Sequence[Self]) -> Self:
        """Name everything that one of several has, each once."""
        kinds = zip(*names, strict=True)
        return cls(*(tuple(dict.fromkeys(n for names in kind for n in names)) for kind in kinds))


class Drawn(NamedTuple):
    """Windows that are drawn from a data set.

    Attributes:
        positions: numbers of their samples or trajectories among those that take part.
        samples: their indices in the split.
        starts: stored times at which they begin.
        strides: stored times from one of their states to the next.
    """

    positions: Indices
    samples: Indices
    starts: Indices
    strides: Indices


class Samples(NamedTuple):
    """Samples of an epoch, drawn for one or several batches at a time.

    Attributes:
        dataset: (n,) which data set of the mixture each comes from.
        drawn: their windows.
        places: where these are.
        time_index: (n,) number of the last input state among the stored times.
        lead_time: (n,) time from there to the first output state; 0 for steady problems.
        coefficients: (n, c) in the order of the mixture's; what a system lacks is zero.
    """

    dataset: Indices
    drawn: Drawn
    places: Places
    time_index: Indices
    lead_time: Float32[np.ndarray, " n"]
    coefficients: Float32[np.ndarray, "n c"]

    def at(self, rows: slice | Indices) -> "Samples":
        """Take some of them."""
        return Samples(
            self.dataset[rows],
            Drawn(*[values[rows] for values in self.drawn]),
            Places(*[values[rows] for values in self.places]),
            self.time_index[rows],
            self.lead_time[rows],
            self.coefficients[rows],
        )


@dataclass(frozen=True, kw_only=True)
class MixtureMember:
    """One data set of a mixture, and what is needed to check a prediction against its equation.

    Attributes:
        dataset: the shards of one split.
        subset: which of its samples, or trajectories, take part.
        windows: of its trajectories; a steady sample is one window.
        equation: what it solves, if that is known.
        columns: where its coefficients stand among the mixture's.
        input_channels: where its input channels stand among the mixture's.
        output_channels: where its output fields stand among the mixture's.
        samples_per_epoch: how many windows an epoch takes. Where that is not all, an epoch
            continues where the one before it ended, round and round.
    """

    dataset: ShardedDataset
    subset: Subset
    windows: Windows
    equation: AnyEquation | None
    columns: tuple[int, ...]
    input_channels: tuple[int, ...]
    output_channels: tuple[int, ...]
    samples_per_epoch: int

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.dataset.manifest.name

    @property
    def grid(self) -> Grid:
        """Grid of the data set."""
        return self.dataset.grid

    @cached_property
    def size(self) -> SetSize:
        """Group of its batches, and windows of one round over all of it."""
        return SetSize.of(self.dataset.manifest, self.windows, self.subset.num_samples)

    @property
    def group(self) -> Group:
        """What its samples share with all others of their batch."""
        return self.size.group

    def draw(self, places: Indices, epoch: int) -> Drawn:
        """Find the windows at places in [0, samples_per_epoch) of an epoch.

        A round goes through all trajectories once for each of their start times.
        """
        rounds, rest = np.divmod(epoch * self.samples_per_epoch + places, self.size.num_samples)
        numbers, positions = np.divmod(rest, self.subset.num_samples)
        samples = self.subset(positions)
        return Drawn(positions, samples, *self.windows.draw(samples, numbers, rounds))

    def locate(self, drawn: Drawn) -> Places:
        """Find where windows are in the shards."""
        num_states = self.windows.num_states
        return self.dataset.locate(drawn.samples, drawn.starts, num_states, drawn.strides)

    def lead_time(self, time_index: Indices, strides: Indices) -> Float64[np.ndarray, " n"]:
        """Measure the time from the last input state to the first output state of windows."""
        if not self.dataset.is_evolution:
            return np.zeros(len(time_index))
        return self._times[time_index + strides] - self._times[time_index]

    @cached_property
    def _times(self) -> Float64[np.ndarray, " T"]:
        return np.asarray(self.dataset.times, np.float64)


def equation_of(plan: DatasetPlan) -> AnyEquation | None:
    """Make the equation that the samples of a data set solve; None where it is not known."""
    return equation_of_channels(
        plan.equation,
        plan.equation_parameters,
        grid=plan.grid,
        coefficient_names=plan.coefficient_names,
        state_fields=plan.state_fields,
        static_fields=plan.input_fields,
    )


def read_windows(
    dataset: ShardedDataset,
    drawn: Drawn,
    places: Places,
    num_states: int,
    out: Float32[np.ndarray, "B C H W"],
) -> None:
    """Read [static inputs, h + K states] of each window into the memory of a batch.

    Args:
        dataset: where from.
        drawn: B windows.
        places: where they are.
        num_states: h + K, states of each.
        out: contiguous.
    """
    num_static = len(dataset.input_fields) if dataset.is_evolution else 0
    if num_static:
        dataset.inputs(drawn.samples, out=out[:, :num_static])
    states = out[:, num_static:]  # the reshaped is a view: channels of one sample lie together
    shape = (len(out), num_states, states.shape[1] // num_states, *out.shape[2:])
    dataset.read(places, states.reshape(shape), drawn.strides)


def member_of(
    dataset: ShardedDataset,
    windows: Windows,
    names: ChannelNames,
    *,
    num_samples: int | None = None,
    start: int = 0,
    seed: int | None = None,
) -> MixtureMember:
    """Make samples of a data set part of a mixture.

    Args:
        dataset: one split.
        windows: of its trajectories.
        names: of the mixture.
        num_samples: how many samples or trajectories; all by default.
        start: samples of the draw that are left to others.
        seed: of the draw; None keeps the order.

    Raises:
        InputError: it has not so many, or names a coefficient as the time of a step is.
    """
    wanted, num_there = num_samples or dataset.num_samples, dataset.num_samples
    if start + wanted > num_there:
        kind = "trajectories" if dataset.is_evolution else "samples"
        raise InputError(
            f"{dataset.directory} has {num_there} {dataset.split} {kind}, {start + wanted} were "
            f"asked for; lower data.num_{dataset.split}_samples or generate more"
        )
    if LEAD_TIME in dataset.coefficient_names:
        raise InputError(
            f"{dataset.directory} has a coefficient {LEAD_TIME}, the name of the time of a step of "
            "any data set; give the coefficient another name"
        )
    manifest, own = dataset.manifest, ChannelNames.of(dataset, windows)
    return MixtureMember(
        dataset=dataset,
        subset=Subset(num_samples=wanted, dataset_size=num_there, seed=seed, start=start),
        windows=windows,
        equation=equation_of(manifest),
        columns=tuple(names.coefficients.index(n) for n in own.coefficients),
        input_channels=tuple(names.inputs.index(n) for n in own.inputs),
        output_channels=tuple(names.outputs.index(n) for n in own.outputs),
        samples_per_epoch=wanted * windows.num_starts,
    )


def with_epoch_counts(
    members: Sequence[MixtureMember], counts: Sequence[int]
) -> list[MixtureMember]:
    """Set how many windows of each member an epoch takes.

    Where that is not all, their start times are drawn: else an epoch would have the first ones.
    """
    return [
        member if count == member.samples_per_epoch else _with_drawn_starts(member, count)
        for member, count in zip(members, counts, strict=True)
    ]


def _with_drawn_starts(member: MixtureMember, count: int) -> MixtureMember:
    windows = member.windows
    if windows.num_possible > 1:
        windows = replace(windows, num_chosen=windows.num_starts)
    return replace(member, windows=windows, samples_per_epoch=count)
