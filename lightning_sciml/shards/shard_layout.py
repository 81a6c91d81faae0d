"""One shard on disk: its record, where its large arrays lie, its checksum."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from lightning_sciml.shards.checksums import hexadecimal
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.earlier_plans import with_named_fields
from lightning_sciml.shards.manifest import ShardRecord
from lightning_sciml.shards.open_file import OpenFile, SamplePart, open_inside, shard_error
from lightning_sciml.shards.schema import (
    AMPLITUDES,
    ATTEMPT,
    COEFFICIENTS,
    FIELDS,
    INPUTS,
    LARGE,
    NORMS,
    SAMPLE_INDEX,
    TRAJECTORIES,
    norm_names,
    slab_file,
)
from lightning_sciml.shards.shard_header import ShardHeader, StoredArray, read_header
from lightning_sciml.shards.version_1 import read_header_of_version_1

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"  # version 1 begins with it


@dataclass(frozen=True)
class OpenShard:
    """A shard whose header is as wanted: located large arrays, and small ones that were read.

    Attributes:
        record: the shard as the manifest is to list it.
        parts: of each large array, what to read for a sample, in the order of files.
        arrays: by name, of one dimension and those with named columns; not the amplitudes.
    """

    record: ShardRecord
    parts: Mapping[str, tuple[SamplePart, ...]]
    arrays: Mapping[str, np.ndarray]
    _plan: DatasetPlan
    _file: OpenFile
    _stored: Mapping[str, StoredArray]

    def read(self, name: str, row: int) -> Float32[np.ndarray, "..."]:
        """Read one sample of a large array."""
        values = np.empty(self._plan.sample_shapes[name], np.float32)
        for part in self.parts[name]:
            part.read(OpenFile(part.path), row, values.data.cast("B"))
        return values

    def sample(
        self, row: int
    ) -> tuple[Float32[np.ndarray, "S H W"], Float32[np.ndarray, "T F H W"]]:
        """Read the input fields and the targets of one sample; T = 1 if it is steady."""
        if self._plan.is_evolution:
            empty = np.empty((0, *self._plan.grid.shape), np.float32)
            inputs = self.read(INPUTS, row) if INPUTS in self.parts else empty
            return inputs, self.read(TRAJECTORIES, row)
        fields, num_inputs = self.read(FIELDS, row), len(self._plan.input_fields)
        return fields[:num_inputs], fields[None, num_inputs:]

    def check_payload(self) -> None:
        """Compare the CRC32 of what is on disk with the record.

        Raises:
            InputError: naming the shard and both checksums.
        """
        checksum = 0
        for name in sorted({*self._stored, *self.parts}):
            if stored := self._stored.get(name):
                checksum = self._file.checksum(stored.offset, stored.num_bytes, checksum)
            else:
                checksum = self._checksum_of_slabs(name, checksum)
        if hexadecimal(checksum) != self.record.checksum:
            found = f"{hexadecimal(checksum)}, wanted {self.record.checksum}"
            raise shard_error(self._file.path, f": checksum of the payload is {found}")

    def _checksum_of_slabs(self, name: str, checksum: int) -> int:
        in_order = sorted(self.parts[name], key=lambda part: part.start)
        for position in range(self.record.num_samples):
            for part in in_order:
                offset = part.offset + position * part.stride
                checksum = OpenFile(part.path).checksum(offset, part.size, checksum)
        return checksum


def open_shard(path: Path, plan: DatasetPlan, wanted: Mapping[str, Any]) -> OpenShard:
    """Compare the header of a shard with the plan, locate large arrays, read the small ones.

    Args:
        path: the file.
        plan: of the data set.
        wanted: what is known of the record: all of it from a manifest, less in generation.

    Raises:
        InputError: missing, damaged, or another shard than wanted; names the first difference.
    """
    file = open_inside(path)
    header = _header(file, plan)
    if header.record is None:
        raise shard_error(path, " is a slab, wanted a shard")
    record = asdict(header.record)
    for name, value in wanted.items():
        _compare(path, name, record.get(name), value)
    of_shard = with_named_fields(header.plan)
    for name, value in json.loads(plan.text).items():
        _compare(path, name, of_shard.get(name), value)
    _check_arrays(path, header.arrays, plan, header.record.num_samples)
    parts = _parts(file, header, plan, header.record.num_samples)
    small = [name for name in header.arrays if name not in (*LARGE, AMPLITUDES)]
    arrays = {name: _array(file, header.arrays[name]) for name in small}
    return OpenShard(header.record, parts, arrays, plan, file, header.arrays)


def _header(file: OpenFile, plan: DatasetPlan) -> ShardHeader:
    if file.size < 8 or file.read(0, 8) != _HDF5_SIGNATURE:
        return read_header(file)[0]
    if plan.schema_version == 1:
        return read_header_of_version_1(file)
    version = plan.schema_version
    raise shard_error(file.path, f" has no header: not a shard of format version {version}")


def _compare(path: Path, name: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise shard_error(path, f": {name} is {found}, wanted {wanted}")


def _check_arrays(
    path: Path, stored: Mapping[str, StoredArray], plan: DatasetPlan, num_samples: int
) -> None:
    """Check names, types and shapes of all arrays but the large ones."""
    columns: dict[str, tuple[str, tuple[int, ...]]] = {
        COEFFICIENTS: ("<f8", (len(plan.coefficient_names),)),
        NORMS: ("<f8", (len(norm_names(plan.input_fields, plan.target_fields)),)),
        SAMPLE_INDEX: ("<i8", ()),
    }
    absent = sorted(columns.keys() - stored.keys())
    if absent:
        raise shard_error(path, f" has no {absent[0]!r}: not a shard")
    for name, array in stored.items():
        if name in LARGE:
            continue
        dtype, rest = columns.get(name, ("<i8" if name == ATTEMPT else "<f8", ()))
        if name == AMPLITUDES:
            dtype, rest = "<f4", array.shape[1:2]
        wanted = f"{dtype} {(num_samples, *rest)}"
        _compare(path, repr(name), f"{array.dtype} {array.shape}", wanted)


def _parts(
    file: OpenFile, header: ShardHeader, plan: DatasetPlan, num_samples: int
) -> dict[str, tuple[SamplePart, ...]]:
    """Locate a sample in each large array."""
    parts: dict[str, tuple[SamplePart, ...]] = {}
    for name, shape in plan.sample_shapes.items():
        if header.slabs and name not in header.arrays:
            parts[name] = _parts_in_slabs(file, header, plan, name, num_samples)
            continue
        offset, size = _offset(file, header, name, (num_samples, *shape)), 4 * math.prod(shape)
        parts[name] = (SamplePart(str(file.path), offset, stride=size, start=0, size=size),)
    for name in {*LARGE} & {*header.arrays} - {*parts}:
        raise shard_error(file.path, f" has {name!r}: not a shard of this data set")
    return parts


def _parts_in_slabs(
    file: OpenFile, header: ShardHeader, plan: DatasetPlan, name: str, num_samples: int
) -> tuple[SamplePart, ...]:
    """Locate for each slab and field, and each time, the rows in it."""
    *before, H, W = plan.sample_shapes[name]
    num_blocks = math.prod(before)
    num_rows = sum(slab.num_rows for slab in header.slabs)
    _compare(file.path, "number of rows in slabs", num_rows, H)
    parts, first_row = [], 0
    for rank, slab in enumerate(header.slabs):
        of_slab = open_inside(file.path.with_name(slab_file(file.path.name, rank)))
        if plan.schema_version == 1:
            own = read_header_of_version_1(of_slab, is_slab=True)
        else:
            own, checksum = read_header(of_slab)
            _compare(of_slab.path, "header", checksum, slab.header_checksum)
        offset = _offset(of_slab, own, name, (num_samples, *before, slab.num_rows, W))
        size = 4 * slab.num_rows * W
        for block in range(num_blocks):
            place, start = offset + block * size, 4 * W * (block * H + first_row)
            parts.append(SamplePart(str(of_slab.path), place, num_blocks * size, start, size))
        first_row += slab.num_rows
    return tuple(parts)


def _offset(file: OpenFile, header: ShardHeader, name: str, shape: tuple[int, ...]) -> int:
    stored = header.arrays.get(name)
    if stored is None:
        raise shard_error(file.path, f" has no {name!r}: not a shard")
    _compare(file.path, f"shape of {name}", stored.shape, shape)
    _compare(file.path, f"type of {name}", stored.dtype, "<f4")
    return stored.offset


def _array(file: OpenFile, stored: StoredArray) -> np.ndarray:
    content = file.read(stored.offset, stored.num_bytes)
    return np.frombuffer(content, stored.dtype).reshape(stored.shape)
