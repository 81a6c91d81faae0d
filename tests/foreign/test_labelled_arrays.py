"""netCDF files of xarray are read by the names of their axes."""

import h5py
import numpy as np
import pytest
from exported_sets import SPLIT, flow_over_a_bed
from exported_sets import steady_map as exported_steady_map
from imported_sets import check, imported
from trajectory_files import BUOYANCY, INPUT, STATES, TIMES, H, W, n

from lightning_sciml import read_dataset, write_dataset
from lightning_sciml.errors import InputError
from lightning_sciml.foreign.asked import Asked
from lightning_sciml.foreign.conversion import import_dataset
from lightning_sciml.foreign.export import export_dataset


def write_netcdf(path, **further_axes):
    """Write a file as xarray writes netCDF 4: HDF5 with dimension scales; time last, x before y."""
    axes = {"run": np.arange(n), "time": TIMES, "x": np.arange(W) / 4, "y": np.arange(H) / 4}
    states = np.moveaxis(STATES, 2, -1)
    fields = {"u": (states[0], "run", "x", "y", "time"), "k": (BUOYANCY, "run")}
    fields["a"] = (INPUT, next(iter(further_axes), "run"), "x", "y")
    with h5py.File(path, "w") as file:
        for axis, points in {**axes, **further_axes}.items():
            file[axis] = points
            file[axis].make_scale(axis)
        for name, (values, *own) in fields.items():
            file[name] = values
            for place, axis in enumerate(own):
                file[name].dims[place].attach_scale(file[axis])
    return path


def test_arrays_with_named_axes_are_read_by_these(tmp_path):
    edges = ("wall", "open")
    imported(tmp_path / "set", write_netcdf(tmp_path / "f.nc"), boundary=edges)
    check(tmp_path / "set", lengths=(2.0, 3.0), boundary=edges, a=INPUT, u=STATES[0], k=BUOYANCY)
    path = write_netcdf(tmp_path / "f.nc")
    with h5py.File(path, "r+") as file:
        for axis in ("time", "x"):
            mark = "This is a netCDF dimension but not a netCDF variable.         4"
            file[axis].attrs["NAME"] = np.bytes_(mark)
            file[axis][...] = 0
    manifest = imported(tmp_path / "counted", path, boundary=edges)
    assert manifest.times == tuple(np.arange(4.0))
    assert manifest.grid.lengths == (2.0, 1.0)
    path = write_netcdf(tmp_path / "f.nc", level=np.arange(n))
    with pytest.raises(InputError, match="has fields over level, run beside time, y and x"):
        imported(tmp_path / "other", path, boundary=edges)


@pytest.mark.parametrize("made", [flow_over_a_bed, exported_steady_map])
def test_an_import_takes_netcdf_of_ours_back_bit_by_bit(made, tmp_path):
    ours = read_dataset(made(tmp_path / "ours"), "train")
    export_dataset(tmp_path / "ours", tmp_path / "netcdf", "xarray")
    files = {split: [tmp_path / f"netcdf/ours_{split}.nc"] for split in SPLIT}
    steady = {"inputs": ours.input_fields, "outputs": ours.target_fields}
    asked = Asked(**({} if ours.is_evolution else steady))
    back, known = import_dataset(tmp_path / "back", files, num_cut={}, asked=asked), ours.manifest
    assert (back.grid, back.times, back.field_names) == (known.grid, known.times, known.field_names)
    found = read_dataset(tmp_path / "back", "train")[:]
    for name, values in ours[:].items():
        np.testing.assert_array_equal(found[name], values)


def test_a_field_called_fields_is_no_array_of_another_layout(tmp_path):
    values = np.random.default_rng(0).standard_normal((7, 4, 6)).astype(np.float32)
    write_dataset(tmp_path / "set", {"fields": values}, {"u": values}, split={"train": 7})
    export_dataset(tmp_path / "set", tmp_path / "netcdf", "xarray")
    (path,) = (tmp_path / "netcdf").iterdir()
    imported(tmp_path / "back", path, inputs=["fields"], outputs=["u"])
    np.testing.assert_array_equal(read_dataset(tmp_path / "back", "train")[:]["u"], values[:5])
