"""Recognise the layout of a file of others; ``read_named`` reads those that have none."""

from collections.abc import Sequence
from pathlib import Path

from lightning_sciml.foreign.array_files import ARRAY_READERS, hdf5_arrays, npy_arrays
from lightning_sciml.foreign.asked import Asked
from lightning_sciml.foreign.carried_plan import as_planned
from lightning_sciml.foreign.choice import chosen
from lightning_sciml.foreign.foreign_file import ForeignFile, naming_damage
from lightning_sciml.foreign.foreign_set import ForeignSet
from lightning_sciml.foreign.labelled_arrays import read_labelled
from lightning_sciml.foreign.named_arrays import read_named, stored
from lightning_sciml.foreign.pdebench import read_pdebench
from lightning_sciml.foreign.reference_files import read_reference
from lightning_sciml.foreign.the_well import read_well
from lightning_sciml.foreign.trajectory_files import read_apebench, read_pdearena, read_poseidon

FILE_SUFFIXES = (".h5", ".hdf5", ".nc", *ARRAY_READERS)


def open_sets(paths: Sequence[Path], split: str, asked: Asked) -> tuple[ForeignSet, ...]:
    """Open the files of a split; those that hold one array each, .npy, make one set together."""
    found, of_arrays = [], []
    for path in paths:
        known = read_apebench(path) if path.suffix == ".npy" else None
        if known is not None:
            found.append(chosen(known, asked))
        elif path.suffix == ".npy":
            of_arrays.append(path)
        else:
            found.append(_open_set(path, split, asked))
    return (*found, *([read_named(npy_arrays(of_arrays), asked)] if of_arrays else []))


def _open_set(path: Path, split: str, asked: Asked) -> ForeignSet:
    """Recognise a file's layout.

    Raises:
        InputError: a file that cannot be read, or something that its layout does not say and the
            user has to.
    """
    if path.suffix in ARRAY_READERS:
        return read_named(ARRAY_READERS[path.suffix](path), asked)
    file = ForeignFile(path)
    with naming_damage(path, "its structure"):
        found = _of_hdf5(file, split, asked)
    return found


def _of_hdf5(file: ForeignFile, split: str, asked: Asked) -> ForeignSet:
    named = [n for of in (asked.inputs, asked.outputs, asked.states) for n in stored(of)]
    if "t0_fields" in file:
        return chosen(as_planned(read_well(file), file), asked)
    known = read_labelled(file)
    if known is None and "fields" in file and not (named and all(name in file for name in named)):
        return chosen(read_reference(file, asked), asked)
    known = known or read_poseidon(file) or read_pdearena(file, split) or read_pdebench(file)
    return chosen(as_planned(known, file), asked) if known else read_named(hdf5_arrays(file), asked)
