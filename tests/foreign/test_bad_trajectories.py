"""Trajectories and grids of others that cannot be used end in one line and leave nothing."""

import h5py
import numpy as np
import pytest
import torch
from import_command import rejected
from layout_files import write_well
from trajectory_files import (
    INPUT,
    STATES,
    TIMES,
    n,
    write_apebench,
    write_flow,
    write_groups,
    write_pdearena,
    write_poseidon,
    write_tensor,
)

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.conversion import import_dataset


def edited(path, name, change):
    """Change a dataset of a file."""
    with h5py.File(path, "r+") as file:
        values, attributes = change(file[name][()]), dict(file[name].attrs)
        del file[name]
        file[name] = values
        file[name].attrs.update(attributes)
    return path


def flow(folder):
    return write_flow(folder / "2D_CFD_periodic.hdf5")


def well(folder, **options):
    return write_well(folder / "f.h5", {"u": STATES[0], "a": INPUT}, **({"times": TIMES} | options))


def renamed_attribute(path, name, attribute, value):
    with h5py.File(path, "r+") as file:
        file[name].attrs[attribute] = value
    return path


def without(path, name):
    with h5py.File(path, "r+") as file:
        del file[name]
    return path


def damaged(values, place, number=np.nan):
    values = values.copy()
    values[place] = number
    return values


def squares(values):
    return np.linspace(0, 1, len(values), dtype="f4") ** 2


def grouped(folder):
    return write_groups(folder / "f.h5", STATES[:2])


BAD = {
    "times repeat": (
        lambda f: edited(flow(f), "t-coordinate", lambda t: damaged(t, 2, t[1])),
        "times must be finite and increase, got 0.1 and then 0.1 at position 2",
    ),
    "times go back": (
        lambda f: well(f, times=[0, 1, 0.5, 2]),
        "got 1 and then 0.5 at position 2; give others by --times",
    ),
    "a time is not finite": (lambda f: well(f, times=[0, 1, 2, np.inf]), "times must be finite"),
    "times of samples": (
        lambda f: well(f, times=np.arange(n)[:, None] + TIMES),
        "all samples need the same points along time",
    ),
    "too few times": (
        lambda f: edited(flow(f), "t-coordinate", lambda t: t[:3]),
        "t-coordinate has 3 times for 4 states, wanted as many or one more",
    ),
    "points": (
        lambda f: edited(flow(f), "x-coordinate", squares),
        "the points along x-coordinate must increase by one spacing, got steps of",
    ),
    "points of the well": (
        lambda f: edited(well(f), "dimensions/y", lambda y: y[::-1]),
        "the points along y must increase",
    ),
    "points of a group": (
        lambda f: edited(grouped(f), "0003/grid/x", lambda x: 2 * x),
        "0003 has other points along x than 0000; import samples of one grid",
    ),
    "fewer points than a group": (
        lambda f: edited(grouped(f), "0000/data", lambda u: u[:, 1:]),
        "0000/data has [7, 12] points, its grid has 12 along x and 8 along y; get the file again",
    ),
    "boundary of the well": (
        lambda f: well(f, boundary=("WALL", "SLIP")),
        "is of the type slip, wanted one of wall, open, periodic",
    ),
    "no boundary": (
        lambda f: write_flow(f / "2D_CFD.hdf5"),
        "must each be one of periodic, dirichlet, neumann, wall, open, the file and the options "
        "say nothing; give --boundary",
    ),
    "1-D array": (
        lambda f: without(write_tensor(f / "1D.h5", STATES[0, :, :, :, 0]), "y-coordinate"),
        "tensor has the shape (5, 4, 12), fields on a grid of 1 dimensions, wanted two; 1-D: not",
    ),
    "1-D flow": (lambda f: write_flow(f / "1D.h5", STATES[..., 0]), "1-D: not supported"),
    "3-D flow": (lambda f: write_flow(f / "3D.h5", STATES[..., None]), "3-D: not supported"),
    "1-D group": (
        lambda f: without(grouped(f), "0000/grid/y"),
        "0000/data has the shape (4, 8, 12, 2), fields on a grid of 1 dimensions",
    ),
    "3-D well": (
        lambda f: renamed_attribute(well(f), "dimensions", "spatial_dims", ["x", "y", "z"]),
        "has the cartesian dimensions x, y, z; wanted x and y, cartesian; 3-D: not supported",
    ),
    "sphere": (
        lambda f: renamed_attribute(well(f), "/", "grid_type", "spherical"),
        "has the spherical dimensions x, y; wanted x and y, cartesian",
    ),
    "1-D of APEBench": (
        lambda f: [
            np.save(f / "ks_train.npy", STATES[0][:, :, None, :, 0]),
            write_apebench(f, "ks", 1)[0],
            np.save(f / "ks_train.npy", STATES[0][:, :, None, :, 0]),
        ][1],
        "ks_train has the shape (5, 4, 1, 12), fields on a grid of 1 dimensions",
    ),
    "1-D of PDEArena": (
        lambda f: edited(write_pdearena(f / "f.h5", "train"), "train/u", lambda u: u[..., 0]),
        "1-D: not supported",
    ),
    "3-D of Poseidon": (
        lambda f: write_poseidon(f / "NS-3.nc", "velocity", np.ones((2, 3, 3, 4, 4, 4))),
        "3-D: not supported",
    ),
    "a field missing": (lambda f: without(flow(f), "Vy"), "has density and Vx and no Vy"),
    "a field of the well missing": (
        lambda f: without(well(f), "t0_fields/u"),
        "has no t0_fields/u",
    ),
    "another shape": (
        lambda f: edited(flow(f), "pressure", lambda p: p[:, :3]),
        "pressure has the shape (5, 3, 12, 8), density has (5, 4, 12, 8)",
    ),
    "NaN": (
        lambda f: edited(flow(f), "Vx", lambda v: damaged(v, (3, 1, 2, 2))),
        "sample 3 at time 0.1 (number 1 of 0 … 3) has velocity_x with values that are not finite",
    ),
    "beyond float32": (
        lambda f: edited(flow(f), "Vx", lambda v: damaged(v.astype("f8"), (3, 1, 2, 2), 1e300)),
        "sample 3 at time 0.1 (number 1 of 0 … 3) has velocity_x with values that are not finite",
    ),
    "padding": (
        lambda f: edited(flow(f), "Vx", lambda v: damaged(v, (3, slice(2, None)))),
        "sample 3 from time 0.5 on is padded with NaN: (number 2 of 0 … 3) has velocity_x with "
        "values that are not finite in float32, as have 1 of samples 0 … 4; cut all trajectories "
        "to their first 2 times, or leave it out",
    ),
    "outputs of trajectories": (
        lambda f: (flow(f), "--outputs=density"),
        "has states at 4 times, got outputs density; name them by --states",
    ),
    "an unknown state": (
        lambda f: (flow(f), "--states=w"),
        "and the states ['density', 'pressure', 'velocity_x', 'velocity_y']",
    ),
    "a name of times": (lambda f: (well(f), "--times=time"), "needs no name of an array of times"),
    "other times": (lambda f: (well(f), "--times=[0,1]"), "has states at 4 times, got 2"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_cannot_be_used_ends_in_one_line(tmp_path, kind, capsys):
    make, message = BAD[kind]
    made = make(tmp_path)
    path, *words = made if isinstance(made, tuple) else (made,)
    before = sorted(tmp_path.iterdir())
    error = rejected(capsys, tmp_path / "set", [path], *words)
    assert message in error
    assert path.name in error
    assert sorted(tmp_path.iterdir()) == before


def test_burgers_of_neuraloperator_is_one_dimensional(tmp_path, capsys):
    path = tmp_path / "burgers_train_16.pt"
    torch.save({"x": torch.ones(8, 16), "y": torch.ones(8, 17, 16), "visc": torch.ones(1, 1)}, path)
    error = rejected(capsys, tmp_path / "set", [path])
    assert "x has the shape (8, 16), wanted the axes samples, y, x (1-D: not supported)" in error


def test_files_of_several_grids_or_times_are_no_set(tmp_path):
    (tmp_path / "a").mkdir()
    first, other = well(tmp_path / "a"), well(tmp_path, times=2 * TIMES)
    for given, told in (({"times": 2 * TIMES}, "times"), ({"lengths": (1.0, 2.0)}, "grid")):
        other = well(tmp_path, **given)
        with pytest.raises(InputError, match=f"f.h5 has the {told} .*import them as two"):
            import_dataset(tmp_path / "set", {"train": [first, other]}, num_cut={})
