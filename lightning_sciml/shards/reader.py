"""Random access to one split of a data set, past HDF5: whole samples at known places."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32, Int64

from lightning_sciml.errors import InputError
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.schema import norm_names
from lightning_sciml.shards.shard_file import (
    OpenFile,
    OpenShard,
    check_header,
    check_payload,
    open_shard,
)

MAX_OPEN_FILES = 256  # of the 1024 that a process may mostly have


class ShardedDataset:
    """One split of a data set on disk, read in any order, straight into the caller's memory.

    Files are opened when first needed, some hundred at a time; the object may be pickled and may
    cross a fork. Samples are read and not mapped: memory maps would count as memory of the process,
    hold a file open each, and end the process by a signal where a file has become shorter.

    Args:
        directory: the data set.
        split: train, val or test.
        verify: what is compared with the manifest before anything is read: nothing, each shard's
            header (version, shape, size, stored checksum), or the checksum of its bytes as well.

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
        self.num_points = self.manifest.num_points
        self.coefficient_names = self.manifest.coefficient_names
        self.input_fields = self.manifest.input_fields
        self.norm_names = norm_names(self.input_fields)
        self._first_indices = np.array([record.first_index for record in self._records])
        self._open: dict[int, OpenShard] = {}
        self._files: dict[Path, OpenFile] = {}
        self._verify(verify)

    def __len__(self) -> int:
        return self.num_samples

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}, "_files": {}}

    def fields(
        self,
        indices: Int64[np.ndarray, " B"],
        out: Float32[np.ndarray, "B F N N"] | None = None,
    ) -> Float32[np.ndarray, "B F N N"]:
        """[*input_fields, solution] of the samples, copied into ``out`` where one is given."""
        if out is None:
            N, num_fields = self.num_points, self.manifest.num_fields
            out = np.empty((len(indices), num_fields, N, N), np.float32)
        for row, (shard, position) in enumerate(self._locate(indices)):
            first = 0
            for piece in shard.pieces:
                end = first + piece.shape[2]
                piece.read(self._file(piece.path), position, out[row, :, first:end])
                first = end
        return out

    def coefficients(self, indices: Int64[np.ndarray, " B"]) -> Float[np.ndarray, "B c"]:
        """Coefficients of the samples, columns as ``coefficient_names``."""
        return np.stack([shard.coefficients[position] for shard, position in self._locate(indices)])

    def norms(self, indices: Int64[np.ndarray, " B"]) -> Float[np.ndarray, "B k"]:
        """Norms of the samples, columns as ``norm_names``."""
        return np.stack([shard.norms[position] for shard, position in self._locate(indices)])

    def sample_index(self, indices: Int64[np.ndarray, " B"]) -> Int64[np.ndarray, " B"]:
        """The index that, with seed and split, decides all of a sample."""
        found = [shard.sample_index[position] for shard, position in self._locate(indices)]
        return np.array(found, np.int64)

    def _verify(self, verify: str) -> None:
        if verify == "none":
            return
        for record in self._records:
            check_header(self.directory / record.file, record, self.manifest)
            if verify == "full":
                check_payload(self.directory / record.file, record)

    def _locate(self, indices: Int64[np.ndarray, " B"]) -> list[tuple[OpenShard, int]]:
        indices = np.asarray(indices)
        if indices.size and not (indices.min() >= 0 and indices.max() < self.num_samples):
            raise IndexError(f"indices must lie in 0 … {self.num_samples - 1}, got {indices}")
        numbers = np.searchsorted(self._first_indices, indices, side="right") - 1
        positions = indices - self._first_indices[numbers]
        return [
            (self._shard(number), position)
            for number, position in zip(numbers.tolist(), positions.tolist(), strict=True)
        ]

    def _shard(self, number: int) -> OpenShard:
        if number not in self._open:
            self._open[number] = open_shard(self.directory / self._records[number].file)
        return self._open[number]

    def _file(self, path: Path) -> OpenFile:
        """The file, open; the one that was not used for longest is closed in its favour."""
        file = self._files.pop(path, None) or OpenFile(path)
        self._files[path] = file
        if len(self._files) > MAX_OPEN_FILES:
            self._files.pop(list(self._files)[0], None)  # noqa: RUF015 -- at once, for all threads
        return file
