"""Fields of a training set that stay in memory, from which windows are gathered."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.process_memory import available_memory
from lightning_sciml.streaming.mixture_member import Drawn, Indices, MixtureMember, read_windows

_PLANES_AT_ONCE = 4096


class FieldCache:
    """All fields of some data sets on one grid, plane by plane: a field at a time of a sample.

    Plane 0 is zero; behind it lie the planes of each sample, [static inputs, states of all times].
    Windows that overlap share their planes, and fields that a data set lacks take none.

    Args:
        members: the data sets, by their number in a mixture.
        device: where the planes are kept.
    """

    def __init__(self, members: dict[int, MixtureMember], device: torch.device) -> None:
        self._firsts, end = {}, 1
        for number, member in members.items():
            self._firsts[number] = end
            end += member.subset.num_samples * _planes_of_sample(member)
        shape = next(iter(members.values())).grid.shape
        self.planes: Float[Tensor, "P H W"] = torch.empty(end, *shape, device=device)
        self.planes[0] = 0
        for number, member in members.items():
            self._fill(self._firsts[number], member)

    def _fill(self, first: int, member: MixtureMember) -> None:
        num_planes, num_samples = _planes_of_sample(member), member.subset.num_samples
        at_once = max(1, _PLANES_AT_ONCE // num_planes)
        num_times = member.dataset.num_times
        for begin in range(0, num_samples, at_once):
            positions = np.arange(begin, min(begin + at_once, num_samples))
            samples, starts = member.subset(positions), np.zeros_like(positions)
            target = self.planes[first + begin * num_planes :][: len(samples) * num_planes]
            fields = torch.empty(len(samples), num_planes, *target.shape[1:])
            whole = Drawn(positions, samples, starts, np.ones_like(starts))
            places = member.dataset.locate(samples, starts, num_times)
            read_windows(member.dataset, whole, places, num_times, fields.numpy())
            target.copy_(fields.flatten(0, 1))

    def places(self, number: int, member: MixtureMember, drawn: Drawn) -> Indices:
        """Find the planes of [static inputs, h + K states] of windows, (B, channels)."""
        windows, num_static = member.windows, len(member.dataset.input_fields)
        num_fields = len(member.dataset.target_fields)
        first = self._firsts[number] + drawn.positions * _planes_of_sample(member)
        times = drawn.starts[:, None] + drawn.strides[:, None] * np.arange(windows.num_states)
        states = num_static + times[..., None] * num_fields + np.arange(num_fields)
        static = np.broadcast_to(np.arange(num_static), (len(first), num_static))
        own = np.concatenate([static, states.reshape(len(first), -1)], axis=1)
        return first[:, None] + own


def _planes_of_sample(member: MixtureMember) -> int:
    dataset = member.dataset
    return len(dataset.input_fields) + dataset.num_times * len(dataset.target_fields)


def reject_too_large(members: Sequence[MixtureMember], device: torch.device) -> None:
    """Check that a cache of these data sets fits.

    Raises:
        InputError: it takes more than 80 % of the free memory of the device.
    """
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()
    num_bytes = sum(
        4 * m.grid.num_points * m.subset.num_samples * _planes_of_sample(m) for m in members
    )
    if num_bytes > 0.8 * free:
        raise InputError(
            f"the cache of the training set needs {num_bytes / 1e9:.1f} GB on {device.type}, "
            f"of which at most 80 % of the free {free / 1e9:.1f} GB may be used; set "
            "data.cache to none"
        )
