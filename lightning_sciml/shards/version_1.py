"""Shards of format version 1, whose header is HDF5 attributes that no checksum covers.

HDF5 parses the file before anything of it is compared. It fails on most damaged metadata, which
becomes one line here, and may loop on some: only version 2 excludes that.
"""

from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.shards.manifest import ShardRecord
from lightning_sciml.shards.open_file import OpenFile, shard_error
from lightning_sciml.shards.schema import (
    FIELDS,
    PLAN_ATTRIBUTE,
    SCHEMA_VERSION_ATTRIBUTE,
    slab_file,
)
from lightning_sciml.shards.shard_header import ShardHeader, Slab, StoredArray


def read_header_of_version_1(file: OpenFile, *, is_slab: bool = False) -> ShardHeader:
    """Collect from HDF5 attributes what the header of version 2 says; a slab has fields only.

    Raises:
        InputError: HDF5 cannot read it, or it holds other links than hard ones, or arrays that are
            not contiguous in this file.
    """
    try:
        # without locks, which network file systems may lack
        with h5py.File(file.path, "r", locking=False) as hdf5:
            return _header(hdf5, file, is_slab)
    except InputError:
        raise
    except Exception as error:  # damage decides what h5py raises
        problem = f" is truncated or damaged: HDF5 cannot read it ({error})"
        raise shard_error(file.path, problem) from error


def _header(hdf5: h5py.File, file: OpenFile, is_slab: bool) -> ShardHeader:
    if is_slab:
        return ShardHeader(arrays={FIELDS: _stored(hdf5, FIELDS, file)})
    version = hdf5.attrs.get(SCHEMA_VERSION_ATTRIBUTE)
    if version != 1:
        problem = f" has no header and the format version {version}, wanted 1: not a shard"
        raise shard_error(file.path, problem)
    slabs = _slabs(file.path, hdf5)
    names = [name for name in hdf5 if name != FIELDS or not slabs]
    return ShardHeader(
        arrays={name: _stored(hdf5, name, file) for name in names},
        record=_record(hdf5.attrs),
        plan=msgspec.json.decode(hdf5.attrs[PLAN_ATTRIBUTE], type=dict[str, Any]),
        slabs=slabs,
    )


def _record(attributes: h5py.AttributeManager) -> ShardRecord:
    content = {"max_residual": None, **attributes}
    plain = {name: v.item() if isinstance(v, np.generic) else v for name, v in content.items()}
    return msgspec.convert(plain, ShardRecord)


def _slabs(path: Path, hdf5: h5py.File) -> tuple[Slab, ...]:
    """Return the slabs that virtual fields name, if the fields are virtual."""
    if not isinstance(hdf5.get(FIELDS, getlink=True), h5py.HardLink):
        raise shard_error(path, f" has no '{FIELDS}' of its own: not a shard")
    fields = hdf5[FIELDS]
    if not isinstance(fields, h5py.Dataset) or not fields.is_virtual:
        return ()
    slabs = []
    sources = sorted(fields.virtual_sources(), key=lambda s: s.vspace.get_select_bounds())
    for rank, source in enumerate(sources):
        place, wanted = f"{source.file_name}:{source.dset_name}", slab_file(path.name, rank)
        if place != f"{wanted}:{FIELDS}":
            raise shard_error(path, f": its fields lie in {place}, wanted {wanted}:{FIELDS}")
        (_, _, first, _), (_, _, last, _) = source.vspace.get_select_bounds()
        slabs.append(Slab(num_rows=last - first + 1, header_checksum=""))
    return tuple(slabs)


def _stored(hdf5: h5py.File, name: str, file: OpenFile) -> StoredArray:
    if not isinstance(hdf5.get(name, getlink=True), h5py.HardLink):
        raise shard_error(file.path, f": {name!r} is a link elsewhere")
    dataset = hdf5[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.chunks or dataset.external:
        raise shard_error(file.path, f": {name!r} is not contiguous in this file")
    offset = dataset.id.get_offset() if dataset.size else 0
    stored = StoredArray(offset=offset or 0, shape=dataset.shape, dtype=dataset.dtype.str)
    if stored.num_bytes and not 0 < stored.offset <= file.size - stored.num_bytes:
        raise file.truncated(file.size, stored.offset + stored.num_bytes)
    return stored
