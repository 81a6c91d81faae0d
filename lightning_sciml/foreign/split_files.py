"""List the files of each split: as named, in folders, or in the folders of a set of The Well."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.layouts import FILE_SUFFIXES
from lightning_sciml.shards.schema import SPLITS

_FOLDERS = {"train": ("train",), "val": ("valid", "val"), "test": ("test",)}


def listed_files(files: Mapping[str, Sequence[Path]]) -> dict[str, list[Path]]:
    """List the files of each split, for folders the data files in them by name.

    Args:
        files: files, or folders of them, of each split. A folder of train that has the folders
            train, valid and test, or data with these in it, stands for all splits.

    Raises:
        InputError: a folder without data files, or a file that stands in two splits.
    """
    named = _with_split_folders(files)
    listed: dict[str, list[Path]] = {split: [] for split in named}
    seen: dict[Path, str] = {}
    for split, path in ((split, path) for split, paths in named.items() for path in paths):
        inside = _data_files(path)
        if path.is_dir() and not inside:
            raise InputError(f"{path} has no file that ends in {' or '.join(FILE_SUFFIXES)}")
        for file in inside or [path]:
            if file.resolve() in seen:
                raise InputError(
                    f"{file} stands in {split} and in {seen[file.resolve()]}: its samples would be "
                    "in the data set twice; name it once"
                )
            seen[file.resolve()] = split
            listed[split].append(file)
    return listed


def _with_split_folders(files: Mapping[str, Sequence[Path]]) -> Mapping[str, Sequence[Path]]:
    """Replace the folder of a whole set by its folders of the splits."""
    train = list(files.get("train", ()))
    if len(train) != 1 or _data_files(train[0]):
        return files
    for root in (train[0] / "data", train[0]):
        folders = {
            split: [root / name for name in _FOLDERS[split] if (root / name).is_dir()]
            for split in SPLITS
        }
        if folders["train"]:
            return {split: files.get(split) or folders[split] for split in SPLITS} | {
                "train": folders["train"]
            }
    return files


def _data_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix in FILE_SUFFIXES)
