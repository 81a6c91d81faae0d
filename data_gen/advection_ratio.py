"""The advection-diffusion ratio Ψ = ‖v·∇u‖ / ‖∇·K∇u‖ of a solution, and the μ that gives it.

With K = (1-μ) K₀, v = μ v₀, a = v₀·k, d = kᵀK₀k, w = |f̂|², r = (a/d)² and t = (μ/(1-μ))²:
advection is skew and diffusion symmetric, so by Parseval

    Ψ² = T/S,   T(t) = Σ w t r / (1 + t r),   S(t) = Σ w / (1 + t r),   T + S = ‖f‖².

One monotone equation a sample. It is solved by Newton's method for log Ψ² as a function of log t,
first with the low modes, which hold nearly all of the energy, then with all. The number of steps is
always the same, because a stopping test would tie a sample's bits to its block.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from jaxtyping import Complex, Float

from data_gen.truncated_transform import TruncatedTransform
from lightning_sciml.errors import InputError
from lightning_sciml.pde.equations import Poisson

_LOW_MODES = 12
_NUM_LOW_STEPS = 10
_NUM_STEPS = 3  # together they reach 1e-12 for Ψ up to 20
_MAX_STEP = 3.0  # in log t; without it the first steps overshoot for Ψ > 5
_NEARLY = 1e-5  # an error in log Ψ² from which one step, being quadratic, leads to round-off


@dataclass(frozen=True)
class AdvectionDiffusionSpectrum:
    """w and r over the modes of B samples; ``low`` holds only the low modes."""

    w: Float[np.ndarray, "B k"]
    r: Float[np.ndarray, "B k"]
    low: "AdvectionDiffusionSpectrum | None" = None

    @classmethod
    def of(
        cls,
        tensor: Float[np.ndarray, "B 3"],
        direction: Float[np.ndarray, "B 2"],
        f_hat: Complex[np.ndarray, "B K2 K"],
        transform: TruncatedTransform,
    ) -> Self:
        """Energies of the source and squared ratios of the symbols of v₀·∇ and ∇·K₀∇."""
        kx, ky, _, _ = transform.wavenumbers
        advection = direction[:, 0, None, None] * kx + direction[:, 1, None, None] * ky
        diffusion = Poisson().symbol(tensor, transform.wavenumbers)
        diffusion[:, transform.zero_rows, 0] = np.inf  # f̂(0) = 0
        w = (f_hat.real**2 + f_hat.imag**2) * transform.energy_weights
        r = (advection / diffusion) ** 2
        half = transform.num_modes + 1
        rows = np.r_[0 : _LOW_MODES + 1, half : half + _LOW_MODES + 1]
        columns = slice(_LOW_MODES + 1)
        low = cls(_flat(w[:, rows, columns]), _flat(r[:, rows, columns]))
        return cls(_flat(w), _flat(r), low)

    def ratio(self, t: Float[np.ndarray, " B"]) -> Float[np.ndarray, " B"]:
        """Ψ(t)."""
        tr = t[:, None] * self.r
        return np.sqrt((self.w * tr / (1 + tr)).sum(axis=1) / (self.w / (1 + tr)).sum(axis=1))

    def advection_weight(self, target: Float[np.ndarray, " B"]) -> Float[np.ndarray, " B"]:
        """The μ with Ψ = target.

        Raises:
            InputError: no μ < 1 reaches it.
        """
        low = self.low or self
        log_t = np.log(target**2 * low.w.sum(axis=1) / (low.w * low.r).sum(axis=1))
        log_t, _ = low._newton(log_t, target, _NUM_LOW_STEPS)
        log_t, last_excess = self._newton(log_t, target, _NUM_STEPS)
        missed = ~(np.abs(last_excess) < _NEARLY)
        if missed.any():
            raise InputError(
                f"advection_diffusion_ratio {target[missed][0]:g} cannot be reached where the "
                "source varies across the flow only; lower the range"
            )
        mu_over_rest = np.exp(log_t / 2)
        return mu_over_rest / (1 + mu_over_rest)

    def _newton(
        self, log_t: Float[np.ndarray, " B"], target: Float[np.ndarray, " B"], num_steps: int
    ) -> tuple[Float[np.ndarray, " B"], Float[np.ndarray, " B"]]:
        """log t after some steps, and the error in log Ψ² before the last of them."""
        for _ in range(num_steps):
            excess, slope = self._excess_and_slope(np.exp(log_t), target)
            log_t = log_t - np.clip(excess / slope, -_MAX_STEP, _MAX_STEP)
        return log_t, excess

    def mean_ratio_weight(self, target: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
        """The μ for which the mean of Ψ over these samples is the target."""
        log_t, log_mean = self._log_mean_ratios
        mu_over_rest = np.exp(np.interp(np.log(target), log_mean, log_t) / 2)
        return mu_over_rest / (1 + mu_over_rest)

    @cached_property
    def _log_mean_ratios(self) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"]]:
        log_t = np.linspace(np.log(1e-8), np.log(1e8), 129)
        means = [self.ratio(np.full(len(self.w), t)).mean() for t in np.exp(log_t)]
        return log_t, np.log(means)

    def _excess_and_slope(
        self, t: Float[np.ndarray, " B"], target: Float[np.ndarray, " B"]
    ) -> tuple[Float[np.ndarray, " B"], Float[np.ndarray, " B"]]:
        """log Ψ² - log target² and its derivative by log t, t ‖f‖² Σ w r/(1 + t r)² / (S T)."""
        damped = 1 / (1 + t[:, None] * self.r)
        diffusion = self.w * damped
        S = diffusion.sum(axis=1)
        advection = diffusion * self.r
        T = t * advection.sum(axis=1)
        slope = t * (S + T) * (advection * damped).sum(axis=1) / (S * T)
        return np.log(T / S) - 2 * np.log(target), slope


def _flat(part: Float[np.ndarray, "B K2 K"]) -> Float[np.ndarray, "B k"]:
    return np.ascontiguousarray(part).reshape(len(part), -1)
