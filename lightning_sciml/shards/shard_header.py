"""The header of a shard: JSON with its own checksum, which is compared first.

It fills the block that HDF5 leaves to the user at the start of a file. It says where each array
lies, so that nothing written by HDF5 has to be parsed: on damaged metadata HDF5 itself fails in any
way, or loops for ever. Other programs still read the file as HDF5.

The first line, 64 bytes, holds the size of the block and the CRC32 of the rest of the block.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from zlib_ng.zlib_ng import crc32

from lightning_sciml.json_files import json_text
from lightning_sciml.shards.checksums import hexadecimal
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.manifest import ShardRecord
from lightning_sciml.shards.open_file import OpenFile, shard_error
from lightning_sciml.shards.schema import LARGE

_FIRST_LINE_BYTES = 64
_LEAST_BLOCK_BYTES = 4096
_MAX_BLOCK_BYTES = 1 << 26
Size = Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True, kw_only=True)
class StoredArray:
    """Where an array lies in a file: contiguous, in C order, little endian.

    Attributes:
        offset: of its first byte in the file.
        shape: items along each axis.
        dtype: NumPy's name of the type.
    """

    offset: Size
    shape: tuple[Size, ...]
    dtype: Literal["<f4", "<f8", "<i8"]

    @property
    def num_bytes(self) -> int:
        """Count the bytes of all items."""
        return math.prod(self.shape) * int(self.dtype[2])


@dataclass(frozen=True, kw_only=True)
class Slab:
    """A file beside a shard that holds some of its rows.

    Attributes:
        num_rows: grid rows [y] in it.
        header_checksum: CRC32 of its header, which holds that of its payload; empty in version 1.
    """

    num_rows: int
    header_checksum: str


@dataclass(frozen=True, kw_only=True)
class ShardHeader:
    """What a shard, or a slab, says of itself.

    Attributes:
        arrays: by the names of the schema.
        record: the shard as the manifest lists it; None in a slab.
        plan: the plan of the data set; empty in a slab.
        slabs: where the fields lie, if not in the file itself.
        payload_checksum: of a slab, whose record does not hold it.
        size: bytes of the whole file.
        rest_checksum: CRC32 of all bytes behind the header that are not of large arrays.
    """

    arrays: dict[str, StoredArray]
    record: ShardRecord | None = None
    plan: dict[str, Any] = field(default_factory=dict)
    slabs: tuple[Slab, ...] = ()
    payload_checksum: str = ""
    size: int = 0
    rest_checksum: str = ""


def in_place(arrays: Mapping[str, StoredArray]) -> list[tuple[str, StoredArray]]:
    """List the large arrays in the order of the file; all else is covered by the header."""
    found = [(name, arrays[name]) for name in LARGE if name in arrays and arrays[name].num_bytes]
    return sorted(found, key=lambda item: item[1].offset)


def block_size(num_arrays: int, num_slabs: int, plan: DatasetPlan | None) -> int:
    """Return a power of two, as HDF5 demands, with room for the header of such a file."""
    room = 2048 + 256 * (num_arrays + num_slabs) + (len(plan.text) if plan else 0)
    return max(_LEAST_BLOCK_BYTES, 1 << room.bit_length())


def encode(header: ShardHeader, size: int) -> tuple[bytes, str]:
    """Return the block at the start of the file, of ``size`` bytes, and the header's checksum."""
    body = json_text(asdict(header)).encode().ljust(size - _FIRST_LINE_BYTES)
    if len(body) > size - _FIRST_LINE_BYTES:
        raise ValueError(f"a header of {len(body)} bytes does not fit a block of {size}")
    return _first_line(size, crc32(body)) + body, hexadecimal(crc32(body))


def read_header(file: OpenFile) -> tuple[ShardHeader, str]:
    """Read the header and compare all that is not payload with its checksums.

    Returns:
        The header and its own checksum.

    Raises:
        InputError: truncated, or one bit of it is not as written.
    """
    damaged = " is truncated or damaged: "
    first = bytes(file.read(0, min(_FIRST_LINE_BYTES, file.size)))
    words = first.decode("ascii", "replace").split()
    size = int(words[3]) if len(words) == 5 and words[3].isdecimal() else 0
    if not _LEAST_BLOCK_BYTES <= size <= _MAX_BLOCK_BYTES:
        raise shard_error(file.path, f"{damaged}it does not begin with the header of a shard")
    body = bytes(file.read(_FIRST_LINE_BYTES, size - _FIRST_LINE_BYTES))
    if first != _first_line(size, crc32(body)):
        raise shard_error(file.path, f"{damaged}its header does not have the checksum it holds")
    try:
        header = msgspec.json.decode(body, type=ShardHeader)
    except (msgspec.DecodeError, RecursionError) as error:
        problem = f"{damaged}its header is not of this format: {error}"
        raise shard_error(file.path, problem) from None
    _check_content(file, header, size)
    return header, hexadecimal(crc32(body))


def _first_line(size: int, checksum: int) -> bytes:
    line = f"lightning_sciml shard 2 {size} {hexadecimal(checksum)}"
    return line.ljust(_FIRST_LINE_BYTES - 1).encode() + b"\n"


def _check_content(file: OpenFile, header: ShardHeader, begin: int) -> None:
    """Compare all behind the header, but the large arrays, with what it says."""
    if file.size != header.size:
        state = "truncated" if file.size < header.size else "too long"
        raise shard_error(file.path, f" is {state}: {file.size} bytes, wanted {header.size}")
    for name, array in header.arrays.items():
        if array.num_bytes and not begin <= array.offset <= header.size - array.num_bytes:
            raise shard_error(file.path, f" is damaged: its {name!r} lies outside the file")
    rest = 0
    for name, array in in_place(header.arrays):
        if array.offset < begin:
            raise shard_error(file.path, f" is damaged: its {name!r} lies in another array")
        rest = file.checksum(begin, array.offset - begin, rest)
        begin = array.offset + array.num_bytes
    rest = file.checksum(begin, header.size - begin, rest)
    if hexadecimal(rest) != header.rest_checksum:
        found = f"{hexadecimal(rest)}, wanted {header.rest_checksum}"
        raise shard_error(
            file.path, f" is damaged: all but its large arrays has the checksum {found}"
        )
