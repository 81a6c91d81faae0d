"""HDF5 files of others, of which only tables of numbers in the file itself are read.

A file may hold links and virtual datasets that lead to other files, datasets that claim more than
any memory holds, and damage. A pipe or a device may have its name.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.child_process import in_a_child

NUMBERS = "fiub"  # kinds of numpy: floating point, integers, bool
_MAX_CHUNK_BYTES = 1 << 30  # is decompressed as a whole
_MAX_COMPRESSION = 10_000  # deflate reaches 1,000
_CHECKED_BYTES = 1 << 20  # smaller datasets may hold anything
_SECONDS = 10.0  # to read the texts of a file


def regular_file(path: Path) -> Path:
    """Return the path of a file that can be read to its end.

    Raises:
        InputError: nothing has this name, or no regular file.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; name data files, or folders of them")
    if not path.is_file():  # a pipe would block, a device has no end
        raise InputError(f"{path} must be a file, it is none; name data files, or their folder")
    return path


class ForeignFile:
    """An HDF5 file open for reading.

    Args:
        path: the file.

    Raises:
        InputError: nothing has this name, no regular file, or no HDF5.
    """

    def __init__(self, path: Path) -> None:
        self.path = regular_file(path)
        try:
            self.root = h5py.File(path, "r", locking=False)
        except Exception as error:  # damage decides what h5py raises
            raise InputError(
                f"{path} cannot be read as HDF5 ({_first_line(error)}); name whole files ending in "
                ".h5, .hdf5, .npz, .npy, .mat or .pt, or folders of them"
            ) from None

    def __contains__(self, name: str) -> bool:
        return self._link(name) is not None

    def member(self, name: str) -> h5py.Group | h5py.Dataset:
        """Return a group or dataset of the file itself.

        Raises:
            InputError: there is none, or it leads out of the file.
        """
        link = self._link(name)
        if link is None:
            raise InputError(f"{self.path} has no {name}; see sciml data import --help")
        if not isinstance(link, h5py.HardLink):
            raise InputError(
                f"{self.path}: {name} is a link to {link.path} of "
                f"{getattr(link, 'filename', 'this file')}; copy what it leads to into this file"
            )
        return self.root[name]

    def dataset(self, name: str) -> h5py.Dataset:
        """Return a table of numbers in the file itself.

        Raises:
            InputError: there is none, or it leads out of the file, or claims what it does not hold.
        """
        found = self.member(name)
        if not isinstance(found, h5py.Dataset):
            raise InputError(f"{self.path}: {name} must be a dataset, it is none")
        if found.is_virtual or found.external:
            raise InputError(
                f"{self.path}: {name} has its values in other files; copy them into this one "
                "(h5repack does) and import the copy"
            )
        if found.shape is None or found.dtype.kind not in NUMBERS:
            raise InputError(
                f"{self.path}: {name} must hold real numbers, it holds {found.dtype}; convert it"
            )
        self._check_size(name, found)
        return found

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """List the shapes of all tables of numbers by path; links are not followed."""
        found: dict[str, tuple[int, ...]] = {}

        def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
            is_table = isinstance(item, h5py.Dataset) and item.shape is not None
            if is_table and item.dtype.kind in NUMBERS and not name.startswith("#"):  # of MATLAB
                found[name] = item.shape

        self.root.visititems(visit)
        return found

    def texts(self, name: str, attribute: str) -> list[str]:
        """Return the texts of an attribute, one or several.

        Raises:
            InputError: there are none, or the file is damaged.
        """
        if name != "/":
            self.member(name)  # or an error
        found = self._texts.get((name, attribute))
        if found is None:
            raise InputError(
                f"{self.path}: {name} has no attribute {attribute} of text; get the file again"
            )
        return found

    def has_text(self, name: str, attribute: str) -> bool:
        """Tell whether there is an attribute of text."""
        return (name, attribute) in self._texts

    @cached_property
    def _texts(self) -> dict[tuple[str, str], list[str]]:
        """Read all texts at once, in another process: HDF5 loops on damaged ones."""
        with naming_damage(self.path, "its attributes"):
            return in_a_child(_texts_of, self.path, seconds=_SECONDS)

    def _check_size(self, name: str, dataset: h5py.Dataset) -> None:
        claimed, held = dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size()
        if claimed > max(_CHECKED_BYTES, _MAX_COMPRESSION * held):
            raise InputError(
                f"{self.path}: {name} claims {claimed:,} bytes and holds {held:,}: it was never "
                "written, or is made to fill memory; get the file again"
            )
        chunk = np.prod(dataset.chunks or (0,), dtype=float) * dataset.dtype.itemsize
        if chunk > _MAX_CHUNK_BYTES:
            raise InputError(
                f"{self.path}: {name} has chunks of {chunk:,.0f} bytes, wanted at most "
                f"{_MAX_CHUNK_BYTES:,}; write it again with smaller ones (h5repack does)"
            )

    def _link(self, name: str) -> h5py.HardLink | h5py.SoftLink | h5py.ExternalLink | None:
        """Return the first link on the way to a name that is not a hard one, else the last."""
        group, link = self.root, None
        for part in name.split("/"):
            link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
            if not isinstance(link, h5py.HardLink):
                return link
            group = group[part]
        return link


def _texts_of(path: Path) -> dict[tuple[str, str], list[str]]:
    """Read all attributes of text, by the path of what they belong to and by their names."""
    found: dict[tuple[str, str], list[str]] = {}

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        for attribute in item.attrs:
            stored = item.attrs.get_id(attribute)
            is_empty = stored.shape == (0,)  # an empty list has no text: HDF5 calls it float64
            if is_empty or stored.dtype.kind in "OS":
                values = np.ravel(np.asarray(item.attrs[attribute]))
                found[name, attribute] = [
                    value.decode() if isinstance(value, bytes) else str(value) for value in values
                ]

    with h5py.File(path, "r", locking=False) as file:
        visit("/", file)
        file.visititems(visit)
    return found


@contextmanager
def naming_damage(path: Path | str, part: str) -> Iterator[None]:
    """Turn what a reader raises on a damaged or foreign part of a file into one line.

    Raises:
        InputError: naming file and part.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # damage decides what h5py, zipfile, SciPy and NumPy raise
        raise InputError(
            f"{path}: {part} cannot be read ({type(error).__name__}: {_first_line(error)}); the "
            "file is damaged, or holds something else under a name that is read: get it again, or "
            "see sciml data import --help for the layouts"
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
