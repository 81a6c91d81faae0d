"""Small files of trajectories in the published layouts of others: fields by [x, y]."""

import json
from pathlib import Path

import h5py
import numpy as np
import torch
from scipy.io import savemat

n, T, W, H = 5, 4, 12, 8
STATES = np.random.default_rng(0).standard_normal((4, n, T, W, H))
"""Four fields by [sample, time, x, y]."""
INPUT = np.random.default_rng(1).standard_normal((n, W, H))
TIMES = np.array([0.0, 0.1, 0.5, 1.0])
LENGTHS = (2.0, 3.0)  # along y and x
BUOYANCY = np.arange(n) / 4


def points(size: int, length: float) -> np.ndarray:
    """Middles of cells."""
    return (np.arange(size) + 0.5) * length / size


def write_flow(path: Path, states: np.ndarray = STATES, times: np.ndarray = TIMES) -> Path:
    """Write as the merging script of PDEBench does: one time more than there are states."""
    with h5py.File(path, "w") as file:
        for name, values in zip(("density", "pressure", "Vx", "Vy"), states, strict=False):
            file[name] = values.astype("f4")
        _write_points(file, np.append(times, 2 * times[-1]))
        file.attrs.update(eta=1e-8, zeta=1e-8, M=0.1)
    return path


def write_tensor(path: Path, tensor: np.ndarray) -> Path:
    """Write one array as PDEBench stores it, (n, T, X, Y) or (n, T, X, Y, C)."""
    with h5py.File(path, "w") as file:
        file["tensor"] = tensor.astype("f4")
        _write_points(file, TIMES)
    return path


def _write_points(file: h5py.File, times: np.ndarray) -> None:
    for axis, size, length in (("x", W, LENGTHS[1]), ("y", H, LENGTHS[0])):
        file[f"{axis}-coordinate"] = points(size, length).astype("f4")
    file["t-coordinate"] = times.astype("f4")


def write_groups(path: Path, states: np.ndarray) -> Path:
    """Write groups as PDEBench does: two reacting states by [y, x]; one by [x, y]."""
    width, height = states.shape[-2:]
    with h5py.File(path, "w") as file:
        for sample in range(n):
            group = f"{sample:04d}"
            data = np.moveaxis(states[:, sample], 0, -1)
            data = data.swapaxes(1, 2) if len(states) == 2 else data
            file.create_dataset(f"{group}/data", data=data.astype("f4"), compression="lzf")
            for axis, size, length in (("x", width, LENGTHS[1]), ("y", height, LENGTHS[0])):
                file[f"{group}/grid/{axis}"] = points(size, length).astype("f4") - 1
            file[f"{group}/grid/t"] = TIMES.astype("f4")
            file[group].attrs["config"] = "sim: ..."
    return path


def write_fno_evolution(path: Path, version: str, first_time: int = 1) -> Path:
    """Write the FNO's Navier–Stokes layout: u from the first stored time on, time last."""
    u, a = np.moveaxis(STATES[0], 1, -1), INPUT
    arrays = {"a": a, "u": u, "t": np.arange(first_time, first_time + T, dtype=float)[None]}
    if version == "5":
        savemat(path, arrays)
        return path
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values.T, compression="gzip", chunks=True)
    return path


def write_neuraloperator(path: Path, num_points: int, *, has_channel: bool) -> Path:
    """Write neuraloperator's Darcy layout: x of bool, y of float32."""
    y = np.random.default_rng(num_points).random((n, num_points, num_points), "f4")
    x = torch.tensor(y > 0.5)
    torch.save({"x": x[:, None] if has_channel else x, "y": torch.tensor(y)}, path)
    return path


def write_poseidon(path: Path, name: str, values: np.ndarray) -> Path:
    """Write netCDF 4: HDF5, compressed and in chunks of a sample."""
    with h5py.File(path, "w") as file:
        chunks = (1, *values.shape[1:])
        file.create_dataset(name, data=values.astype("f4"), chunks=chunks, compression="gzip")
        if name == "solution" and values.ndim == 4:
            file["c"] = INPUT.astype("f4")
    return path


def write_pdearena(path: Path, *groups: str) -> Path:
    """Write as generate_trajectories_smoke of PDEArena: float64, coordinates by sample."""
    with h5py.File(path, "w") as file:
        for group in groups:
            for name, values in zip(("u", "vx", "vy"), STATES, strict=False):
                file[f"{group}/{name}"] = values
            file[f"{group}/t"] = np.tile(TIMES, (n, 1))
            file[f"{group}/x"] = np.tile(np.linspace(0, LENGTHS[1], W), (n, 1))
            file[f"{group}/y"] = np.tile(np.linspace(0, LENGTHS[0], H), (n, 1))
            for step in ("dt", "dx", "dy"):
                file[f"{group}/{step}"] = np.ones(n)
            file[f"{group}/buo_y"] = BUOYANCY
    return path


def write_apebench(folder: Path, name: str, num_channels: int) -> list[Path]:
    """Write NAME.json, NAME_train.npy and NAME_test.npy as scrape_data_and_metadata of APEBench."""
    info = {"num_spatial_dims": 2, "num_points": W, "domain_extent": 3.0, "dt": 0.25}
    info |= {"diffusivity_1": 2e-5, "ic_config": "fourier", "vlim": [-1.0, 1.0], "batch_size": 20}
    (folder / f"{name}.json").write_text(json.dumps({"name": name, "info": info}))
    paths = [folder / f"{name}_{part}.npy" for part in ("train", "test")]
    for path in paths:
        np.save(path, np.moveaxis(STATES[:num_channels], 0, 2).astype("f4"))
    return paths
