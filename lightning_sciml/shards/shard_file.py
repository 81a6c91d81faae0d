"""One shard on disk: its header, where its fields lie, its checksum."""

import json
import math
import os
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from jaxtyping import Float, Float32, Int64
from zlib_ng.zlib_ng import crc32, crc32_combine  # zlib's crc32, 7 times as fast

from lightning_sciml.errors import InputError
from lightning_sciml.shards.manifest import DatasetPlan, ShardRecord
from lightning_sciml.shards.schema import (
    CHECKSUM_ATTRIBUTE,
    COEFFICIENTS,
    FIELDS,
    NORMS,
    PLAN_ATTRIBUTE,
    SAMPLE_INDEX,
    SCHEMA_VERSION,
    SCHEMA_VERSION_ATTRIBUTE,
)

_MAX_READ = 1 << 30  # Linux reads no more than 2 GiB at a time
_REMEDY = "run the same data_gen/solve.py command again, it makes damaged shards anew"


@dataclass(frozen=True)
class JoinedSlabs:
    """The rows of several files as one field; indexed by sample."""

    slabs: tuple[Float32[np.ndarray, "n F rows N"], ...]

    def __getitem__(self, sample: int) -> Float32[np.ndarray, "F N N"]:
        return np.concatenate([slab[sample] for slab in self.slabs], axis=1)


class OpenFile:
    """A file open for reads at any place, closed when nothing refers to it any more.

    Raises:
        InputError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        try:
            self.descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise InputError(
                f"shard {path} cannot be opened: {error.strerror}; {_REMEDY}"
            ) from None
        weakref.finalize(self, os.close, self.descriptor)


class Payload(NamedTuple):
    """A piece of the fields on disk: where it lies, and its shape (n, F, rows, N)."""

    path: Path
    offset: int
    shape: tuple[int, ...]


class SamplePart(NamedTuple):
    """Bytes that lie together in every sample, in its file and in memory.

    Attributes:
        path: the file.
        offset: of those of the first sample in the file.
        stride: from sample to sample in the file.
        start: of those in the memory of a sample.
        size: how many.
    """

    path: str
    offset: int
    stride: int
    start: int
    size: int

    def read(self, file: OpenFile, position: int, out: memoryview) -> None:
        """Fill ``out`` with those of the sample at a position.

        Raises:
            InputError: the file ends before the sample does, or cannot be read.
        """
        offset = self.offset + position * self.stride
        try:
            num_read = os.preadv(file.descriptor, (out,), offset)
        except OSError as error:
            raise InputError(f"shard {self.path} cannot be read: {error.strerror}") from error
        if num_read != self.size:
            raise InputError(
                f"shard {self.path} is truncated: {num_read} bytes at {offset}, wanted "
                f"{self.size}; {_REMEDY}"
            )


def sample_parts(pieces: Sequence[Payload]) -> tuple[SamplePart, ...]:
    """What to read for a sample: one part of a whole field, or a part of each slab and field."""
    parts, first_row = [], 0
    for path, offset, (_, F, rows, N) in pieces:
        num_parts = F if len(pieces) > 1 else 1
        size = 4 * F * rows * N // num_parts
        for part in range(num_parts):
            start = 4 * N * (part * N + first_row)
            for begin in range(0, size, _MAX_READ):
                end = min(begin + _MAX_READ, size)
                at = offset + part * size + begin
                parts.append(
                    SamplePart(str(path), at, num_parts * size, start + begin, end - begin)
                )
        first_row += rows
    return tuple(parts)


@dataclass(frozen=True)
class OpenShard:
    """A shard whose fields were located and whose other datasets were read; no file stays open."""

    pieces: tuple[Payload, ...]
    coefficients: Float[np.ndarray, "n c"]
    norms: Float[np.ndarray, "n k"]
    sample_index: Int64[np.ndarray, " n"]

    @cached_property
    def parts(self) -> tuple[SamplePart, ...]:
        """What to read for a sample."""
        return sample_parts(self.pieces)

    @cached_property
    def fields(self) -> "Float32[np.ndarray, 'n F N N'] | JoinedSlabs":
        """All samples as a memory map."""
        maps = tuple(np.memmap(p.path, "<f4", "r", p.offset, p.shape) for p in self.pieces)
        return JoinedSlabs(maps) if len(maps) > 1 else maps[0]


def open_shard(path: Path) -> OpenShard:
    """Locate the contiguous payload of a shard and read the rest.

    Raises:
        InputError: missing, or not a whole HDF5 file.
    """
    with _open_hdf5(path) as file:
        return OpenShard(
            pieces=tuple(_pieces(path, file[FIELDS])),
            coefficients=file[COEFFICIENTS][:],
            norms=file[NORMS][:],
            sample_index=file[SAMPLE_INDEX][:],
        )


def check_header(path: Path, record: ShardRecord, plan: DatasetPlan) -> None:
    """Compare a shard's format version, shape, size and stored checksum with the manifest.

    Raises:
        InputError: naming the shard and the first thing that differs.
    """
    with _open_hdf5(path) as file:
        fields = file.get(FIELDS)
        if fields is None:
            raise InputError(f"shard {path} has no '{FIELDS}': not a shard; {_REMEDY}")
        pieces = _pieces(path, fields)
        shape = (record.num_samples, plan.num_fields, plan.num_points, plan.num_points)
        found = {
            "format version": (file.attrs.get(SCHEMA_VERSION_ATTRIBUTE), SCHEMA_VERSION),
            "shape of fields": (fields.shape, shape),
            "type of fields": (fields.dtype.str, "<f4"),
            "checksum": (file.attrs.get(CHECKSUM_ATTRIBUTE), record.checksum),
            **_differences(file.attrs.get(PLAN_ATTRIBUTE, "{}"), plan),
        }
    for quantity, (got, wanted) in found.items():
        if got != wanted:
            raise InputError(f"shard {path}: {quantity} is {got}, wanted {wanted}; {_REMEDY}")
    for piece in pieces:
        size, end_of_payload = piece.path.stat().st_size, piece.offset + 4 * math.prod(piece.shape)
        if size < end_of_payload:
            raise InputError(
                f"shard {piece.path} is truncated: {size} bytes, wanted {end_of_payload}; {_REMEDY}"
            )


def _pieces(path: Path, fields: h5py.Dataset) -> list[Payload]:
    """The shard's own contiguous fields, or those of its slabs in the order of their rows."""
    if not fields.is_virtual:
        return [_piece(path, fields)]
    pieces = []
    for source in sorted(fields.virtual_sources(), key=lambda s: s.vspace.get_select_bounds()):
        slab_path = path.parent / source.file_name
        with _open_hdf5(slab_path) as file:
            pieces.append(_piece(slab_path, file[FIELDS]))
    return pieces


def _piece(path: Path, fields: h5py.Dataset) -> Payload:
    offset = fields.id.get_offset()
    if offset is None:
        raise InputError(f"shard {path} has no contiguous '{FIELDS}': not a shard; {_REMEDY}")
    return Payload(path, offset, fields.shape)


def _differences(text: str, plan: DatasetPlan) -> dict[str, tuple[object, object]]:
    """What the plan in a shard says otherwise than the manifest's: by name, (got, wanted)."""
    got, wanted = json.loads(text), json.loads(plan.text)
    return {key: (got.get(key), value) for key, value in wanted.items() if got.get(key) != value}


def check_payload(path: Path, record: ShardRecord) -> None:
    """Compare the CRC32 of what is on disk with the manifest.

    Raises:
        InputError: naming the shard and both checksums.
    """
    with _open_hdf5(path) as file:
        got = payload_checksum({name: file[name][:] for name in file})
    if got != record.checksum:
        raise InputError(
            f"shard {path}: checksum of the payload is {got}, wanted {record.checksum}; {_REMEDY}"
        )


def read_small_datasets(path: Path) -> dict[str, np.ndarray]:
    """Everything of a shard but its fields."""
    with _open_hdf5(path) as file:
        return {name: file[name][:] for name in file if name != FIELDS}


class PieceChecksum(NamedTuple):
    """CRC32 of some consecutive bytes, and how many they are."""

    value: int
    num_bytes: int


def slab_checksum(piece: np.ndarray) -> PieceChecksum:
    """Of a piece of the payload."""
    return PieceChecksum(crc32(np.ascontiguousarray(piece).data), piece.nbytes)


def payload_checksum(datasets: Mapping[str, np.ndarray]) -> str:
    """CRC32 over all datasets of a shard in alphabetical order, 8 hexadecimal digits."""
    small = {name: array for name, array in datasets.items() if name != FIELDS}
    return joined_checksum(small, [slab_checksum(datasets[FIELDS])])


def joined_checksum(small: Mapping[str, np.ndarray], of_fields: Sequence[PieceChecksum]) -> str:
    """The same from the checksums of consecutive pieces of ``fields``, wherever they are."""
    pieces = {name: [slab_checksum(array)] for name, array in small.items()}
    pieces[FIELDS] = list(of_fields)
    checksum = 0
    for name in sorted(pieces):
        for piece in pieces[name]:
            checksum = crc32_combine(checksum, piece.value, piece.num_bytes)
    return f"{checksum:08x}"


def _open_hdf5(path: Path) -> h5py.File:
    """Open for reading without file locks, which network file systems may lack."""
    try:
        return h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise InputError(f"shard {path} is missing; {_REMEDY}") from None
    except OSError:
        raise InputError(
            f"shard {path} is truncated or damaged: HDF5 cannot open it; {_REMEDY}"
        ) from None
