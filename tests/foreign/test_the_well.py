"""Trajectories and steady sets of The Well keep names, axes, times, grid and components."""

import h5py
import numpy as np
from imported_sets import check, imported
from layout_files import write_well
from trajectory_files import BUOYANCY, INPUT, LENGTHS, STATES, TIMES, H, T, W, n


def evolving_well(path, **changes):
    """State p, velocity and stress; permeability and mask do not change."""
    vector, tensor = np.stack(STATES[1:3], axis=-1), np.stack([STATES, -STATES], axis=-1)
    tensor = np.moveaxis(tensor, 0, -1).reshape(n, T, W, H, 2, 4)[..., :2]
    options = {
        "fields": {"p": STATES[0], "permeability": INPUT, "mask": INPUT[0]},
        "vectors": {"velocity": vector, "force": vector[:, 0]},
        "tensors": {"stress": tensor},
        "times": TIMES,
        "lengths": LENGTHS[::-1],
        "boundary": ("PERIODIC", "WALL"),
        "buoyancy": BUOYANCY,
    }
    return write_well(path, **(options | changes)), tensor


def test_the_well_keeps_scalars_vectors_tensors_and_what_does_not_change(tmp_path):
    path, tensor = evolving_well(tmp_path / "f.hdf5")
    manifest = imported(tmp_path / "set", path)
    names = ["permeability", "mask", "force_x", "force_y"]
    assert manifest.input_fields == tuple(names)
    check(
        tmp_path / "set",
        boundary=("wall", "periodic"),
        permeability=INPUT,
        mask=np.stack([INPUT[0]] * n),
        force_x=STATES[1, :, 0],
        force_y=STATES[2, :, 0],
        p=STATES[0],
        velocity_x=STATES[1],
        velocity_y=STATES[2],
        **{f"stress_{'xy'[i]}{'xy'[j]}": tensor[..., i, j] for i in (0, 1) for j in (0, 1)},
        buoyancy=BUOYANCY,
    )


def test_an_empty_list_of_fields_names_none_whatever_its_type(tmp_path):
    path, _ = evolving_well(tmp_path / "f.hdf5", vectors={}, tensors={})
    with h5py.File(path, "r+") as file:
        for group in ("t1_fields", "t2_fields"):
            file[group].attrs["field_names"] = []  # float64, as h5py writes it
    assert imported(tmp_path / "set", path).state_fields == ("p",)


def test_the_folder_of_a_set_of_the_well_stands_for_all_splits(tmp_path):
    for folder, count in (("train", 2), ("valid", 1), ("test", 1)):
        (tmp_path / "SET/data" / folder).mkdir(parents=True)
        for number in range(count):
            evolving_well(tmp_path / f"SET/data/{folder}/{number}.hdf5")
    for number, root in enumerate(("SET", "SET/data")):
        manifest = imported(tmp_path / f"{number}", tmp_path / root)
        assert manifest.num_samples == {"train": 2 * n, "val": n, "test": n}


def test_fields_of_the_well_that_have_one_time_are_outputs(tmp_path):
    path, _ = evolving_well(
        tmp_path / "f.hdf5",
        fields={"p": STATES[0, :, :1], "permeability": INPUT},
        vectors={"velocity": np.stack(STATES[1:3, :, :1], axis=-1)},
        tensors={},
        times=[0.0],
    )
    manifest = imported(tmp_path / "set", path)
    assert manifest.output_fields == ("p", "velocity_x", "velocity_y")
    expected = {"permeability": INPUT, "p": STATES[0, :, 0]}
    expected |= {"velocity_x": STATES[1, :, 0], "velocity_y": STATES[2, :, 0]}
    check(tmp_path / "set", times=(), boundary=("wall", "periodic"), **expected, buoyancy=BUOYANCY)


def test_fields_states_and_coefficients_of_a_layout_can_be_chosen_and_renamed(tmp_path):
    path, _ = evolving_well(tmp_path / "f.hdf5")
    asked = {"inputs": ["k=permeability"], "states": ["v=velocity_y", "p"], "coefficients": []}
    asked |= {"times": [1, 2, 3, 4], "lengths": [1, 1], "boundary": ["open", "neumann"]}
    imported(tmp_path / "set", path, **asked)
    changed = {"times": [1, 2, 3, 4], "lengths": (1, 1), "boundary": ("open", "neumann")}
    check(tmp_path / "set", **changed, k=INPUT, v=STATES[2], p=STATES[0])
