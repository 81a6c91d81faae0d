"""Named arrays in .npz, .npy, .mat, .pt and any HDF5 file: their shapes, and how to load them."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple
from zipfile import ZipFile

import h5py
import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.child_process import in_a_child
from lightning_sciml.foreign.foreign_file import NUMBERS, ForeignFile, naming_damage, regular_file
from lightning_sciml.foreign.reads import Shape
from lightning_sciml.process_memory import available_memory

_MOST_LISTED = 12  # arrays of a file, in a message
_MATLAB_CLASSES = {"double", "single", "logical"} | {
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}
_COPIES_OF_MAT = 4  # two in the process that reads it, two on the way to this one


class NamedArrays(NamedTuple):
    """Arrays in a file.

    Attributes:
        origin: the file, or the names of several.
        shapes: of all arrays by name.
        load: an array by its name: in memory, or read from the file where it is indexed.
        is_reversed: the file has the axes in the reverse of the order that its author sees.
    """

    origin: Path | str
    shapes: Mapping[str, Shape]
    load: Callable[[str], Any]
    is_reversed: bool = False

    def shown_shapes(self) -> dict[str, Shape]:
        """Return the shapes with the axes in the order that the author of the file sees."""
        return {n: s[::-1] if self.is_reversed else s for n, s in self.shapes.items()}

    def described(self) -> str:
        """Describe the file: its arrays with their shapes."""
        listed = [f"{name} {shape}" for name, shape in self.shown_shapes().items()]
        more = [f"and {len(listed) - _MOST_LISTED} others"] if len(listed) > _MOST_LISTED else []
        told = ", ".join([*listed[:_MOST_LISTED], *more]) or "no arrays of numbers"
        return f"{self.origin} holds {told}"


def hdf5_arrays(file: ForeignFile, *, is_reversed: bool = False) -> NamedArrays:
    """List all arrays in an HDF5 file by their paths in it."""
    with naming_damage(file.path, "its arrays"):
        return NamedArrays(file.path, file.shapes(), file.dataset, is_reversed)


def npy_arrays(paths: Sequence[Path]) -> NamedArrays:
    """List the arrays of several .npy files, each by the name of its file."""
    arrays = {}
    for path in paths:
        with naming_damage(regular_file(path), "its array"):
            if path.stem in arrays:
                raise InputError(f"{path} is a second {path.stem}; rename one of the files")
            arrays[path.stem] = np.lib.format.open_memmap(path, mode="r")
    shapes = {name: array.shape for name, array in arrays.items()}
    origin = paths[0] if len(paths) == 1 else ", ".join(path.name for path in paths)
    return NamedArrays(origin, shapes, arrays.__getitem__)


def _npz_arrays(path: Path) -> NamedArrays:
    def load(name: str) -> np.ndarray:
        with naming_damage(path, name), ZipFile(path) as file, file.open(f"{name}.npy") as member:
            _check_memory(path, name, *headers[name])
            array: np.ndarray = np.lib.format.read_array(member, allow_pickle=False)
            return array

    headers = {}
    with naming_damage(regular_file(path), "its arrays"), ZipFile(path) as file:
        for member in file.namelist():
            with file.open(member) as content:
                headers[member.removesuffix(".npy")] = _npy_header(content)
    shapes = {name: shape for name, (shape, dtype) in headers.items() if dtype.kind in NUMBERS}
    return NamedArrays(path, shapes, load)


def _npy_header(file: IO[bytes]) -> tuple[Shape, np.dtype]:
    read = np.lib.format.read_array_header_1_0
    if np.lib.format.read_magic(file) != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _mat_arrays(path: Path) -> NamedArrays:
    """List the arrays of a .mat: version 5 by SciPy; version 7.3 is HDF5 with reversed axes."""
    if h5py.is_hdf5(regular_file(path)):
        return hdf5_arrays(ForeignFile(path), is_reversed=True)
    from scipy.io import loadmat, whosmat

    def load(name: str) -> np.ndarray:
        _check_memory(path, name, (_COPIES_OF_MAT, *shapes[name]), np.dtype(np.float64))
        with naming_damage(path, name):
            array: np.ndarray = in_a_child(loadmat, path, variable_names=[name])[name]
            return array

    with naming_damage(path, "its arrays"):
        listed = in_a_child(whosmat, path)
    shapes = {name: shape for name, shape, kind in listed if kind in _MATLAB_CLASSES}
    return NamedArrays(path, shapes, load)


def _pt_arrays(path: Path) -> NamedArrays:
    """List a dict of tensors, which stay on disk until indexed; no code in the file is run."""
    import torch

    from lightning_sciml.checkpoints.files import DamageError, read_archive

    def load(name: str) -> np.ndarray:
        tensor = tensors[name].detach()
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise InputError(f"{path}: {name} claims more than it holds; save a contiguous tensor")
        return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()

    try:
        content = read_archive(regular_file(path), mmap=True)
    except DamageError as error:
        raise InputError(
            f"{path} cannot be read as tensors: {error}; save a dict of tensors by torch.save"
        ) from None
    tensors = {
        str(name): tensor
        for name, tensor in content.items()
        if isinstance(tensor, torch.Tensor) and tensor.layout is torch.strided
    }
    return NamedArrays(path, {name: tuple(t.shape) for name, t in tensors.items()}, load)


def _check_memory(path: Path, name: str, shape: Shape, dtype: np.dtype) -> None:
    """Reject an array that memory cannot hold, before it is filled."""
    wanted, free = math.prod(shape) * dtype.itemsize, available_memory()
    if wanted > free:
        raise InputError(
            f"{path}: {name} needs {wanted / 1e9:,.2f} GB of memory, which has {free / 1e9:,.2f} "
            "GB free; store it as HDF5, which is read in pieces"
        )


ARRAY_READERS: dict[str, Callable[[Path], NamedArrays]] = {
    ".npz": _npz_arrays,
    ".npy": lambda path: npy_arrays([path]),
    ".mat": _mat_arrays,
    ".pt": _pt_arrays,
    ".pth": _pt_arrays,
}
