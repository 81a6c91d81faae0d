"""Write one shard durably: HDF5 lays it out in memory, plain writes and a rename put it on disk.

HDF5 itself never touches the disk here: it does not survive a full one, and its writes hold the
interpreter, so that nothing could be computed meanwhile.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np
from jaxtyping import Float32
from zlib_ng.zlib_ng import crc32

from lightning_sciml.shards.checksums import hexadecimal, slab_checksum
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.durable import replacing
from lightning_sciml.shards.manifest import ShardRecord
from lightning_sciml.shards.schema import (
    COEFFICIENTS,
    LARGE,
    NAMES_ATTRIBUTE,
    NORMS,
    SCHEMA_VERSION,
    SCHEMA_VERSION_ATTRIBUTE,
    norm_names,
    slab_file,
)
from lightning_sciml.shards.shard_header import (
    ShardHeader,
    Slab,
    StoredArray,
    block_size,
    encode,
    in_place,
)

_ALIGNMENT = 4096  # bytes; large arrays begin at a page


def write_shard(
    path: Path,
    datasets: Mapping[str, np.ndarray],
    *,
    record: ShardRecord,
    plan: DatasetPlan,
    slabs: Sequence[Slab] = (),
) -> None:
    """Write a shard, or the file that joins slabs on disk to one, whole or not at all.

    Args:
        path: the final name; its folder exists, and slabs lie beside it.
        datasets: arrays by the names of the schema. Large are, in float32, ``fields``
            (n, S+F, H, W); or ``trajectories`` (n, T, F, H, W) and, if there are input fields,
            ``inputs`` (n, S, H, W). What lies in slabs is absent.
        record: the shard as the manifest will list it.
        plan: of the data set.
        slabs: what ``write_slab`` returned, by rank.

    Raises:
        OSError: the disk is full or the folder not writable; nothing of the file remains.
    """
    block = block_size(len(datasets), len(slabs), plan)
    with _image() as image:
        with _layout(image, block) as file:
            arrays = _describe(file, datasets, record, plan)
            if slabs:
                (name,) = {*plan.sample_shapes} - {*datasets}
                _join(file, path, name, slabs, (record.num_samples, *plan.sample_shapes[name]))
            for name in sorted({*LARGE} & {*datasets}):  # last: most is before them
                arrays[name] = _allocate(file, name, datasets[name].shape)
        header = ShardHeader(
            arrays=arrays, record=record, plan=json.loads(plan.text), slabs=tuple(slabs)
        )
        _publish(path, header, block, image, datasets)


def write_slab(path: Path, name: str, values: Float32[np.ndarray, "*n rows W"]) -> Slab:
    """Write the rows of one process, as a file of its own beside the shard, whole or not at all.

    Args:
        path: the final name.
        name: of the large array, in the schema.
        values: its rows of this process.

    Raises:
        OSError: the disk is full or the folder not writable; nothing of the file remains.
    """
    block = block_size(1, 0, None)
    with _image() as image:
        with _layout(image, block) as file:
            arrays = {name: _allocate(file, name, values.shape)}
        values = np.ascontiguousarray(values, "<f4")
        header = ShardHeader(
            arrays=arrays, payload_checksum=hexadecimal(slab_checksum(values).value)
        )
        checksum = _publish(path, header, block, image, {name: values})
    return Slab(num_rows=values.shape[-2], header_checksum=checksum)


def _join(
    file: h5py.File, path: Path, name: str, slabs: Sequence[Slab], shape: tuple[int, ...]
) -> None:
    """Add a virtual array over those of slabs beside ``path``, whose rows follow each other."""
    *before, _, width = shape
    first_row = 0
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)  # equal content, equal file
    for rank, slab in enumerate(slabs):
        of_slab = (*before, slab.num_rows, width)
        place, source = h5py.h5s.create_simple(shape), h5py.h5s.create_simple(of_slab)
        place.select_hyperslab((*(0 for _ in before), first_row, 0), of_slab)
        file_name = slab_file(path.name, rank)
        creation.set_virtual(place, file_name.encode(), name.encode(), source)
        first_row += slab.num_rows
    space = h5py.h5s.create_simple(shape)
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F32LE, space, dcpl=creation)


def _image() -> BinaryIO:
    """Open an empty file in memory, where HDF5 lays out a shard.

    It writes a few bytes behind the fields. The hole between takes no memory in a file of the
    kernel; Python's own fills it with zeros, which takes as long as writing the shard.
    """
    return os.fdopen(os.memfd_create("shard"), "w+b") if hasattr(os, "memfd_create") else BytesIO()


def _read(image: BinaryIO, begin: int, end: int | None) -> bytes:
    image.seek(begin)
    return image.read(-1 if end is None else end - begin)


def _layout(image: BinaryIO, block: int) -> h5py.File:
    return h5py.File(
        image,
        "w",
        userblock_size=block,
        alignment_threshold=_ALIGNMENT,
        alignment_interval=_ALIGNMENT,
    )


def _describe(
    file: h5py.File,
    datasets: Mapping[str, np.ndarray],
    record: ShardRecord,
    plan: DatasetPlan,
) -> dict[str, StoredArray]:
    """Add all datasets but the large ones; return where they lie.

    For readers of HDF5, attributes repeat what the header says. They are of fixed length: those of
    variable length would lie in HDF5's global heap.
    """
    for name in sorted({*datasets} - {*LARGE}):
        file[name] = datasets[name]
    of_norms = norm_names(plan.input_fields, plan.target_fields)
    column_names = {COEFFICIENTS: plan.coefficient_names, NORMS: of_norms}
    for name, columns in column_names.items():
        file[name].attrs[NAMES_ATTRIBUTE] = np.array([c.encode() for c in columns], "S")
    for name, value in asdict(record).items():
        if value is not None:
            file.attrs[name] = np.bytes_(value.encode()) if isinstance(value, str) else value
    file.attrs[SCHEMA_VERSION_ATTRIBUTE] = SCHEMA_VERSION
    return {
        name: StoredArray(  # an empty array lies nowhere
            offset=stored.id.get_offset() or 0, shape=stored.shape, dtype=stored.dtype.str
        )
        for name, stored in sorted(file.items())
    }


def _publish(
    path: Path,
    header: ShardHeader,
    block: int,
    image: BinaryIO,
    datasets: Mapping[str, np.ndarray],
) -> str:
    """Write the header, what HDF5 laid out in memory, and the large arrays at their places in it.

    Returns:
        The checksum of the header.
    """
    parts: list[bytes | memoryview] = []
    position, rest = block, 0
    for name, stored in in_place(header.arrays):
        gap = _read(image, position, stored.offset).ljust(stored.offset - position, b"\0")
        parts += [gap, np.ascontiguousarray(datasets[name], "<f4").data.cast("B")]
        position, rest = stored.offset + stored.num_bytes, crc32(gap, rest)
    parts.append(_read(image, position, None))
    size, rest = block + sum(map(len, parts)), crc32(parts[-1], rest)
    header = replace(header, size=size, rest_checksum=hexadecimal(rest))
    first, checksum = encode(header, block)
    with replacing(path, drop_cache=True) as temporary, temporary.open("wb") as file:
        for part in (first, *parts):
            file.write(part)
    return checksum


def _allocate(file: h5py.File, name: str, shape: tuple[int, ...]) -> StoredArray:
    """Make a contiguous, empty dataset of float32; return its place in the file."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.CONTIGUOUS)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    creation.set_obj_track_times(False)  # equal content, equal file
    space = h5py.h5s.create_simple(shape)
    dataset = h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F32LE, space, dcpl=creation)
    return StoredArray(offset=dataset.get_offset(), shape=shape, dtype="<f4")
