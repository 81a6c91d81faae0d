"""Trajectories of others, written to their published layouts, keep names, axes, times and grid."""

import h5py
import numpy as np
import pytest
from imported_sets import check, everything, imported
from scipy.io import savemat
from trajectory_files import (
    BUOYANCY,
    INPUT,
    STATES,
    H,
    T,
    W,
    n,
    write_apebench,
    write_flow,
    write_fno_evolution,
    write_groups,
    write_neuraloperator,
    write_pdearena,
    write_poseidon,
    write_tensor,
)

from lightning_sciml import read_dataset
from lightning_sciml.errors import InputError
from lightning_sciml.foreign.conversion import import_dataset
from lightning_sciml.pde.grid import Grid
from lightning_sciml.shards.verification import verify_dataset

COUNTED = np.arange(4.0)


FLOW = dict(zip(("density", "pressure", "velocity_x", "velocity_y"), STATES, strict=True))
NUMBERS = {"M": 0.1, "eta": 1e-8, "zeta": 1e-8}


@pytest.mark.parametrize(("word", "boundary"), [("periodic", "periodic"), ("trans", "open")])
def test_a_compressible_flow_of_pdebench_has_the_boundary_of_its_name(tmp_path, word, boundary):
    path = write_flow(tmp_path / f"2D_CFD_Rand_M0.1_Eta1e-08_Zeta1e-08_{word}_512_Train.hdf5")
    imported(tmp_path / "set", path)
    check(tmp_path / "set", boundary=(boundary, boundary), **FLOW, **NUMBERS)


def test_a_tensor_of_pdebench_is_one_state_or_several(tmp_path):
    one = write_tensor(tmp_path / "one_periodic.h5", STATES[0])
    imported(tmp_path / "one", one)
    check(tmp_path / "one", boundary=("periodic", "periodic"), tensor=STATES[0])
    several = write_tensor(tmp_path / "several.h5", np.moveaxis(STATES[:2], 0, -1))
    imported(tmp_path / "several", several, boundary=["wall", "wall"])
    expected = {"tensor0": STATES[0], "tensor1": STATES[1]}
    check(tmp_path / "several", boundary=("wall", "wall"), **expected)


def test_reaction_diffusion_of_pdebench_on_a_square_is_by_row(tmp_path):
    square = STATES[:, :, :, :8]
    for num_states, names in ((2, "uv"), (1, "h")):
        imported(tmp_path / names, write_groups(tmp_path / f"{names}.h5", square[:num_states]))
        read = read_dataset(tmp_path / names, "train")[:]
        for name, values in zip(names, square, strict=False):
            np.testing.assert_array_equal(read[name], values[:3].swapaxes(-1, -2).astype("f4"))


def test_groups_of_pdebench_are_samples(tmp_path):
    imported(tmp_path / "set", write_groups(tmp_path / "2D_diff-react_NA_NA.h5", STATES[:2]))
    check(tmp_path / "set", boundary=("neumann", "neumann"), u=STATES[0], v=STATES[1])
    imported(tmp_path / "dam", write_groups(tmp_path / "2D_rdb_NA_NA.h5", STATES[:1]))
    check(tmp_path / "dam", boundary=("open", "open"), h=STATES[0])


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_the_first_state_of_the_fno_is_put_before_the_later_ones(tmp_path, version):
    path = write_fno_evolution(tmp_path / "ns.mat", version)
    imported(tmp_path / "set", path, states=["vorticity=u"])
    states = np.concatenate([INPUT[:, None], STATES[0]], axis=1)
    unit = {"lengths": (1.0, 1.0), "boundary": ("periodic", "periodic")}
    check(tmp_path / "set", times=np.arange(5.0), **unit, vorticity=states)
    path = write_fno_evolution(tmp_path / "at_0.mat", version, first_time=0)
    imported(tmp_path / "at_0", path)
    check(tmp_path / "at_0", times=COUNTED, **unit, u=STATES[0])


@pytest.mark.parametrize("has_channel", [False, True])
def test_darcy_of_neuraloperator_is_a_set_a_resolution(tmp_path, has_channel):
    for num_points in (8, 16):
        path = tmp_path / f"darcy_train_{num_points}.pt"
        write_neuraloperator(path, num_points, has_channel=has_channel)
        manifest = imported(tmp_path / f"{num_points}", path)
        walls = ("dirichlet", "dirichlet")
        assert manifest.grid == Grid(shape=(num_points, num_points), boundary=walls)
        found = everything(tmp_path / f"{num_points}")
        np.testing.assert_array_equal(found["a"], found["u"] > 0.5)
    fine = {"test": [tmp_path / "darcy_train_16.pt"]}
    manifest = import_dataset(tmp_path / "to_test_on", fine, num_cut={})
    assert manifest.num_samples == {"train": 0, "val": 0, "test": n}
    assert verify_dataset(tmp_path / "to_test_on") == []
    with pytest.raises(InputError, match=r"has the grid .*\(16, 16\).* import them as two"):
        imported(tmp_path / "both", *sorted(tmp_path.glob("*.pt")))


def test_darcy_of_the_fno_is_one_input_and_one_output(tmp_path):
    savemat(tmp_path / "piececonst.mat", {"coeff": INPUT, "sol": STATES[0, :, 0], "Kcoeff": INPUT})
    imported(tmp_path / "set", tmp_path / "piececonst.mat")
    found = everything(tmp_path / "set")  # rows of MATLAB's meshgrid are y
    np.testing.assert_array_equal(found["a"], INPUT.astype("f4"))
    np.testing.assert_array_equal(found["u"], STATES[0, :, 0].astype("f4"))
    assert read_dataset(tmp_path / "set", "train").grid.boundary == ("dirichlet", "dirichlet")


POSEIDON = {
    "NS-PwC.nc": ("velocity", STATES[:3], ("velocity_x", "velocity_y", "tracer")),
    "CE-RP.nc": ("data", STATES, ("density", "velocity_x", "velocity_y", "pressure")),
    "FNS-KF.nc": ("solution", STATES[:2], ("velocity_x", "velocity_y")),
    "Wave-Layer.nc": ("solution", None, ("solution",)),
}


@pytest.mark.parametrize("name", POSEIDON)
def test_variables_of_poseidon_have_names_and_counted_times(tmp_path, name):
    variable, fields, names = POSEIDON[name]
    values = STATES[0] if fields is None else np.moveaxis(fields, 0, 2)
    path = write_poseidon(tmp_path / name, variable, values)
    boundary = ("open", "open") if fields is None else ("periodic", "periodic")
    manifest = imported(tmp_path / "set", path, boundary=boundary if fields is None else None)
    expected = {"c": INPUT} if fields is None else {}
    expected |= dict(zip(names, STATES, strict=False))
    check(tmp_path / "set", times=COUNTED, lengths=(1.0, 1.0), boundary=boundary, **expected)
    assert manifest.config["assumed"]["times"].startswith("0, 1")


def test_steady_sets_of_poseidon_have_inputs_and_outputs(tmp_path):
    with h5py.File(tmp_path / "Poisson-Gauss.nc", "w") as file:
        file["source"], file["solution"] = INPUT, STATES[0, :, 0]
    imported(tmp_path / "poisson", tmp_path / "Poisson-Gauss.nc")
    unit = {"times": (), "lengths": (1.0, 1.0), "boundary": ("dirichlet", "dirichlet")}
    check(tmp_path / "poisson", **unit, source=INPUT, solution=STATES[0, :, 0])
    path = write_poseidon(tmp_path / "SE-AF.nc", "solution", STATES[0, :, :2])
    imported(tmp_path / "airfoil", path, boundary=["dirichlet", "dirichlet"])
    check(tmp_path / "airfoil", **unit, shape=STATES[0, :, 0], density=STATES[0, :, 1])


def test_pdearena_has_a_group_for_each_split(tmp_path):
    states = {"u": STATES[0], "velocity_x": STATES[1], "velocity_y": STATES[2]}
    imported(tmp_path / "set", write_pdearena(tmp_path / "NavierStokes2D_train.h5", "train"))
    check(tmp_path / "set", boundary=("wall", "wall"), **states, buo_y=BUOYANCY)
    files = {"train": [tmp_path / "NavierStokes2D_train.h5"]}
    files |= {"val": [write_pdearena(tmp_path / "v.h5", "valid", "test")]}
    manifest = import_dataset(tmp_path / "two", files, num_cut={"test": 1})
    assert manifest.num_samples == {"train": n - 1, "val": n, "test": 1}


@pytest.mark.parametrize(
    ("name", "names"),
    [("2d_phy_burgers", ("velocity_x", "velocity_y")), ("2d_phy_ks", ("u",)), ("gs", ("u0", "u1"))],
)
def test_arrays_of_apebench_are_described_by_the_json_beside_them(tmp_path, name, names):
    train, test = write_apebench(tmp_path, name, len(names))
    files = {"train": [train], "test": [test]}
    import_dataset(tmp_path / "set", files, num_cut={"val": 0})
    found = read_dataset(tmp_path / "set", "train")[:]
    assert list(found) == [*names, "diffusivity_1"]
    for own, values in zip(names, STATES, strict=False):
        expected = values.astype("f4").swapaxes(-1, -2)
        np.testing.assert_array_equal(found[own], expected)
    manifest = read_dataset(tmp_path / "set", "test").manifest
    assert manifest.times == (0.0, 0.25, 0.5, 0.75)
    assert manifest.grid == Grid(shape=(H, W), lengths=(3.0, 3.0))


@pytest.mark.parametrize("dtype", ["f2", "f8", ">f4", ">f8", "i2"])
@pytest.mark.parametrize("is_compressed", [False, True])
def test_every_type_and_storage_of_hdf5_is_stored_as_float32(tmp_path, dtype, is_compressed):
    values = (100 * STATES).astype(dtype)
    storage = {"chunks": (2, 1, W, 3), "compression": "gzip", "shuffle": True}
    path = write_flow(tmp_path / "2D_CFD_periodic.hdf5")
    with h5py.File(path, "r+") as file:
        for name, field in zip(("density", "pressure", "Vx", "Vy"), values, strict=True):
            del file[name]
            file.create_dataset(name, data=field, **(storage if is_compressed else {}))
            assert file[name].dtype == dtype
    imported(tmp_path / "set", path)
    expected = dict(zip(FLOW, values, strict=True))
    check(tmp_path / "set", boundary=("periodic", "periodic"), **expected, **NUMBERS)


def test_shards_hold_at_least_one_trajectory_and_are_read_one_at_a_time(tmp_path, monkeypatch):
    """A file of trajectories that are larger than a shard is to be."""
    monkeypatch.setattr("lightning_sciml.foreign.conversion._SHARD_BYTES", 1)
    path, read = write_flow(tmp_path / "2D_CFD_periodic.hdf5"), []
    original = h5py.Dataset.__getitem__

    def counted(self, index, *others):
        found = original(self, index, *others)
        read.append(np.size(found))
        return found

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    manifest = imported(tmp_path / "set", path)
    assert [record.num_samples for record in manifest.shards] == [1] * n
    assert max(read) == T * H * W
    check(tmp_path / "set", boundary=("periodic", "periodic"), **FLOW, **NUMBERS)
