"""Import files of others, and compare what comes out with what was written."""

import numpy as np
from trajectory_files import LENGTHS, TIMES, H, W, n

from lightning_sciml import read_dataset
from lightning_sciml.foreign.asked import Asked
from lightning_sciml.foreign.conversion import import_dataset
from lightning_sciml.pde.grid import Grid
from lightning_sciml.shards.verification import verify_dataset


def imported(folder, *paths, num_cut=None, **asked):
    cut = num_cut or {"val": 1, "test": 1}
    return import_dataset(folder, {"train": paths}, num_cut=cut, asked=Asked(**asked))


def everything(folder):
    """All samples by name, in the order of the files."""
    parts = [read_dataset(folder, split)[:] for split in ("train", "val", "test")]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def check(folder, *, times=TIMES, lengths=LENGTHS, boundary, **expected):
    """The fields by [x, y] come out by [y, x]; grid and times are those of the file."""
    found = everything(folder)
    assert list(found) == list(expected)
    for name, values in expected.items():
        own = np.asarray(values, "f4") if np.ndim(values) > 2 else np.broadcast_to(values, n)
        own = own.swapaxes(-1, -2) if np.ndim(values) > 2 else own
        np.testing.assert_array_equal(found[name], own, err_msg=name)
    manifest = read_dataset(folder, "train").manifest
    assert manifest.grid == Grid(shape=(H, W), lengths=lengths, boundary=boundary)
    np.testing.assert_array_equal(manifest.times, times)
    assert verify_dataset(folder) == []
