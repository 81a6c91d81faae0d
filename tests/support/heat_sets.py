"""Small sets of exact solutions of the heat equation u_t = νΔu + source on any rectangle."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightning_sciml import write_dataset
from lightning_sciml.pde.grid import Grid

_NUM_MODES = 4


def write_heat(
    folder: Path,
    *,
    fields: Sequence[str] = ("u",),
    with_source: bool = False,
    num_times: int = 5,
    seed: int = 0,
    num_samples: dict[str, int] | None = None,
    **grid: Any,
) -> Path:
    """Write 6 + 2 + 2 trajectories, and return the folder.

    Args:
        folder: of the new data set.
        fields: names of the state fields, each a solution; "velocity_x", "velocity_y" is a vector.
        with_source: add the static input field "source".
        num_times: stored times, 0.1 apart.
        seed: of modes and of the coefficient nu.
        num_samples: of each split, instead.
        grid: options of Grid: shape (8, 8 by default), lengths, and a boundary of periodic,
            dirichlet or neumann.
    """
    split = num_samples or {"train": 6, "val": 2, "test": 2}
    on, times = Grid(**{"shape": (8, 8), **grid}), 0.1 * np.arange(num_times)
    nu, source, states = heat(on, times, sum(split.values()), len(fields), with_source, seed)
    write_dataset(
        folder,
        inputs={"source": source} if with_source else None,
        states=dict(zip(fields, np.moveaxis(states, 2, 0), strict=True)),
        coefficients={"nu": nu},
        times=times.tolist(),
        lengths=on.lengths,
        boundary=on.boundary,
        split=split,
    )
    return folder


def heat(
    grid: Grid,
    times: np.ndarray,
    num_samples: int,
    num_fields: int = 1,
    with_source: bool = False,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute ν (n), the source (n, H, W) and the solutions (n, T, F, H, W)."""
    rng = np.random.default_rng(seed)
    nu = rng.uniform(0.01, 0.05, num_samples)
    source = np.zeros((num_samples, *grid.shape))
    states = np.zeros((num_samples, len(times), num_fields, *grid.shape))
    for sample in range(num_samples):
        for number in range(_NUM_MODES):
            wave, k_squared = _mode(grid, rng)
            rate = nu[sample] * k_squared
            is_driven = with_source and number == 0  # steady from the beginning
            source[sample] += is_driven * rate * wave
            amplitudes = np.ones(num_fields) if is_driven else rng.standard_normal(num_fields)
            decay = amplitudes * np.exp(-rate * times * (not is_driven))[:, None]
            states[sample] += decay[..., None, None] * wave
    return nu, source, states


def _mode(grid: Grid, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Draw an eigenfunction of -Δ with these walls, and its eigenvalue |k|²."""
    waves, k_squared = [], 0.0
    for s, length, boundary in zip(grid.coordinates(), grid.lengths, grid.boundary, strict=True):
        order = rng.integers(1, 3)
        turns = order if boundary == "periodic" else order / 2
        phase = {"periodic": rng.uniform(0, 2 * np.pi), "dirichlet": -np.pi / 2}.get(boundary, 0.0)
        waves.append(np.cos(2 * np.pi * turns * s + phase))
        k_squared += (2 * np.pi * turns / length) ** 2
    return waves[0][:, None] * waves[1], k_squared
