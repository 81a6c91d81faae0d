"""Measure how well scales β of an operator take the units out of a problem.

python docs/notebook/recipe/operator_scales.py data/poisson_1_5 data/poisson_5_10

With u = ‖f‖/(4π²β) w, a good β leaves ‖w‖ alike over samples and over data sets, and the inputs c/β
of the downstream set within the range of the pre-training set. Printed: standard deviation of
log ‖w‖ in either set, shift of its mean from one to the other, and by coefficient the largest |c/β|
downstream over the largest in pre-training.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lightning_sciml.pde.grid import PeriodicGrid
from lightning_sciml.pde.steady import EQUATIONS, Equation
from lightning_sciml.shards.reader import ShardedDataset

NUM_SAMPLES = 1024
Scale = Callable[[Equation, np.ndarray, np.ndarray], np.ndarray]


def determinant(c: Any) -> Any:
    """det K."""
    return c[..., 0] * c[..., 1] - c[..., 2] ** 2


def sqrt_det(c: Any) -> Any:
    """√det K."""
    return determinant(c) ** 0.5


def mean_eigenvalue(c: Any) -> Any:
    """tr K / 2 = κ̄."""
    return (c[..., 0] + c[..., 1]) / 2


def deviation_squared(c: Any) -> Any:
    """d² with the eigenvalues κ̄ ± d."""
    return ((c[..., 0] - c[..., 1]) / 2) ** 2 + c[..., 2] ** 2


def largest_eigenvalue(c: Any) -> Any:
    """κ̄ + d."""
    return mean_eigenvalue(c) + deviation_squared(c) ** 0.5


def isotropic_norm(c: Any) -> Any:
    """√(κ̄² + d²/2) = ‖Lf‖/‖Δf‖ for a source without preferred directions."""
    return (mean_eigenvalue(c) ** 2 + deviation_squared(c) / 2) ** 0.5


def norm_on_source(equation: Equation, c: np.ndarray, f: np.ndarray) -> np.ndarray:
    """‖Lf‖ / ‖Δf‖."""
    waves = PeriodicGrid(f.shape[-1]).wavenumbers
    f_hat = np.fft.rfft2(f)
    laplacian = waves.kx_squared + waves.ky_squared
    weights = np.full(f_hat.shape[-1], 2.0)  # of conjugate modes one is kept
    weights[0] = 1.0
    weights[f.shape[-1] // 2 :] = 2.0 - (f.shape[-1] % 2 == 0)
    energy = weights * np.abs(f_hat) ** 2
    applied = (energy * np.abs(equation.symbol(c, waves)) ** 2).sum((1, 2))
    return np.sqrt(applied / (energy * laplacian**2).sum((1, 2)))


DIFFUSION: dict[str, Scale] = {
    "mean eigenvalue of K": lambda _, c, f: mean_eigenvalue(c),
    "√det K": lambda _, c, f: sqrt_det(c),
    "largest eigenvalue of K": lambda _, c, f: largest_eigenvalue(c),
    "isotropic norm of K": lambda _, c, f: isotropic_norm(c),
}
SCALES: dict[str, Scale] = {
    "1": lambda _, c, f: np.ones(len(c)),
    "operator_scale": lambda equation, c, f: equation.operator_scale(c),
    "‖Lf‖/‖Δf‖": norm_on_source,
}


def problems(folder: Path) -> tuple[Equation, np.ndarray, np.ndarray, np.ndarray]:
    """Equation, coefficients, sources, and 4π² ‖u‖/‖f‖."""
    dataset = ShardedDataset(folder, "train")
    samples = np.arange(min(NUM_SAMPLES, dataset.num_samples))
    f, u = dataset.fields(samples).astype(float).swapaxes(0, 1)
    manifest = dataset.manifest
    equation = EQUATIONS[manifest.equation](**manifest.equation_parameters)
    norms = [np.sqrt((field**2).mean((1, 2))) for field in (u, f)]
    return equation, dataset.coefficients(samples), f, 4 * np.pi**2 * norms[0] / norms[1]


def main() -> None:
    """A line for each scale."""
    sets = [problems(Path(folder)) for folder in sys.argv[1:3]]
    has_tensor = "k11" in sets[0][0].coefficient_names
    print(f"{'β':26s}{'σ before':>9s}{'σ after':>9s}{'shift':>8s}   |c/β| after / before")
    for name, scale in (SCALES | (DIFFUSION if has_tensor else {})).items():
        logs, largest = [], []
        for equation, c, f, ratio in sets:
            beta = scale(equation, c, f)
            logs.append(np.log(ratio * beta))
            largest.append(np.abs(c / beta[:, None]).max(axis=0))
        shift = logs[1].mean() - logs[0].mean()
        growth = " ".join(f"{g:.2f}" for g in largest[1] / largest[0])
        print(f"{name:26s}{logs[0].std():9.3f}{logs[1].std():9.3f}{shift:+8.3f}   {growth}")


if __name__ == "__main__":
    main()
