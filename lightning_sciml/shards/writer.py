"""Write one shard durably: HDF5 lays it out, plain writes fill it, a rename publishes it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lightning_sciml.shards.durable import replacing
from lightning_sciml.shards.schema import (
    FIELDS,
    SCHEMA_VERSION,
    SCHEMA_VERSION_ATTRIBUTE,
)


def write_shard(
    path: Path,
    datasets: Mapping[str, np.ndarray],
    *,
    attributes: Mapping[str, Any],
    column_names: Mapping[str, tuple[str, ...]],
) -> None:
    """Write a shard whole or not at all.

    Args:
        path: the final name; its folder exists.
        datasets: arrays by the names of the schema; ``fields`` is (n, 2, N, N) float32.
        attributes: what describes the shard, its checksum among them.
        column_names: by dataset, what its columns are.

    Raises:
        OSError: the disk is full or the folder not writable; nothing of the shard remains.
    """
    with replacing(path) as temporary:
        with h5py.File(temporary, "w", alignment_threshold=4096, alignment_interval=4096) as file:
            offset = _allocate(file, datasets[FIELDS])
            for name in sorted(set(datasets) - {FIELDS}):
                file[name] = datasets[name]
            for name, columns in column_names.items():
                file[name].attrs["names"] = list(columns)
            file.attrs.update(attributes)
            file.attrs[SCHEMA_VERSION_ATTRIBUTE] = SCHEMA_VERSION
        _fill(temporary, offset, datasets[FIELDS])


def _allocate(file: h5py.File, fields: np.ndarray) -> int:
    """Make the contiguous dataset without writing to it; return its place in the file."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.CONTIGUOUS)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    creation.set_obj_track_times(False)  # equal content, equal file
    space = h5py.h5s.create_simple(fields.shape)
    dataset = h5py.h5d.create(file.id, FIELDS.encode(), h5py.h5t.IEEE_F32LE, space, dcpl=creation)
    return dataset.get_offset()


def _fill(path: Path, offset: int, fields: np.ndarray) -> None:
    """Plain writes: unlike HDF5's they release the interpreter, so computing goes on meanwhile."""
    payload = np.ascontiguousarray(fields, "<f4").data.cast("B")
    descriptor = os.open(path, os.O_WRONLY)
    try:
        while payload:
            written = os.pwrite(descriptor, payload, offset)
            payload, offset = payload[written:], offset + written
    finally:
        os.close(descriptor)
