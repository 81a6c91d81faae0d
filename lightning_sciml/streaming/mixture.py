"""Samples of several data sets behind one index, gathered into batches."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.process_memory import available_memory
from lightning_sciml.streaming.batch_buffers import BatchBuffers
from lightning_sciml.streaming.mixture_member import MixtureMember


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
        global_size: samples of this batch over all ranks.
    """

    inputs: Float[Tensor, "B S H W"]
    outputs: Float[Tensor, "B K F H W"]
    coefficients: Float[Tensor, "B c"]
    dataset: Int[Tensor, " B"]
    sample_index: Int[Tensor, " B"]
    time_index: Int[Tensor, " B"]
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


class Mixture:
    """Samples of several data sets behind one index; channels are matched by name.

    Args:
        members: the data sets, all on one grid.
        coefficient_names: of all members, each once.
        input_fields: of all members, each once.
        pin_memory: read into page-locked memory, from which copies to a GPU overlap computing.

    Raises:
        InputError: the grids differ.
    """

    def __init__(
        self,
        members: Sequence[MixtureMember],
        coefficient_names: Sequence[str],
        input_fields: Sequence[str],
        *,
        pin_memory: bool = False,
    ) -> None:
        self.members = tuple(members)
        self.coefficient_names = tuple(coefficient_names)
        self.input_fields = tuple(input_fields)
        self._buffers = BatchBuffers(pin_memory=pin_memory)
        grids = {str(m.dataset.directory): m.dataset.grid.shape[0] for m in self.members}
        if len(set(grids.values())) > 1:
            raise InputError(
                f"a mixture needs data sets on one grid, got points an axis {grids}; "
                "generate them with the same --num_points"
            )
        self.num_points = self.members[0].dataset.grid.shape[0]
        self._cache: Float[Tensor, "n F N N"] | None = None
        self._ends = np.cumsum([m.samples_per_epoch for m in self.members])
        self._cache_starts = np.cumsum([0, *(m.subset.num_samples for m in self.members)])

    def __len__(self) -> int:
        """Samples of an epoch."""
        return int(self._ends[-1])

    @property
    def _sample_shape(self) -> tuple[int, int, int]:
        return (len(self.input_fields) + 1, self.num_points, self.num_points)

    def cache_on(self, device: torch.device) -> None:
        """Read all fields once and keep them on `device`; batches are gathered there.

        Raises:
            InputError: they take more than 80 % of its free memory.
        """
        is_cuda = device.type == "cuda"
        free = torch.cuda.mem_get_info(device)[0] if is_cuda else available_memory()
        num_bytes = int(self._cache_starts[-1]) * 4 * math.prod(self._sample_shape)
        if num_bytes > 0.8 * free:
            raise InputError(
                f"the cache of the training set needs {num_bytes / 1e9:.1f} GB on {device.type}, "
                f"of which at most 80 % of the free {free / 1e9:.1f} GB may be used; set "
                "data.cache to none"
            )
        cache = torch.zeros(int(self._cache_starts[-1]), *self._sample_shape, device=device)
        for first, member in zip(self._cache_starts, self.members, strict=False):
            for begin in range(0, member.subset.num_samples, 1024):
                positions = np.arange(begin, min(begin + 1024, member.subset.num_samples))
                fields = torch.from_numpy(member.dataset.fields(member.subset(positions)))
                rows = cache[first + begin : first + begin + len(positions)]
                rows[:, list(member.channels)] = fields.to(device)
        self._cache = cache

    def load(self, indices: NDArray[np.int64], *, epoch: int = 0, global_size: int) -> Batch:
        """Load the samples at `indices` (B,) of an epoch as one batch.

        Args:
            indices: in [0, len(self)).
            epoch: decides which samples a member contributes that gives only some in an epoch.
            global_size: what the batch says of its size over all ranks.
        """
        member_of = np.searchsorted(self._ends, indices, side="right")
        positions = np.empty_like(indices)
        coefficients = np.zeros((len(indices), len(self.coefficient_names)), np.float32)
        sample_index = np.empty_like(indices)
        rows_of = {m: np.flatnonzero(member_of == m) for m in set(member_of.tolist())}
        for m, rows in rows_of.items():
            member = self.members[m]
            first = self._ends[m] - member.samples_per_epoch
            drawn = epoch * member.samples_per_epoch + indices[rows] - first
            positions[rows] = drawn % member.subset.num_samples
            sample_index[rows] = member.subset(positions[rows])
            values = member.dataset.coefficients(sample_index[rows])
            coefficients[rows[:, None], member.columns] = values
        if self._cache is None:
            fields = self._read(rows_of, sample_index)
        else:
            fields = self._gather(self._cache, self._cache_starts[member_of] + positions)
        batch = Batch(
            inputs=fields[:, :-1],
            outputs=fields[:, -1:, None],
            coefficients=torch.from_numpy(coefficients),
            dataset=torch.from_numpy(member_of),
            sample_index=torch.from_numpy(sample_index),
            time_index=torch.zeros(len(indices), dtype=torch.int64),
            global_size=global_size,
        )
        return batch.map(lambda tensor: tensor.to(fields.device))

    def _read(
        self, rows_of: dict[int, NDArray[np.int64]], sample_index: NDArray[np.int64]
    ) -> Float[Tensor, "B F N N"]:
        shape = (len(sample_index), *self._sample_shape)
        fields = self._buffers.take(shape)
        out = fields.numpy()
        for m, rows in rows_of.items():
            member = self.members[m]
            if member.channels != tuple(range(shape[1])):
                out[rows] = 0
                places = np.ix_(rows, np.array(member.channels))
                out[places] = member.dataset.fields(sample_index[rows])
            elif len(rows_of) == 1:
                member.dataset.fields(sample_index, out=out)
            else:
                out[rows] = member.dataset.fields(sample_index[rows])
        return fields

    def _gather(
        self, cache: Float[Tensor, "n F N N"], rows: NDArray[np.int64]
    ) -> Float[Tensor, "B F N N"]:
        at = torch.from_numpy(rows).to(cache.device)
        if cache.device.type != "cpu":
            return cache[at]
        buffer = self._buffers.take((len(rows), *self._sample_shape))
        return torch.index_select(cache, 0, at, out=buffer)
