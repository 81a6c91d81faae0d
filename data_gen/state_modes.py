"""Fourier modes of states: their layout.

A state of F fields is u(x) = Σ û(k) exp(i k·x) over |kx|, |ky| ≤ M modes. Its coefficients are laid
out (F, 2M+1, M+1): rows ky = 0 … M, -M … -1, columns kx = 0 … M, and û(0, -ky) is the conjugate of
û(0, ky).
"""

import numpy as np
from jaxtyping import Complex

from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Wavenumbers

OneState = Complex[np.ndarray, "F R K"]
StateModes = Complex[np.ndarray, "B F R K"]
Lengths = tuple[float, float]


def check_points(num_modes: int, shape: tuple[int, int]) -> None:
    """Reject a grid that does not tell the modes of a state from each other.

    Raises:
        InputError: naming the number of points that do.
    """
    if min(shape) < 2 * num_modes + 1:
        raise InputError(
            f"initial_state.num_modes={num_modes} needs a grid of at least {2 * num_modes + 1} "
            f"points an axis, got {shape[0]}×{shape[1]}; lower it or refine the grid"
        )


def mode_wavenumbers(num_modes: int, lengths: Lengths) -> Wavenumbers:
    """Angular wavenumbers in the layout of û: ky (2M+1, 1), kx (1, M+1)."""
    columns = np.arange(num_modes + 1)
    ky = 2 * np.pi / lengths[0] * np.concatenate([columns, columns[:0:-1] * -1.0])[:, None]
    kx = 2 * np.pi / lengths[1] * columns[None, :]
    return Wavenumbers(kx, ky, kx**2, ky**2)


def made_real(u_hat: OneState) -> OneState:
    """Overwrite û(0, -ky) by the conjugate of û(0, ky), so that u is real; the mean stays."""
    M = u_hat.shape[-1] - 1
    u_hat[:, M + 1 :, 0] = u_hat[:, M:0:-1, 0].conj()
    return u_hat
