"""Arrays lie where the readers of PDEBench look for them, and an import takes them back."""

import h5py
import numpy as np
import pytest
from exported_sets import (
    RNG,
    SHAPE,
    SPLIT,
    STATES,
    TIMES,
    assert_same,
    flow_over_a_bed,
    steady_map,
    written,
)

from lightning_sciml import read_dataset
from lightning_sciml.errors import InputError
from lightning_sciml.foreign.conversion import import_dataset
from lightning_sciml.foreign.export import export_dataset


def exported(ours, tmp_path):
    """Export a set, and see that it is the same after an import."""
    folder = tmp_path / "pdebench"
    export_dataset(ours, folder, "pdebench")
    files = {split: list(folder.glob(f"*_{split}.*")) for split in SPLIT}
    import_dataset(tmp_path / "back", files, num_cut={})
    assert_same(tmp_path / "back", ours)
    return {split: h5py.File(paths[0]) for split, paths in files.items()}


def test_one_field_in_and_one_out_are_as_its_darcy_flow(tmp_path):
    ours = steady_map(tmp_path / "ours")
    files = exported(ours, tmp_path)
    for split, file in files.items():
        samples = read_dataset(ours, split)[:]
        np.testing.assert_array_equal(file["nu"], samples["a"].swapaxes(1, 2))
        np.testing.assert_array_equal(file["tensor"][:, 0], samples["u"].swapaxes(1, 2))
        assert file["tensor"].shape[1:] == (1, 10, 6)
        np.testing.assert_allclose(file["x-coordinate"], np.arange(10) * 2 * np.pi / 10)
        np.testing.assert_allclose(file["y-coordinate"], (np.arange(6) + 0.5) * 1.3 / 6)


def test_compressible_flow_is_four_arrays(tmp_path):
    states = {**STATES, "pressure": RNG.random(SHAPE, "f4")}
    ours = written(tmp_path / "ours", states=states, times=TIMES)
    names = {"density": "density", "pressure": "pressure", "velocity_x": "Vx", "velocity_y": "Vy"}
    for split, file in exported(ours, tmp_path).items():
        samples = read_dataset(ours, split)[:]
        for name, stored in names.items():
            np.testing.assert_array_equal(file[stored], samples[name].swapaxes(2, 3))
        np.testing.assert_array_equal(file["t-coordinate"], TIMES)


def test_other_trajectories_are_a_group_each(tmp_path):
    ours = written(tmp_path / "ours", states=STATES, times=TIMES)
    for split, file in exported(ours, tmp_path).items():
        samples = read_dataset(ours, split)[:]
        assert list(file) == [f"{row:04d}" for row in range(SPLIT[split])]
        for row, group in enumerate(file.values()):
            wanted = np.stack([samples[name][row].swapaxes(1, 2) for name in STATES], axis=-1)
            np.testing.assert_array_equal(group["data"], wanted)
            np.testing.assert_array_equal(group["grid/t"], TIMES)
            assert group["grid/x"].shape == (10,)


def test_pdebench_has_no_layout_for_states_beside_inputs(tmp_path):
    ours = flow_over_a_bed(tmp_path / "ours")
    with pytest.raises(InputError, match=r"no layout for bed → velocity_x, .* or xarray"):
        export_dataset(ours, tmp_path / "out", "pdebench")
    assert list(tmp_path.iterdir()) == [ours]
