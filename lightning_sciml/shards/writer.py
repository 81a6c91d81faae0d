"""Write one shard durably: HDF5 lays it out in memory, plain writes and a rename put it on disk.

HDF5 itself never touches the disk here: it does not survive a full one, and its writes hold the
interpreter, so that nothing could be computed meanwhile.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float32

from lightning_sciml.shards.durable import replacing
from lightning_sciml.shards.schema import (
    FIELDS,
    NAMES_ATTRIBUTE,
    SAMPLE_INDEX,
    SCHEMA_VERSION,
    SCHEMA_VERSION_ATTRIBUTE,
    slab_file,
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
        datasets: arrays by the names of the schema; ``fields`` is (n, F, N, N) float32.
        attributes: what describes the shard, its checksum among them.
        column_names: by dataset, what its columns are.

    Raises:
        OSError: the disk is full or the folder not writable; nothing of the shard remains.
    """
    image = io.BytesIO()
    with h5py.File(image, "w", alignment_threshold=4096, alignment_interval=4096) as file:
        _describe(file, datasets, attributes, column_names)
        offset = _allocate(file, datasets[FIELDS].shape)  # last: all that HDF5 writes is before it
    _publish(path, image.getvalue(), datasets[FIELDS], offset)


def write_slab(path: Path, fields: Float32[np.ndarray, "n 2 rows N"]) -> None:
    """Write the rows of one process, as a file of its own beside the shard, whole or not at all.

    Raises:
        OSError: the disk is full or the folder not writable; nothing of the file remains.
    """
    image = io.BytesIO()
    with h5py.File(image, "w", alignment_threshold=4096, alignment_interval=4096) as file:
        offset = _allocate(file, fields.shape)
    _publish(path, image.getvalue(), fields, offset)


def write_shard_of_slabs(
    path: Path,
    slabs: Sequence[slice],
    num_points: int,
    datasets: Mapping[str, np.ndarray],
    *,
    attributes: Mapping[str, Any],
    column_names: Mapping[str, tuple[str, ...]],
) -> None:
    """Write the file that makes slabs on disk one shard.

    Args:
        path: the final name; the slabs lie beside it.
        slabs: rows of each slab, by rank.
        num_points: N.
        datasets: all of the shard but its fields.
        attributes: what describes the shard, its checksum among them.
        column_names: by dataset, what its columns are.

    Raises:
        OSError: the disk is full or the folder not writable; nothing of the file remains.
    """
    num_samples = len(datasets[SAMPLE_INDEX])
    layout = h5py.VirtualLayout((num_samples, 2, num_points, num_points), "<f4")
    for rank, rows in enumerate(slabs):
        shape = (num_samples, 2, rows.stop - rows.start, num_points)
        layout[:, :, rows] = h5py.VirtualSource(slab_file(path.name, rank), FIELDS, shape)
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        _describe(file, datasets, attributes, column_names)
        file.create_virtual_dataset(FIELDS, layout)
    with replacing(path) as temporary:
        temporary.write_bytes(image.getvalue())


def _describe(
    file: h5py.File,
    datasets: Mapping[str, np.ndarray],
    attributes: Mapping[str, Any],
    column_names: Mapping[str, tuple[str, ...]],
) -> None:
    """Everything but the fields."""
    for name in sorted(set(datasets) - {FIELDS}):
        file[name] = datasets[name]
    for name, columns in column_names.items():
        file[name].attrs[NAMES_ATTRIBUTE] = list(columns)
    file.attrs.update(attributes)
    file.attrs[SCHEMA_VERSION_ATTRIBUTE] = SCHEMA_VERSION


def _publish(path: Path, layout: bytes, fields: np.ndarray, offset: int) -> None:
    """Put on disk what HDF5 laid out in memory, and the fields at their place in it."""
    payload = np.ascontiguousarray(fields, "<f4").data.cast("B")
    with replacing(path, drop_cache=True) as temporary, temporary.open("wb") as file:
        file.write(layout)
        file.seek(offset)
        file.write(payload)


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
