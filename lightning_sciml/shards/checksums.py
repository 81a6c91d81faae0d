"""CRC32 of what a shard holds, from pieces that may lie in several files."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from zlib_ng.zlib_ng import crc32, crc32_combine  # zlib's crc32, 7 times as fast


class PieceChecksum(NamedTuple):
    """CRC32 of some consecutive bytes, and how many they are."""

    value: int
    num_bytes: int


def hexadecimal(checksum: int) -> str:
    """Write a checksum as it stands in files: 8 digits."""
    return f"{checksum:08x}"


def slab_checksum(piece: np.ndarray) -> PieceChecksum:
    """Return the checksum of a piece of the payload."""
    return PieceChecksum(crc32(np.ascontiguousarray(piece).data), piece.nbytes)


def payload_checksum(datasets: Mapping[str, np.ndarray]) -> str:
    """Return the CRC32 over all datasets of a shard in alphabetical order, 8 hexadecimal digits."""
    return _combined({name: [slab_checksum(array)] for name, array in datasets.items()})


def joined_checksum(
    small: Mapping[str, np.ndarray], name: str, pieces: Sequence[PieceChecksum]
) -> str:
    """Return the payload checksum of a shard from those of consecutive pieces of a large array."""
    return _combined({name: pieces, **{n: [slab_checksum(a)] for n, a in small.items()}})


def _combined(pieces: Mapping[str, Sequence[PieceChecksum]]) -> str:
    checksum = 0
    for name in sorted(pieces):
        for piece in pieces[name]:
            checksum = crc32_combine(checksum, piece.value, piece.num_bytes)
    return hexadecimal(checksum)
