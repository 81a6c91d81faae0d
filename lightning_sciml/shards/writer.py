"""Write one shard durably: HDF5 lays it out in memory, plain writes and a rename put it on disk.

HDF5 itself never touches the disk here: it does not survive a full one, and its writes hold the
interpreter, so that nothing could be computed meanwhile.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lightning_sciml.shards.durable import replacing
from lightning_sciml.shards.schema import (
    FIELDS,
    NAMES_ATTRIBUTE,
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
    fields = np.ascontiguousarray(datasets[FIELDS], "<f4")
    small = {name: datasets[name] for name in sorted(datasets) if name != FIELDS}
    layout, offset = shard_layout(fields.shape, small, attributes, column_names)
    with replacing(path, drop_cache=True) as temporary, temporary.open("wb") as file:
        file.write(layout)
        file.seek(offset)
        file.write(fields.data.cast("B"))


def shard_layout(
    fields_shape: tuple[int, ...],
    small: Mapping[str, np.ndarray],
    attributes: Mapping[str, Any],
    column_names: Mapping[str, tuple[str, ...]],
) -> tuple[bytes, int]:
    """All of a shard file but the content of ``fields``, and the place of that in the file.

    ``fields`` comes last and is allocated but not written, so what HDF5 writes ends before it.
    """
    image = io.BytesIO()
    with h5py.File(image, "w", alignment_threshold=4096, alignment_interval=4096) as file:
        for name, array in small.items():
            file[name] = array
        for name, columns in column_names.items():
            file[name].attrs[NAMES_ATTRIBUTE] = list(columns)
        file.attrs.update(attributes)
        file.attrs[SCHEMA_VERSION_ATTRIBUTE] = SCHEMA_VERSION
        offset = _allocate(file, fields_shape)
    return image.getvalue(), offset


def _allocate(file: h5py.File, shape: tuple[int, ...]) -> int:
    """Make the contiguous dataset without content; return its place in the file."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.CONTIGUOUS)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    creation.set_obj_track_times(False)  # equal content, equal file
    space = h5py.h5s.create_simple(shape)
    dataset = h5py.h5d.create(file.id, FIELDS.encode(), h5py.h5t.IEEE_F32LE, space, dcpl=creation)
    return dataset.get_offset()
