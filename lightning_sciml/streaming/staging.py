"""Copies of data sets on a disk of the node that reads them."""

import os
import shutil
import zlib
from pathlib import Path

from lightning_sciml.errors import InputError
from lightning_sciml.shards.schema import MANIFEST_FILE


def staged(dataset: Path, stage_dir: Path) -> Path:
    """Name the copy of `dataset`; data sets of one name from two places have two copies."""
    origin = zlib.crc32(str(dataset.resolve()).encode())
    return stage_dir / f"{dataset.name}-{origin:08x}"


def stage_dataset(dataset: Path, stage_dir: Path) -> None:
    """Copy what the copy lacks, the manifest last: what has one is whole.

    Raises:
        InputError: there is no such data set, or no room for it.
    """
    manifest = dataset / MANIFEST_FILE
    if not manifest.is_file():
        raise InputError(f"{dataset} is no data set: it has no {MANIFEST_FILE}; generate it first")
    target = staged(dataset, stage_dir)
    files = sorted(path for path in dataset.rglob("*.h5") if path.is_file())  # no pipe, no device
    copies = {path: target / path.relative_to(dataset) for path in files}
    missing = {path: copy for path, copy in copies.items() if not _is_same(path, copy)}
    try:
        target.mkdir(parents=True, exist_ok=True)
        num_bytes, free = sum(p.stat().st_size for p in missing), shutil.disk_usage(target).free
        if num_bytes > free:
            raise InputError(
                f"{num_bytes / 1e9:.1f} GB are to be copied to {stage_dir}, it has "
                f"{free / 1e9:.1f} GB; empty it, or unset SCIML_STAGE_DIR"
            )
        for path, copy in [*missing.items(), (manifest, target / MANIFEST_FILE)]:
            _copy(path, copy)
    except OSError as error:
        raise InputError(
            f"{dataset} cannot be copied to {stage_dir} ({error.strerror}); let SCIML_STAGE_DIR "
            "name a folder that this node can write, or unset it"
        ) from error


def _is_same(path: Path, copy: Path) -> bool:
    if not copy.exists():
        return False
    mine, other = path.stat(), copy.stat()
    return (mine.st_size, mine.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _copy(path: Path, copy: Path) -> None:
    """Copy a file whole or not at all; several processes may do the same."""
    copy.parent.mkdir(exist_ok=True)
    temporary = copy.with_name(f".{copy.name}.tmp-{os.getpid()}")
    try:
        shutil.copy2(path, temporary)
        temporary.replace(copy)
    finally:
        temporary.unlink(missing_ok=True)
