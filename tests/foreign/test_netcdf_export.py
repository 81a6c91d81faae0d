"""xarray opens the files of an export with names, coordinates and attributes."""

import numpy as np
import pytest
from exported_sets import RNG, SPLIT, TIMES, flow_over_a_bed, steady_map, written

from lightning_sciml import read_dataset
from lightning_sciml.errors import InputError
from lightning_sciml.foreign.export import export_dataset

xarray = pytest.importorskip("xarray", reason="xarray is in the extra [xarray]")
pytest.importorskip("h5netcdf", reason="h5netcdf is in the extra [xarray]")


@pytest.mark.parametrize("made", [flow_over_a_bed, steady_map])
@pytest.mark.parametrize("split", SPLIT)
def test_xarray_opens_fields_with_their_coordinates(made, split, tmp_path):
    ours = read_dataset(made(tmp_path / "ours"), split)
    export_dataset(tmp_path / "ours", tmp_path / "netcdf", "xarray")
    with xarray.open_dataset(tmp_path / f"netcdf/ours_{split}.nc", engine="h5netcdf") as found:
        assert list(found) == list(ours[0])
        for name, values in ours[:].items():
            np.testing.assert_array_equal(found[name], values)
        np.testing.assert_allclose(found["x"], np.arange(10) * 2 * np.pi / 10)
        np.testing.assert_allclose(found["y"], (np.arange(6) + 0.5) * 1.3 / 6)
        assert found["y"].attrs == {"length": 1.3, "boundary": "neumann"}
        assert found.attrs == {"name": "ours", "equation": "none", "split": split}
        if ours.is_evolution:
            assert found["density"].dims == ("sample", "time", "y", "x")
            np.testing.assert_array_equal(found["time"], TIMES)


def test_a_field_cannot_be_called_like_an_axis(tmp_path):
    a, time = RNG.random((2, 7, 6, 10), "f4")
    written(tmp_path / "ours", inputs={"a": a}, outputs={"time": time})
    with pytest.raises(InputError, match="coefficient time, which is an axis"):
        export_dataset(tmp_path / "ours", tmp_path / "netcdf", "xarray")
