"""The samples of a split in the files of its shards: where their bytes lie, and reads of them."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Int64

from lightning_sciml.errors import InputError
from lightning_sciml.shards.manifest import Manifest, ShardRecord
from lightning_sciml.shards.many_reads import read_many
from lightning_sciml.shards.open_file import OpenFile, SamplePart
from lightning_sciml.shards.schema import COEFFICIENTS, NORMS, SAMPLE_INDEX, norm_names
from lightning_sciml.shards.shard_layout import OpenShard, open_shard

_READ_LATER = ("_coefficients", "_norms", "_sample_index", "_parts", "_places", "_files")
MAX_OPEN_FILES = 256  # of the 1024 that a process may mostly have


class Places(NamedTuple):
    """Where samples, or windows of them, begin.

    Attributes:
        shards: numbers of the shards that hold them.
        offsets: of their first bytes in the files of these; of a shard in slabs, in its array.
    """

    shards: Int64[np.ndarray, " B"]
    offsets: Int64[np.ndarray, " B"]


class SampleFiles:
    """Opens the shards of one split when they are first needed, and reads from any place in them.

    Arguments as of ``ShardedDataset``.
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
