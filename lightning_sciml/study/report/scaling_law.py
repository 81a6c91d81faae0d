"""error = a n^-b + c, fitted to a curve."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from lightning_sciml.errors import InputError
from lightning_sciml.study.report.curves import Curve, interval

MIN_SIZES = 5
NUM_REFITS = 200
MAX_EXTRAPOLATION = 2.0
"""The law is drawn up to this multiple of the largest size it was fitted to."""


@dataclass(frozen=True, kw_only=True)
class ScalingLaw:
    """error(n) = a n^-b + c.

    Attributes:
        prefactor: a.
        exponent: b.
        irreducible_error: c.
        exponent_interval: 95 %, over bootstrap resamples of the replicates.
        irreducible_interval: the same of c.
        r_squared: share of the variance of log error that the law explains.
        sizes: smallest and largest size of the fit.
        num_replicates: of the curve; the intervals of one have no width.
    """

    prefactor: float
    exponent: float
    irreducible_error: float
    exponent_interval: tuple[float, float]
    irreducible_interval: tuple[float, float]
    r_squared: float
    sizes: tuple[int, int]
    num_replicates: int

    def __call__(self, num_samples: Float[np.ndarray, " X"]) -> Float[np.ndarray, " X"]:
        """Evaluate the law; NaN beyond twice the largest size, and below the smallest."""
        smallest, largest = self.sizes
        errors = self.prefactor * num_samples**-self.exponent + self.irreducible_error
        is_known = (num_samples >= smallest) & (num_samples <= MAX_EXTRAPOLATION * largest)
        return np.where(is_known, errors, np.nan)


def fit_law(curve: Curve) -> ScalingLaw:
    """Fit a curve by least squares of log error, a > 0, b ≥ 0, c ≥ 0.

    Raises:
        InputError: fewer than five sizes, or errors that are not positive.
    """
    num_samples = np.array(curve.num_samples, float)
    if len(num_samples) < MIN_SIZES:
        raise InputError(
            f"a law of three numbers needs at least {MIN_SIZES} sizes, got {len(num_samples)}; "
            "add sizes to the study"
        )
    if not (curve.errors > 0).all():
        raise InputError("a power law needs positive errors, got some that are not")
    a, b, c = _fit(num_samples, curve.mean)
    refits = np.array([_fit(num_samples, errors) for errors in curve.resampled()[:NUM_REFITS]])
    low, high = interval(refits)
    logs = np.log(curve.mean)
    residual = logs - np.log(a * num_samples**-b + c)
    variance = ((logs - logs.mean()) ** 2).sum()
    return ScalingLaw(
        prefactor=a,
        exponent=b,
        irreducible_error=c,
        exponent_interval=(float(low[1]), float(high[1])),
        irreducible_interval=(float(low[2]), float(high[2])),
        r_squared=float(1 - (residual**2).sum() / variance) if variance > 0 else 0.0,
        sizes=(curve.num_samples[0], curve.num_samples[-1]),
        num_replicates=len(curve.replicates),
    )


def _fit(
    num_samples: Float[np.ndarray, " X"], errors: Float[np.ndarray, " X"]
) -> tuple[float, float, float]:
    """(a, b, c), from several starts: the sum of squares has more than one valley."""
    x = np.log(num_samples / num_samples[0])
    scale = errors.min()

    def residual(theta: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " X"]:
        return np.log(np.exp(theta[0] - theta[1] * x) + theta[2] * scale) - np.log(errors)

    fits = []
    for c in (0.0, 0.5, 0.9):
        slope, offset = np.polyfit(x, np.log(errors - c * scale), 1)
        start = (offset, max(-slope, 1e-3), c)
        fits.append(least_squares(residual, start, bounds=([-50, 0, 0], [50, 10, 1])))
    best = min(fits, key=lambda fit: fit.cost).x
    prefactor = np.exp(best[0]) * num_samples[0] ** best[1]
    return float(prefactor), float(best[1]), float(best[2] * scale)
