"""Names and checksums of data sets: reject two of one name before one hides the other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from zlib import crc32

from lightning_sciml.errors import InputError
from lightning_sciml.names import LONGEST_JOINED
from lightning_sciml.shards.reader import ShardedDataset


def joined(names: Sequence[str]) -> str:
    """Join the names of data sets to one that is short enough for a file name."""
    text = "+".join(names)
    if len(text) <= LONGEST_JOINED:
        return text
    return f"{text[:LONGEST_JOINED]}-of-{len(names)}-{crc32(text.encode()):08x}"


def reject_equal_names(datasets: Sequence[ShardedDataset]) -> None:
    """Reject data sets that are evaluated together under one name.

    Raises:
        InputError: naming the first two folders of one name.
    """
    folders: dict[str, Path] = {}
    for dataset in datasets:
        name = dataset.manifest.name
        if name in folders:
            raise InputError(
                f"data sets of a mixture need names of their own, {folders[name]} and "
                f"{dataset.directory} are both called {name}; name each folder once, or make one "
                "of them again with another --name"
            )
        folders[name] = dataset.directory


def checksums(datasets: Sequence[ShardedDataset]) -> dict[str, str]:
    """Return the checksum of each data set by its name."""
    return {dataset.manifest.name: dataset.manifest.checksum for dataset in datasets}


def reject_overwriting(
    path: Path, saved: Mapping[str, str], datasets: Sequence[ShardedDataset]
) -> None:
    """Reject writing results over those of other data sets.

    Args:
        path: the file of results.
        saved: checksums of the data sets that it is of, as far as it says.
        datasets: those whose results are to be written.

    Raises:
        InputError: one of them has the name of another one in the file.
    """
    for dataset in datasets:
        name, wanted = dataset.manifest.name, dataset.manifest.checksum
        if saved.get(name, wanted) != wanted:
            raise InputError(
                f"{path} is of another data set called {name} than {dataset.directory}; move that "
                "file, or give another --run_dir and the checkpoint as --ckpt_path"
            )
