"""Random access to one split of a data set, past HDF5: samples and windows at known places."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int64

from lightning_sciml.errors import InputError
from lightning_sciml.extras import require
from lightning_sciml.paths import expanded
from lightning_sciml.shards.sample_files import Places, SampleFiles
from lightning_sciml.shards.schema import FIELDS, INPUTS, TRAJECTORIES

Stride = int | Int64[np.ndarray, " B"]
_XARRAY_AXES = {1: ("sample",), 3: ("sample", "y", "x"), 4: ("sample", "time", "y", "x")}


def read_dataset(folder: str | Path, split: str) -> "ShardedDataset":
    """Open one split of a data set: `dataset[3]["u"]`, `dataset[:8]`, `for sample in dataset`.

    Args:
        folder: the data set.
        split: train, val or test.

    Raises:
        InputError: no data set, no such split, or a shard that is not what the manifest says.
    """
    return ShardedDataset(expanded(folder), split)


class ShardedDataset(SampleFiles):
    """One split of a data set on disk, read in any order, straight into the caller's memory.

    Files are opened when first needed, some hundred at a time; the object may be pickled and may
    cross a fork. Samples are read and not mapped: memory maps would count as memory of the process,
    hold a file open each, and end the process by a signal where a file has become shorter.

    Args:
        directory: the data set.
        split: train, val or test.
        verify: what is compared with the manifest at once: nothing, all of each shard but its
            payload (who it is, shapes, size, checksum of its metadata), or the payload as well.
            A shard's header is compared in any case when samples of it are first read.

    Raises:
        InputError: no data set, no such split, or a shard that fails the check (it is named).
    """

    def __len__(self) -> int:
        return self.num_samples

    def fields(
        self,
        indices: Int64[np.ndarray, " B"],
        out: Float32[np.ndarray, "B F H W"] | None = None,
    ) -> Float32[np.ndarray, "B F H W"]:
        """Read [*input_fields, *output_fields] of the samples of a steady problem.

        Args:
            indices: of the samples.
            out: takes them, if given; what belongs to one sample is contiguous.
        """
        if out is None:
            out = np.empty((len(indices), self.manifest.num_fields, *self.grid.shape), np.float32)
        self._read(FIELDS, self._locate(FIELDS, indices), out)
        return out

    def inputs(
        self,
        indices: Int64[np.ndarray, " B"],
        out: Float32[np.ndarray, "B S H W"] | None = None,
    ) -> Float32[np.ndarray, "B S H W"]:
        """Read the fields that are constant in time, as ``fields`` reads all."""
        if out is None:
            out = np.empty((len(indices), len(self.input_fields), *self.grid.shape), np.float32)
        if out.size:
            name = INPUTS if self.is_evolution else FIELDS
            self._read(name, self._locate(name, indices), out)
        return out

    def windows(
        self,
        indices: Int64[np.ndarray, " B"],
        starts: Int64[np.ndarray, " B"],
        num_states: int,
        stride: Stride = 1,
        out: Float32[np.ndarray, "B K F H W"] | None = None,
    ) -> Float32[np.ndarray, "B K F H W"]:
        """Read states of the trajectories of an evolution, one read a sample if the stride is 1.

        Args:
            indices: of the trajectories.
            starts: the first time of each window, counted from 0.
            num_states: K, states in a window.
            stride: stored times from one to the next, of all windows or of each (B,).
            out: takes the states, if given; what belongs to one sample is contiguous.

        Raises:
            IndexError: a window reaches beyond the trajectory, or there is no such trajectory.
        """
        self._reject_other_kind(TRAJECTORIES)
        if out is None:
            out = np.empty((len(indices), num_states, *self._state_shape), np.float32)
        self.read(self.locate(indices, starts, num_states, stride), out, stride)
        return out

    def locate(
        self,
        indices: Int64[np.ndarray, " B"],
        starts: Int64[np.ndarray, " B"],
        num_states: int = 1,
        stride: Stride = 1,
    ) -> Places:
        """Find where windows are, to ``read`` them; see ``windows``.

        A sample of a steady problem is the window of one state, all of its fields, at time 0.
        """
        ends = starts + (num_states - 1) * stride
        if starts.size and not (starts.min() >= 0 and ends.max() < self.num_times):
            raise IndexError(
                f"a window of {num_states} states at stride {stride} must lie in the times 0 … "
                f"{self.num_times - 1}, got starts {starts}"
            )
        return self._locate(self._states, indices, starts * self._state_bytes)

    def read(
        self, places: Places, out: Float32[np.ndarray, "B K F H W"], stride: Stride = 1
    ) -> None:
        """Read windows of K states that ``locate`` has found: each at once if all strides are 1."""
        pieces = [out] if np.all(np.equal(stride, 1)) else list(out.swapaxes(0, 1))
        for step, piece in enumerate(pieces):
            begin = step * stride * self._state_bytes
            self._read(self._states, places._replace(offsets=places.offsets + begin), piece)

    @property
    def _states(self) -> str:
        return TRAJECTORIES if self.is_evolution else FIELDS

    @property
    def _state_bytes(self) -> int:
        return 4 * math.prod(self._state_shape)

    def __getitem__(self, index: int | slice | Sequence[int] | np.ndarray) -> dict[str, Any]:
        """Read a sample, or several: arrays by the names of the fields and coefficients.

        Args:
            index: an integer gives fields (H, W), the states of an evolution (T, H, W), and
                coefficients as numbers; a slice, a list of integers or a mask gives (B, H, W),
                (B, T, H, W) and (B,).

        Raises:
            IndexError: there is no such sample.
        """
        rows = np.arange(self.num_samples)[index]
        if rows.ndim > 1:
            raise IndexError(f"samples are chosen along one axis, got {rows.ndim}")
        batch = np.atleast_1d(rows)
        values = [*self._by_field(batch), *self.coefficients(batch).T]
        names = (*self.manifest.field_names, *self.coefficient_names)
        return {n: v if rows.ndim else v[0] for n, v in zip(names, values, strict=True)}

    def _by_field(self, indices: Int64[np.ndarray, " B"]) -> list[np.ndarray]:
        """Read all of the samples: each field (B, H, W), each state (B, T, H, W)."""
        if not self.is_evolution:
            return [*self.fields(indices).swapaxes(0, 1)]
        states = self.windows(indices, np.zeros_like(indices), self.num_times)
        return [*self.inputs(indices).swapaxes(0, 1), *np.moveaxis(states, 2, 0)]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(self.num_samples))

    def to_xarray(self) -> Any:
        """Read the whole split as an ``xarray.Dataset`` with the axes sample, time, y and x.

        Coordinates are the times, and the points in the unit of the sides.

        Raises:
            InputError: xarray is not installed, or a field or coefficient is called like an axis.
        """
        require("to_xarray", ["xarray"], extra="xarray")
        import xarray

        manifest, times = self.manifest, {"time": [*self.times]} if self.is_evolution else {}
        sides = zip(self.grid.coordinates(), self.grid.lengths, strict=True)
        y, x = (points * length for points, length in sides)
        coordinates = {"y": y, "x": x} | times
        for name in (*manifest.field_names, *self.coefficient_names):
            if name in ("sample", *coordinates):
                raise InputError(
                    f"{manifest.name} has a field or coefficient {name}, which is an axis in "
                    "xarray; index the data set instead: dataset[:] gives arrays by name"
                )
        return xarray.Dataset(
            {name: (_XARRAY_AXES[values.ndim], values) for name, values in self[:].items()},
            coords=coordinates,
            attrs={"name": manifest.name, "equation": manifest.equation, "split": self.split},
        )

    def coefficients(self, indices: Int64[np.ndarray, " B"]) -> Float[np.ndarray, "B c"]:
        """Return coefficients of the samples, columns as ``coefficient_names``."""
        self._opened(indices)
        return self._coefficients[indices]

    def norms(self, indices: Int64[np.ndarray, " B"]) -> Float[np.ndarray, "B k"]:
        """Return norms of the samples, columns as ``norm_names``."""
        self._opened(indices)
        return self._norms[indices]

    def sample_index(self, indices: Int64[np.ndarray, " B"]) -> Int64[np.ndarray, " B"]:
        """Return the index that, with seed and split, decides all of a sample."""
        self._opened(indices)
        return self._sample_index[indices]
