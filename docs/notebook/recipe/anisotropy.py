"""Show what reduced coordinates do to the diffusion of a data set, and what they cost on its grid.

python docs/notebook/recipe/anisotropy.py data/poisson_1_5 data/poisson_5_10

Ratio of the eigenvalues of K, as it is and in the coordinates of the torus in which it is smallest
(`coordinates: [lattice]`): percentiles over samples. Then what of ‖f‖ and ‖u‖ lies in
modes that these coordinates move beyond the grid's highest: only there is the moved problem another
one than in the continuum.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from operator_scales import deviation_squared, mean_eigenvalue

from lightning_sciml.operators.coordinates import LatticeReduction
from lightning_sciml.operators.description import problem_of
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.pde.symmetries import BASES
from lightning_sciml.streaming.datamodule import PDEDataModule

NUM_SAMPLES = 1024
PERCENTILES = (10, 50, 90, 100)


def ratios(c: torch.Tensor) -> np.ndarray:
    """Percentiles of (κ̄ + d) / (κ̄ - d)."""
    mean, deviation = mean_eigenvalue(c), deviation_squared(c) ** 0.5
    return np.percentile((mean + deviation) / (mean - deviation), PERCENTILES)


def aliased(field: torch.Tensor, matrices: np.ndarray) -> float:
    """‖·‖ of what is moved beyond the grid over ‖·‖, r.m.s. over samples."""
    N = field.shape[-1]
    energy = torch.fft.fft2(field.double()).abs().square()
    k = np.fft.fftfreq(N, 1 / N)
    waves = np.stack(np.meshgrid(k, k)).reshape(2, -1)  # (kx, ky) of [y, x]
    moved = np.abs(np.linalg.inv(matrices).transpose(0, 2, 1) @ waves).max(axis=1) >= N / 2
    lost = (energy.flatten(1) * torch.from_numpy(moved)).sum(1) / energy.flatten(1).sum(1)
    return float(lost.mean().sqrt())


def main() -> None:
    """A block for each data set."""
    for folder in sys.argv[1:]:
        data = PDEDataModule([folder])
        data.setup("fit")
        mixture = data.mixtures["train"]
        num_samples = min(NUM_SAMPLES, len(mixture))
        batch = mixture.load(np.arange(num_samples), global_size=num_samples)
        [member] = mixture.members
        channels = ChannelNames(mixture.input_fields, mixture.coefficient_names)
        reduction = LatticeReduction([problem_of(member, channels.coefficients)], channels)
        elements = reduction.elements(batch.coefficients, batch.dataset)
        moved = reduction.move_coefficients(batch.coefficients, batch.dataset, elements)
        matrices = BASES[elements]
        print(f"{Path(folder).name}: {float((elements > 0).double().mean()):.0%} of samples move")
        for label, c in (("as they are", batch.coefficients), ("reduced", moved)):
            shown = " ".join(f"{r:6.2f}" for r in ratios(c.double()))
            print(f"  eigenvalue ratio, {PERCENTILES} %, {label:12s} {shown}")
        for label, field in (("f", batch.inputs[:, 0]), ("u", batch.outputs[:, 0, 0])):
            print(f"  beyond the grid, of ‖{label}‖: {aliased(field, matrices):.1e}")


if __name__ == "__main__":
    main()
