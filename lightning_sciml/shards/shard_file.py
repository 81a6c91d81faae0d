"""One shard on disk: its header, its memory map, its checksum."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float, Float32, Int64
from zlib_ng.zlib_ng import crc32  # zlib's function, 7 times as fast

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

_REMEDY = "run the same data_gen/solve.py command again, it makes damaged shards anew"


@dataclass(frozen=True)
class OpenShard:
    """A shard with its fields as a memory map and the rest in memory; no file stays open."""

    fields: Float32[np.ndarray, "n 2 N N"]
    coefficients: Float[np.ndarray, "n c"]
    norms: Float[np.ndarray, "n k"]
    sample_index: Int64[np.ndarray, " n"]


def open_shard(path: Path) -> OpenShard:
    """Map the contiguous payload of a shard and read the rest.

    Raises:
        InputError: missing, or not a whole HDF5 file.
    """
    with _open_hdf5(path) as file:
        fields = file[FIELDS]
        return OpenShard(
            fields=np.memmap(path, fields.dtype, "r", fields.id.get_offset(), fields.shape),
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
        offset = None if fields is None else fields.id.get_offset()
        if fields is None or offset is None:
            raise InputError(f"shard {path} has no contiguous '{FIELDS}': not a shard; {_REMEDY}")
        shape = (record.num_samples, 2, plan.num_points, plan.num_points)
        found = {
            "format version": (file.attrs.get(SCHEMA_VERSION_ATTRIBUTE), SCHEMA_VERSION),
            "shape of fields": (fields.shape, shape),
            "type of fields": (fields.dtype.str, "<f4"),
            "checksum": (file.attrs.get(CHECKSUM_ATTRIBUTE), record.checksum),
            **_differences(file.attrs.get(PLAN_ATTRIBUTE, "{}"), plan),
        }
        end_of_payload = offset + 4 * int(np.prod(shape))
    for quantity, (got, wanted) in found.items():
        if got != wanted:
            raise InputError(f"shard {path}: {quantity} is {got}, wanted {wanted}; {_REMEDY}")
    if path.stat().st_size < end_of_payload:
        raise InputError(
            f"shard {path} is truncated: {path.stat().st_size} bytes, "
            f"wanted {end_of_payload}; {_REMEDY}"
        )


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


def payload_checksum(datasets: Mapping[str, np.ndarray]) -> str:
    """CRC32 over all datasets of a shard in alphabetical order, 8 hexadecimal digits."""
    checksum = 0
    for name in sorted(datasets):
        checksum = crc32(np.ascontiguousarray(datasets[name]).data, checksum)
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
