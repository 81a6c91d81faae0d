"""Small files in the layouts of others, and what imports them."""

import h5py
import numpy as np
from layout_files import darcy, write_pdebench, write_reference, write_well
from trajectory_files import STATES

from lightning_sciml.foreign.asked import Asked
from lightning_sciml.foreign.conversion import import_dataset

NO_CUT = {"val": 0, "test": 0}
NAMED = Asked(fields=["a", "b", "c"], inputs=["a"], outputs=["c"])


def imported(folder, *train, asked=None, **files):
    return import_dataset(folder, {"train": train, **files}, num_cut=NO_CUT, asked=asked)


def permeabilities(path, **options):
    a, u = darcy(num_samples=4, num_points=8, seed=0)
    return write_pdebench(path, a, u, **options)


def three_fields(path):
    fields = np.random.default_rng(0).standard_normal((4, 3, 8, 8))
    return write_reference(path, fields, np.ones((4, 7))), fields.astype("f4")


def steady_map(path):
    a, u = darcy(num_samples=4, num_points=8, seed=0)
    return write_well(path, {"a": a, "u": u[:, None]}, inflow=np.arange(4.0))


def evolving_well(path):
    vector = np.stack(STATES[1:3], axis=-1)
    return write_well(path, {"p": STATES[0]}, vectors={"v": vector}, inflow=np.arange(5.0))


def replaced(path, name, make):
    with h5py.File(path, "r+") as file:
        del file[name]
        make(file)
    return path
