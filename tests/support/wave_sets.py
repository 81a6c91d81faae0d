"""Steady sets whose samples are single waves, which every boundary has in closed form."""

import numpy as np

from lightning_sciml import write_dataset
from lightning_sciml.pde.grid import Grid


def waves(boundary, num_samples=6, num_points=16, seed=0):
    """Sources, solutions and coefficients (k11, k22, k12) of -∇·(K∇u) = f with a diagonal K."""
    rng = np.random.default_rng(seed)
    k11, k22 = rng.uniform(0.01, 0.05, (2, num_samples))
    profiles, squares = [], []
    coordinates = Grid(shape=(num_points,) * 2, boundary=boundary).coordinates()
    for condition, x in zip(boundary, coordinates, strict=True):
        wave = np.sin if condition == "dirichlet" else np.cos
        k = np.pi * rng.integers(1, 4, (num_samples, 1)) * (2 if condition == "periodic" else 1)
        profiles.append(wave(k * x))
        squares.append(k[:, :, None] ** 2)
    u = profiles[0][:, :, None] * profiles[1][:, None]
    symbol = k11[:, None, None] * squares[1] + k22[:, None, None] * squares[0]
    return symbol * u, u, {"k11": k11, "k22": k22, "k12": np.zeros(num_samples)}


def write_waves(folder, between, **changes):
    """Write waves between these boundaries as own arrays, with changes; return the folder."""
    f, u, coefficients = waves(between)
    arguments = {
        "inputs": {"source": f},
        "outputs": {"solution": u},
        "coefficients": coefficients,
        "equation": "poisson",
        "boundary": between,
        "split": {"train": 2, "val": 2, "test": 2},
    }
    write_dataset(folder, **(arguments | changes))
    return folder
