"""Data sets of ours in the layouts of others, whole or not at all."""

from collections.abc import Callable, Mapping
from pathlib import Path

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.netcdf_export import write_netcdf
from lightning_sciml.foreign.pdebench_export import write_pdebench
from lightning_sciml.foreign.sample_writing import new_folder
from lightning_sciml.foreign.well_export import write_well
from lightning_sciml.shards.durable import free_bytes
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.schema import SPLITS

_WRITERS: dict[str, Callable[[Path, Mapping[str, ShardedDataset], Callable[[int], object]], None]]
_WRITERS = {"well": write_well, "pdebench": write_pdebench, "xarray": write_netcdf}
LAYOUTS = tuple(_WRITERS)


def export_dataset(
    dataset: Path,
    output: Path,
    layout: str,
    advance: Callable[[int], object] = lambda _: None,
) -> None:
    """Write a data set in a layout of others, whole or not at all; every payload is checked.

    Args:
        dataset: folder of the data set.
        output: the new folder.
        layout: one of ``LAYOUTS``.
        advance: called with the number of samples written.

    Raises:
        InputError: no data set, a damaged shard, a layout that cannot hold it, too little room on
            the disk, or a folder that cannot be written. Nothing of the folder is left.
    """
    manifest = Manifest.load(dataset)
    _check_disk(manifest, output)
    with new_folder(output) as folder:
        kept = [split for split in SPLITS if manifest.num_samples.get(split)]
        splits = {split: ShardedDataset(dataset, split, verify="full") for split in kept}
        _WRITERS[layout](folder, splits, advance)


def _check_disk(manifest: Manifest, output: Path) -> None:
    """Reject what the disk cannot hold, before it is filled."""
    wanted = manifest.sample_bytes * sum(manifest.num_samples.values())
    free = free_bytes(output)
    if wanted > free:
        raise InputError(
            f"{output} needs {wanted / 1e9:,.2f} GB of disk, which has {free / 1e9:,.2f} GB free; "
            "give another place"
        )
