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
from jaxtyping import Float

from data_gen.sources import SourceBlock
from lightning_sciml.errors import InputError
from lightning_sciml.pde.steady import Poisson

_LOW_LEVELS = ((8, 9), (16, 2))  # modes an axis, and steps with only these
_NUM_STEPS = 2  # with all modes; together they reach 1e-12 for Ψ up to 20
_MAX_STEP = 3.0  # in log t; without it the first steps overshoot for Ψ > 5
_NEARLY = 1e-5  # an error in log Ψ² from which one step, being quadratic, leads to round-off


@dataclass(frozen=True)
class AdvectionDiffusionSpectrum:
    """w and r over the modes of B samples; ``low`` has them for few modes, fewest first."""

    w: Float[np.ndarray, "B k"]
    r: Float[np.ndarray, "B k"]
    low: "tuple[AdvectionDiffusionSpectrum, ...]" = ()

    @classmethod
    def of(
        cls,
        tensor: Float[np.ndarray, "B 3"],
        direction: Float[np.ndarray, "B 2"],
        source: SourceBlock,
    ) -> Self:
        """Compute energies of the source and squared ratios of the symbols of v₀·∇ and ∇·K₀∇."""
        f_hat, transform = source.f_hat, source.transform
        kx, ky, _, _ = transform.wavenumbers
        advection = direction[:, 0, None, None] * kx + direction[:, 1, None, None] * ky
        diffusion = Poisson().symbol(tensor, transform.wavenumbers)
        diffusion[:, transform.zero_rows, 0] = np.inf  # f̂(0) = 0
        w = (f_hat.real**2 + f_hat.imag**2) * transform.energy_weights
        r = (advection / diffusion) ** 2
        by_half = (len(w), 2, transform.num_modes + 1, -1)
        w, r = w.reshape(by_half), r.reshape(by_half)
        lowest = (slice(num_modes + 1) for num_modes, _ in _LOW_LEVELS)
        low = tuple(cls(_flat(w[:, :, few, few]), _flat(r[:, :, few, few])) for few in lowest)
        return cls(_flat(w), _flat(r), low)

    @cached_property
    def wr(self) -> Float[np.ndarray, "B k"]:
        """Multiply the energies of the source by the squared ratios of the symbols."""
        return self.w * self.r

    def ratio(self, t: Float[np.ndarray, " B"]) -> Float[np.ndarray, " B"]:
        """Evaluate Ψ(t)."""
        damped = 1 / (1 + t[:, None] * self.r)
        return np.sqrt(t * _inner(self.wr, damped) / _inner(self.w, damped))

    def advection_weight(self, target: Float[np.ndarray, " B"]) -> Float[np.ndarray, " B"]:
        """Find the μ with Ψ = target.

        Raises:
            InputError: no μ < 1 reaches it.
        """
        log_t = np.log(target**2 * self.w.sum(axis=1) / self.wr.sum(axis=1))
        for few_modes, (_, num_steps) in zip(self.low, _LOW_LEVELS, strict=True):
            log_t, _ = few_modes._newton(log_t, target, num_steps)
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
        """Iterate log t; return it and the error in log Ψ² before the last of them."""
        for _ in range(num_steps):
            excess, slope = self._excess_and_slope(np.exp(log_t), target)
            log_t = log_t - np.clip(excess / slope, -_MAX_STEP, _MAX_STEP)
        return log_t, excess

    def mean_ratio_weight(self, target: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
        """Find the μ for which the mean of Ψ over these samples is the target.

        Raises:
            InputError: the table does not reach it.
        """
        log_t, log_mean = self._log_mean_ratios
        outside = (np.log(target) < log_mean[0]) | (np.log(target) > log_mean[-1])
        if outside.any():
            raise InputError(
                f"advection_diffusion_ratio {target[outside][0]:g} is outside the table of ratio: "
                f"table, {np.exp(log_mean[0]):.2g} … {np.exp(log_mean[-1]):.2g}; choose ratio: "
                "exact or another range"
            )
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
        S = _inner(self.w, damped)
        T = t * _inner(self.wr, damped)
        slope = t * (S + T) * _inner(self.wr, damped * damped) / (S * T)
        return np.log(T / S) - 2 * np.log(target), slope


def _inner(a: Float[np.ndarray, "B k"], b: Float[np.ndarray, "B k"]) -> Float[np.ndarray, " B"]:
    """Σ ab of each sample, with the same bits in a block of any size."""
    return np.matmul(a[:, None], b[:, :, None])[:, 0, 0]


def _flat(part: Float[np.ndarray, "B 2 k k"]) -> Float[np.ndarray, "B n"]:
    return np.ascontiguousarray(part).reshape(len(part), -1)
