"""Random access to one split of a data set, past HDF5: samples and windows at known places."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int64

from lightning_sciml.errors import InputError
from lightning_sciml.paths import expanded
from lightning_sciml.shards.manifest import Manifest, ShardRecord
from lightning_sciml.shards.many_reads import read_many
from lightning_sciml.shards.open_file import OpenFile, SamplePart
from lightning_sciml.shards.schema import (
    COEFFICIENTS,
    FIELDS,
    INPUTS,
    NORMS,
    SAMPLE_INDEX,
    TRAJECTORIES,
    norm_names,
)
from lightning_sciml.shards.shard_layout import OpenShard, open_shard
from lightning_sciml.shards.xarray_view import as_xarray

_READ_LATER = ("_coefficients", "_norms", "_sample_index", "_parts", "_places", "_files")
MAX_OPEN_FILES = 256  # of the 1024 that a process may mostly have


def read_dataset(folder: str | Path, split: str) -> "ShardedDataset":
    """Open one split of a data set: `dataset[3]["u"]`, `dataset[:8]`, `for sample in dataset`.

    Args:
        folder: the data set.
        split: train, val or test.

    Raises:
        InputError: no data set, no such split, or a shard that is not what the manifest says.
    """
    return ShardedDataset(expanded(folder), split)


Stride = int | Int64[np.ndarray, " B"]


class Places(NamedTuple):
    """Where samples, or windows of them, begin.

    Attributes:
        shards: numbers of the shards that hold them.
        offsets: of their first bytes in the files of these; of a shard in slabs, in its array.
    """

    shards: Int64[np.ndarray, " B"]
    offsets: Int64[np.ndarray, " B"]


class ShardedDataset:
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

    def __init__(
        self,
        directory: str | Path,
        split: str,
        verify: Literal["none", "header", "full"] = "header",
    ) -> None:
        self.directory = Path(directory)
        self.split = split
        self.manifest = Manifest.load(self.directory)
        self._records = [record for record in self.manifest.shards if record.split == split]
        if not self._records:
            raise InputError(
                f"data set {directory} has no samples in split {split!r}; "
                f"it has {', '.join(s for s, n in self.manifest.num_samples.items() if n)}"
            )
        self.num_samples = sum(record.num_samples for record in self._records)
        self.grid = self.manifest.grid
        self.coefficient_names = self.manifest.coefficient_names
        self.input_fields = self.manifest.input_fields
        self.target_fields = self.manifest.target_fields
        self.is_evolution = self.manifest.is_evolution
        self.times = self.manifest.times
        self.num_times = self.manifest.num_times
        self.norm_names = norm_names(self.input_fields, self.target_fields)
        self._large = {*self.manifest.sample_shapes}
        num_fields = len(self.target_fields if self.is_evolution else self.manifest.field_names)
        self._state_shape = num_fields, *self.grid.shape
        self._first_indices = np.array([record.first_index for record in self._records])
        for record in self._records if verify != "none" else ():
            shard = self._shard(record)
            if verify == "full":
                shard.check_payload()
        self._forget()

    def __len__(self) -> int:
        return self.num_samples

    def _forget(self) -> None:
        """Forget open files and what was read of the shards."""
        n = self.num_samples
        self._coefficients = np.empty((n, len(self.coefficient_names)))
        self._norms = np.empty((n, len(self.norm_names)))
        self._sample_index = np.empty(n, np.int64)
        self._parts: dict[int, Mapping[str, tuple[SamplePart, ...]]] = {}
        self._places = {name: np.zeros((len(self._records), 2), np.int64) for name in self._large}
        self._files: dict[str, OpenFile] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in self.__dict__ if name not in _READ_LATER}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

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

    def _reject_other_kind(self, name: str) -> None:
        if name not in self._large:
            has = (
                "trajectories: read windows" if self.is_evolution else "steady samples: read fields"
            )
            raise InputError(f"data set {self.directory} has {has} and inputs")

    def _locate(
        self,
        name: str,
        indices: Int64[np.ndarray, " B"],
        begins: Int64[np.ndarray, " B"] | int = 0,
    ) -> Places:
        """Find samples in a large array, from the bytes ``begins`` of each on."""
        self._reject_other_kind(name)
        shards = self._opened(indices)
        firsts, strides = self._places[name][shards].T
        return Places(shards, firsts + (indices - self._first_indices[shards]) * strides + begins)

    def _read(self, name: str, places: Places, out: np.ndarray) -> None:
        """Read bytes of a large array into the rows of ``out``."""
        parts = {number: self._parts[number][name] for number in set(places.shards.tolist())}
        if any(len(of_shard) > 1 for of_shard in parts.values()):
            self._read_slabs(name, places, out)
            return
        files = {number: self._file(part.path) for number, (part,) in parts.items()}
        descriptors = np.zeros(len(self._records), np.int64)
        for number, file in files.items():
            descriptors[number] = file.descriptor
        sizes = read_many(descriptors[places.shards], out, places.offsets)
        for row in np.flatnonzero(sizes != out[:1].nbytes).tolist():  # again, to say what is wrong
            file = files[int(places.shards[row])]
            file.read_into(out[row].data.cast("B"), int(places.offsets[row]))

    def _read_slabs(self, name: str, places: Places, out: np.ndarray) -> None:
        """Read samples whose rows lie in several files."""
        firsts, strides = self._places[name][places.shards].T
        positions, begins = np.divmod(places.offsets - firsts, strides)
        for row, number in enumerate(places.shards.tolist()):
            memory = out[row].data.cast("B")
            for part in self._parts[number][name]:
                part.read(self._file(part.path), int(positions[row]), memory, int(begins[row]))

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
            InputError: xarray is not installed.
        """
        return as_xarray(self)

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

    def _shard(self, record: ShardRecord) -> OpenShard:
        return open_shard(self.directory / record.file, self.manifest, asdict(record))

    def _opened(self, indices: Int64[np.ndarray, " B"]) -> Int64[np.ndarray, " B"]:
        """Read the small arrays of the shards that hold the samples; return the shards' numbers."""
        if indices.size and not (indices.min() >= 0 and indices.max() < self.num_samples):
            raise IndexError(f"indices must lie in 0 … {self.num_samples - 1}, got {indices}")
        numbers = np.searchsorted(self._first_indices, indices, side="right") - 1
        for number in set(numbers.tolist()) - self._parts.keys():
            record = self._records[number]
            shard = self._shard(record)
            rows = slice(record.first_index, record.first_index + record.num_samples)
            self._coefficients[rows] = shard.arrays[COEFFICIENTS]
            self._norms[rows] = shard.arrays[NORMS]
            self._sample_index[rows] = shard.arrays[SAMPLE_INDEX]
            self._parts[number] = shard.parts
            for name, (part, *others) in shard.parts.items():
                in_array = 0, 4 * math.prod(self.manifest.sample_shapes[name])
                self._places[name][number] = in_array if others else (part.offset, part.stride)
        return numbers

    def _file(self, path: str) -> OpenFile:
        """Return the open file; beyond ``MAX_OPEN_FILES``, close the least recently used one."""
        file = self._files.pop(path, None) or OpenFile(path)
        self._files[path] = file
        if len(self._files) > MAX_OPEN_FILES:
            self._files.pop(list(self._files)[0], None)  # noqa: RUF015 -- at once, for all threads
        return file
