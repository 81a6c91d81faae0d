"""Samples of several data sets behind one index, gathered into batches."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.shards.sample_files import Places
from lightning_sciml.streaming.batch_buffers import BatchBuffers
from lightning_sciml.streaming.epoch_plan import Group
from lightning_sciml.streaming.field_cache import FieldCache, reject_too_large
from lightning_sciml.streaming.mixture_member import (
    ChannelNames,
    Drawn,
    Indices,
    MixtureMember,
    Samples,
    read_windows,
)


def joined(
    inputs: Float[Tensor, "B S H W"], outputs: Float[Tensor, "B K F H W"]
) -> Float[Tensor, "B C H W"] | None:
    """View the memory that holds both, sample by sample, as C = S + K F; None where none does."""
    B, S, H, W = inputs.shape
    following = outputs.flatten(1, 2)
    is_followed = following.data_ptr() == inputs.data_ptr() + 4 * S * H * W
    if inputs.dtype != torch.float32 or inputs.stride() != following.stride() or not is_followed:
        return None
    return inputs.as_strided((B, S + following.shape[1], H, W), inputs.stride())


class Batch(NamedTuple):
    """Samples of one rank; B may differ by one between ranks, and be 0 in evaluation.

    Both fields are views of one piece of memory, (B, S + K F, H, W).

    Attributes:
        inputs: f, or whatever fields determine the outputs, in the order of
            `Mixture.input_fields`; what a system lacks is zero.
        outputs: K steps of F fields; for a steady problem one step of one field, u.
        coefficients: in the order of `Mixture.coefficient_names`; what a system lacks is zero.
        dataset: which data set each sample comes from.
        sample_index: its index in the split of that data set; of a window, that of the trajectory.
        time_index: number of the last input state among the stored times; 0 for steady problems.
        lead_time: from there to the first output, in the data set's unit of time; 0 for steady
            problems.
        global_size: samples of this batch over all ranks.
    """

    inputs: Float[Tensor, "B S H W"]
    outputs: Float[Tensor, "B K F H W"]
    coefficients: Float[Tensor, "B c"]
    dataset: Int[Tensor, " B"]
    sample_index: Int[Tensor, " B"]
    time_index: Int[Tensor, " B"]
    lead_time: Float[Tensor, " B"]
    global_size: int

    def map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        """Apply `function` to each tensor of the batch."""
        return Batch._make([*map(function, self[:-1]), self.global_size])

    def with_fields(self, fields: Float[Tensor, "B C H W"]) -> "Batch":
        """Replace inputs and outputs by views of the memory of both."""
        S, steps = self.inputs.shape[1], self.outputs.shape[1:3]
        return self._replace(inputs=fields[:, :S], outputs=fields[:, S:].unflatten(1, steps))

    def to(self, device: torch.device) -> "Batch":
        """Copy the batch to another device.

        Inputs and outputs go as the one piece of memory that they are: taken apart they are not
        contiguous, and would be copied to memory that is not page-locked first.
        """
        batch, fields = self, joined(self.inputs, self.outputs)
        if fields is not None:
            batch = self.with_fields(fields.to(device, non_blocking=True))
        return batch.map(lambda tensor: tensor.to(device, non_blocking=True))


class _Part(NamedTuple):
    """What one member gives to a batch: its number, its rows in the batch, its samples."""

    dataset: int
    rows: Indices
    samples: Samples


class Mixture:
    """Samples of several data sets behind one index; channels are matched by name.

    Samples are numbered group after group: those of a batch have one grid and number of steps.

    Args:
        members: the data sets.
        names: of the channels of all members, each once.
        pin_memory: read into page-locked memory, from which copies to a GPU overlap computing.

    Attributes:
        names: all of the following.
        coefficient_names: of all members, each once.
        input_fields: channels before the outputs of all members, each once.
        output_fields: of all members, each once.
        group_sizes: samples of each group in an epoch.
    """

    def __init__(
        self, members: Sequence[MixtureMember], names: ChannelNames, *, pin_memory: bool = False
    ) -> None:
        self.members = tuple(members)
        self.names = names
        self.coefficient_names, self.input_fields, self.output_fields = names
        self._buffers = BatchBuffers(pin_memory=pin_memory)
        self._caches: dict[tuple[int, int], FieldCache] = {}
        sizes = Counter[Group]()
        for member in self.members:
            sizes[member.group] += member.samples_per_epoch
        self.group_sizes: dict[Group, int] = dict(sizes)
        self._by_group = [
            d for group in sizes for d, member in enumerate(self.members) if member.group == group
        ]
        self._ends = np.cumsum([self.members[d].samples_per_epoch for d in self._by_group])
        self._channels = [self._channels_of(member) for member in self.members]

    def __len__(self) -> int:
        """Samples of an epoch."""
        return int(self._ends[-1])

    def _channels_of(self, member: MixtureMember) -> Indices:
        """Find where what a member's window holds stands among the channels of a batch."""
        S, F, fields = len(self.input_fields), len(self.output_fields), member.output_channels
        steps = [S + k * F + field for k in range(member.group.num_steps) for field in fields]
        return np.array([*member.input_channels, *steps])

    def cache_on(self, device: torch.device) -> None:
        """Read all fields once and keep them on `device`; batches are gathered there.

        Raises:
            InputError: they take more than 80 % of its free memory.
        """
        reject_too_large(self.members, device)
        for shape in {member.grid.shape for member in self.members}:
            on_grid = {d: m for d, m in enumerate(self.members) if m.grid.shape == shape}
            self._caches[shape] = FieldCache(on_grid, device)

    def group_of(self, index: int) -> Group:
        """Tell the group of a sample of an epoch."""
        place = np.searchsorted(self._ends, index, side="right")
        return self.members[self._by_group[int(place)]].group

    def draw(self, indices: Indices, epoch: int = 0) -> Samples:
        """Find the samples at `indices` (n,) in [0, len(self)) of an epoch, of any groups.

        It takes 0.1 ms for one batch and for ten: drawn together, each costs less.
        """
        numbers = np.empty((8, len(indices)), np.int64)
        lead_time = np.empty(len(indices), np.float32)
        coefficients = np.zeros((len(indices), len(self.coefficient_names)), np.float32)
        places = self._ends.searchsorted(indices, side="right")
        for place in set(places.tolist()):
            d, rows = self._by_group[place], np.flatnonzero(places == place)
            member = self.members[d]
            first = self._ends[place] - member.samples_per_epoch
            drawn = member.draw(indices[rows] - first, epoch)
            time_index = member.windows.time_index(drawn.starts, drawn.strides)
            lead_time[rows] = member.lead_time(time_index, drawn.strides)
            values = (d, *drawn, *member.locate(drawn), time_index)
            for row, own in zip(numbers, values, strict=True):
                row[rows] = own
            coefficients[rows[:, None], member.columns] = member.dataset.coefficients(drawn.samples)
        windows, where = Drawn(*numbers[1:5]), Places(*numbers[5:7])
        return Samples(numbers[0], windows, where, numbers[7], lead_time, coefficients)

    def load(self, indices: Indices, *, epoch: int = 0, global_size: int) -> Batch:
        """Load the samples at `indices` (B,) of an epoch as one batch; see `batch`."""
        group = self.group_of(int(indices[0]))
        return self.batch(self.draw(indices, epoch), group, global_size)

    def batch(self, samples: Samples, group: Group, global_size: int) -> Batch:
        """Load samples as one batch.

        Args:
            samples: of one group.
            group: theirs; of an empty share of a batch that of the batch.
            global_size: what the batch says of its size over all ranks.

        Raises:
            InputError: the samples are of several groups.
        """
        parts = self._parts(samples, group)
        S, F = len(self.input_fields), len(self.output_fields)
        shape = (len(samples.dataset), S + group.num_steps * F, *group.shape)
        cache = self._caches.get(group.shape)
        fields = self._read(parts, shape) if cache is None else self._gather(cache, parts, shape)
        batch = Batch(
            inputs=fields[:, :S],
            outputs=fields[:, S:].view(shape[0], group.num_steps, F, *group.shape),
            coefficients=torch.from_numpy(samples.coefficients),
            dataset=torch.from_numpy(samples.dataset),
            sample_index=torch.from_numpy(samples.drawn.samples),
            time_index=torch.from_numpy(samples.time_index),
            lead_time=torch.from_numpy(samples.lead_time),
            global_size=global_size,
        )
        return batch if fields.is_cpu else batch.map(lambda tensor: tensor.to(fields.device))

    def _parts(self, samples: Samples, group: Group) -> list[_Part]:
        numbers, parts = sorted(set(samples.dataset.tolist())), []
        for d in numbers:
            own = self.members[d].group
            if own != group:
                raise InputError(
                    "samples of a batch must have one grid and number of steps, got "
                    f"{tuple(own)} and {tuple(group)}; load them as two batches"
                )
            rows = np.flatnonzero(samples.dataset == d)
            parts.append(_Part(d, rows, samples.at(rows) if len(numbers) > 1 else samples))
        return parts

    def _read(self, parts: Sequence[_Part], shape: tuple[int, ...]) -> Float[Tensor, "B C H W"]:
        """Read from disk, straight into the batch where one member gives all of its channels."""
        fields = self._buffers.take(shape)
        out = fields.numpy()
        for d, rows, samples in parts:
            member, channels = self.members[d], self._channels[d]
            is_whole = len(channels) == shape[1] and bool((channels[1:] > channels[:-1]).all())
            is_direct = is_whole and len(parts) == 1
            own = out if is_direct else np.empty((len(rows), len(channels), *shape[2:]), np.float32)
            num_states = member.windows.num_states
            read_windows(member.dataset, samples.drawn, samples.places, num_states, own)
            if not is_whole:
                out[rows] = 0
            if not is_direct:
                out[rows[:, None], channels] = own
        return fields

    def _gather(
        self, cache: FieldCache, parts: Sequence[_Part], shape: tuple[int, ...]
    ) -> Float[Tensor, "B C H W"]:
        places = np.zeros(shape[:2], np.int64)  # plane 0 is zero
        for d, rows, samples in parts:
            own = cache.places(d, self.members[d], samples.drawn)
            places[rows[:, None], self._channels[d]] = own
        at = torch.from_numpy(places).to(cache.planes.device)
        if cache.planes.device.type != "cpu":
            return cache.planes[at]
        fields = self._buffers.take(shape)
        torch.index_select(cache.planes, 0, at.flatten(), out=fields.flatten(0, 1))
        return fields
