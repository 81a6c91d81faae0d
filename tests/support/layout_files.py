"""Small files in the published layouts of others, and a steady map to put into them."""

from pathlib import Path

import h5py
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve


def darcy(num_samples: int, num_points: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """-∇·(a∇u) = 1, u = 0 on the edge: a (n, N, N) of two values, and u, by [x, y] at cell centres.

    Finite volumes; between cells stands the harmonic mean of a.
    """
    generator = np.random.default_rng(seed)
    waves = np.pi * (np.arange(num_points) + 0.5) / num_points
    basis = np.cos(np.arange(1, 4)[:, None] * waves)
    amplitudes = generator.standard_normal((num_samples, 3, 3))
    a = np.where(np.einsum("nij,ix,jy->nxy", amplitudes, basis, basis) > 0, 1.0, 0.1)
    return a, np.stack([_solved(sample) for sample in a])


def _solved(a: np.ndarray) -> np.ndarray:
    N = len(a)
    cell = np.arange(N * N).reshape(N, N)
    pairs = [(cell[:-1], cell[1:]), (cell[:, :-1], cell[:, 1:])]
    one, other = (np.concatenate([p[i].ravel() for p in pairs]) for i in (0, 1))
    flat = a.ravel()
    between = 2 * flat[one] * flat[other] / (flat[one] + flat[other])
    diagonal = np.bincount(one, between, N * N) + np.bincount(other, between, N * N)
    for edge in (cell[0], cell[-1], cell[:, 0], cell[:, -1]):
        diagonal[edge] += 2 * flat[edge]  # half a cell from the edge
    rows, columns = (
        np.concatenate([one, other, cell.ravel()]),
        np.concatenate([other, one, cell.ravel()]),
    )
    values = np.concatenate([-between, -between, diagonal])
    matrix = coo_matrix((values, (rows, columns))).tocsc()
    return spsolve(matrix, np.full(N * N, 1 / N**2)).reshape(N, N)


def write_reference(path: Path, fields: np.ndarray, tensor: np.ndarray) -> Path:
    """Write a file as utils/gen_data_*.py of neuraloperators-TL-scaling do."""
    with h5py.File(path, "w") as file:
        file.create_dataset("fields", fields.shape, dtype="<f4", data=fields)
        file.create_dataset("tensor", tensor.shape, dtype="<f4", data=tensor)
    return path


def write_pdebench(path: Path, nu: np.ndarray, u: np.ndarray, *, beta: float = 1.0) -> Path:
    """Write a file like 2D_DarcyFlow_beta1.0_Train.hdf5 of PDEBench: [x, y], one time."""
    centres = (np.arange(nu.shape[1]) + 0.5) / nu.shape[1]
    with h5py.File(path, "w") as file:
        file["tensor"] = u[:, None].astype("f4")
        file["nu"] = nu.astype("f4")
        file["x-coordinate"] = file["y-coordinate"] = centres.astype("f4")
        file["t-coordinate"] = np.zeros(1, "f4")
        file.attrs["beta"] = beta
    return path


def write_well(
    path: Path,
    fields: dict[str, np.ndarray],
    *,
    vectors: dict[str, np.ndarray] | None = None,
    tensors: dict[str, np.ndarray] | None = None,
    times: np.ndarray | None = None,
    lengths: tuple[float, float] = (1.0, 1.0),
    boundary: tuple[str, str] = ("WALL", "WALL"),
    **scalars: np.ndarray,
) -> Path:
    """Write a file as data_format.md of The Well has it.

    Args:
        path: the file.
        fields: (n, T, W, H) vary in time, (n, W, H) do not, (W, H) are those of all samples.
        vectors: the same with two components behind.
        tensors: the same with 2 × 2 components behind.
        times: (T) or (n, T).
        lengths: along x and y.
        boundary: types at the edges of x and y.
        scalars: (n) by name.
    """
    groups = (fields, vectors or {}, tensors or {})
    shapes = [v.shape[: v.ndim - order] for order, g in enumerate(groups) for v in g.values()]
    n, num_steps, width, height = next(shape for shape in shapes if len(shape) == 4)
    with h5py.File(path, "w") as file:
        file.attrs.update(
            grid_type="cartesian", n_trajectories=n, n_spatial_dims=2, dataset_name="darcy"
        )
        file.attrs["simulation_parameters"] = np.array([], h5py.string_dtype())
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = ["x", "y"]
        stored_times = np.arange(num_steps) / num_steps if times is None else np.asarray(times)
        dimensions["time"] = stored_times.astype("f4")
        for name, size, length in zip("xy", (width, height), lengths, strict=True):
            dimensions[name] = (np.arange(size) * length / size).astype("f4")
        for name in ("time", "x", "y"):
            is_per_sample = dimensions[name].ndim == 2
            dimensions[name].attrs.update(sample_varying=is_per_sample, time_varying=False)
        for order, group in enumerate(groups):
            _write_well_group(file.create_group(f"t{order}_fields"), group, order)
        names = np.array(list(scalars), h5py.string_dtype())
        file.create_group("scalars").attrs["field_names"] = names
        for name, values in scalars.items():
            file["scalars"][name] = values.astype("f4")
            file["scalars"][name].attrs.update(sample_varying=True, time_varying=False)
        for axis, kind in zip("xy", boundary, strict=True):
            edge = file.create_group(f"boundary_conditions/{axis}_{kind.lower()}")
            edge.attrs.update(
                bc_type=kind, associated_dims=[axis], sample_varying=False, time_varying=False
            )
            edge["mask"] = np.ones(width if axis == "x" else height, bool)
    return path


def _write_well_group(group: h5py.Group, fields: dict[str, np.ndarray], order: int) -> None:
    group.attrs["field_names"] = np.array(list(fields), h5py.string_dtype())
    for name, values in fields.items():
        group[name] = values.astype("f4")
        group[name].attrs.update(
            sample_varying=values.ndim - order > 2,
            time_varying=values.ndim - order > 3,
            dim_varying=np.array([True, True]),
        )
