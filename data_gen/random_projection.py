"""Measure how far grid values are from their Fourier coefficients, by a random projection.

To transform every solution back would cost as much as making it. But for independent w ~ N(0, 1)

    E |Σ w e|² = Σ e²,

so the projection of e = u - F⁻¹û on w tells its size, as Freivalds ("Fast probabilistic
algorithms", 1979) checks products of matrices. An error ε hides below a bound τ with a probability
of about τ/ε: one of 1e-6 below 1e-12 in one sample of a million.
"""

import numpy as np
from jaxtyping import Float

from data_gen.mode_transform import Modes, ModeTransform
from data_gen.parities import Parities


class RandomProjection:
    """Compares what a transform made of coefficients with the coefficients.

    The projection of F⁻¹û is that of û on the transform of w. This comes from NumPy's FFT: the
    matrices that are checked have no part in it.

    Args:
        transform: its grid and its kept modes.
    """

    def __init__(self, transform: ModeTransform) -> None:
        size = transform.num_points
        self._num_points = size**2
        w = np.random.default_rng(0).standard_normal((size, size))
        of_parities, self._of_coefficients = transform.adjoint(w)
        self._of_parities = of_parities.values.ravel()

    def error_energy(self, u: Parities, u_hat: Modes) -> Float[np.ndarray, " b"]:
        """Estimate the mean square of u - F⁻¹û."""
        on_grid = u.values.reshape(len(u_hat), -1) @ self._of_parities
        expected = u_hat.view(np.float64).reshape(len(u_hat), -1) @ self._of_coefficients
        return (on_grid - expected) ** 2 / self._num_points
