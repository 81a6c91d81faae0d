"""Random sources: a lattice of Gaussians, f = AᵀPA, and their Fourier coefficients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from data_gen.mode_transform import Modes, ModeTransform
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Boundary
from lightning_sciml.pde.walls import continued, highest_mode

# Energy of a single Gaussian that a truncation may cut off, relative; sqrt(1e-10) is 1e-5 in f.
_MAX_DISCARDED_ENERGY = 1e-10
_MAX_STANDARD_DEVIATION = 0.5
_ROW_BLOCK = 16
_MAX_GAUSSIANS = 10**9
# Amplitudes are stored in float32, and with them sums of many.
_SMALLEST, _LARGEST = 1e-30, 1e30


@dataclass(frozen=True, kw_only=True)
class GaussianSources:
    """f = g / max g (minus its mean where the equation wants ∫f = 0), g = Σ pᵢ exp(-|x-cᵢ|²/2σ²).

    The centres form a lattice around the middle of the unit square. Each amplitude p is uniform in
    ``amplitude`` with probability 1-s and else zero; s is drawn from ``sparsity`` for each source.

    Args:
        num_gaussians: Gaussians along each axis.
        standard_deviation: σ, in sides of the square.
        spacing: distance of neighbouring centres, in sides of the square.
        amplitude: smallest and largest amplitude.
        sparsity: probabilities of an amplitude being zero, drawn with equal shares.
        periodic: wrap the Gaussians round the square; the published data sets cut them at its edge.
    """

    num_gaussians: int = 12
    standard_deviation: float = 1 / 32
    spacing: float = 2 / 32
    amplitude: tuple[float, float] = (1e-3, 1.0)
    sparsity: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)
    periodic: bool = False

    def __post_init__(self) -> None:
        if self.num_gaussians > _MAX_GAUSSIANS:
            raise InputError(
                f"source.num_gaussians must be at most {_MAX_GAUSSIANS:,}, got {self.num_gaussians}"
            )
        if self.num_gaussians < 1 or not self.standard_deviation > 0 or not self.spacing > 0:
            raise InputError(
                "source.num_gaussians, .standard_deviation and .spacing must be positive, got "
                f"{self.num_gaussians}, {self.standard_deviation}, {self.spacing}"
            )
        if self.standard_deviation > _MAX_STANDARD_DEVIATION:
            raise InputError(
                f"source.standard_deviation must be at most {_MAX_STANDARD_DEVIATION:g} sides of "
                f"the square, got {self.standard_deviation}: wider Gaussians are constant on it"
            )
        width = (self.num_gaussians - 1) * self.spacing if self.num_gaussians > 1 else 0.0
        if not width < 1:
            raise InputError(
                f"the centres of {self.num_gaussians} Gaussians at a spacing of {self.spacing:g} "
                f"are {width:.3g} sides of the square wide, wanted less than 1; lower "
                "source.num_gaussians or source.spacing"
            )
        if not _SMALLEST <= self.amplitude[0] <= self.amplitude[1] <= _LARGEST:
            raise InputError(
                f"source.amplitude must be 0 < smallest ≤ largest, within {_SMALLEST:.0e} … "
                f"{_LARGEST:.0e} of float32, got {list(self.amplitude)}"
            )
        if not self.sparsity or not all(0 <= s <= 1 for s in self.sparsity):
            raise InputError(
                f"source.sparsity must hold probabilities in 0 … 1, got {list(self.sparsity)}"
            )

    @property
    def num_uniforms(self) -> int:
        """Uniform numbers a source takes: one a Gaussian, the class s, two for a substitute."""
        return self.num_gaussians**2 + 3

    def check_resolution(self, num_points: int) -> None:
        """Reject a grid whose points are further apart than σ.

        Raises:
            InputError: the grid is too coarse.
        """
        if num_points * self.standard_deviation < 1:
            raise InputError(
                f"num_points={num_points} is too few for sources of standard deviation "
                f"{self.standard_deviation:g}: points may be no further apart than that; "
                f"take at least {np.ceil(1 / self.standard_deviation):g}"
            )

    def amplitudes(self, uniforms: Float[np.ndarray, "B r"]) -> Float[np.ndarray, "B n n"]:
        """Draw amplitudes p of the Gaussians, [y, x]; never all zero."""
        choice, place, substitute = uniforms[:, :3].T
        s = np.asarray(self.sparsity)[(choice * len(self.sparsity)).astype(int)][:, None]
        # One number a Gaussian tells whether and how strong: given r ≥ s, (r-s)/(1-s) is uniform.
        present = uniforms[:, 3:] >= s
        strength = np.where(present, (uniforms[:, 3:] - s) / np.maximum(1 - s, 1e-300), 0.0)
        empty = np.flatnonzero(~present.any(axis=1))
        position = (place[empty] * present.shape[1]).astype(int)
        present[empty, position] = True
        strength[empty, position] = substitute[empty]
        low, high = self.amplitude
        p = np.where(present, low + (high - low) * strength, 0.0)
        return p.reshape(-1, self.num_gaussians, self.num_gaussians)

    def profiles(self, x: Float[np.ndarray, " N"]) -> Float[np.ndarray, "n N"]:
        """A: each centre's exp(-(x-c)²/2σ²) along one axis."""
        offset = np.arange(self.num_gaussians) - (self.num_gaussians - 1) / 2
        distance = x - (0.5 + offset * self.spacing)[:, None]
        images = np.arange(-3, 4)[:, None, None] if self.periodic else np.zeros((1, 1, 1))
        return np.exp(-(((distance - images) / self.standard_deviation) ** 2) / 2).sum(axis=0)

    def default_num_modes(self, num_points: int, boundary: Boundary = "periodic") -> int:
        """Modes that carry energy: M = 7/8σ for Gaussians that are cut, 1/σ for wrapped ones.

        A wrapped Gaussian has 3e-9 of its amplitude in the first mode beyond 1/σ. One that is cut
        at the edge has 3e-7 in every high mode anyway, and its own tail is at that level at 7/8σ.
        Between walls modes are half waves.
        """
        share = 1 if self.periodic else 7 / 8
        waves = (1 if boundary == "periodic" else 2) * share / self.standard_deviation
        return min(highest_mode(num_points, boundary), int(np.ceil(waves)) - 1)


class SourceBlock(NamedTuple):
    """B sources: kept coefficients, mean square, and what of it is not kept."""

    transform: ModeTransform
    f_hat: Modes
    energy: Float[np.ndarray, " B"]
    discarded: Float[np.ndarray, " B"]


class SeparableSources:
    """Evaluates f = AᵀPA on the grid and, without a transform of f, in Fourier space.

    Args:
        sources: the lattice of Gaussians.
        transform: grid and kept modes.
        zero_mean: subtract the mean of f.
        rows: the rows of the grid to evaluate f on.
        over_all_rows: makes the largest value on these rows the largest on all.

    Raises:
        InputError: the modes are too few for the Gaussians.
    """

    def __init__(
        self,
        sources: GaussianSources,
        transform: ModeTransform,
        *,
        zero_mean: bool,
        rows: slice = slice(None),
        over_all_rows: Callable[[np.ndarray], np.ndarray] = lambda largest: largest,
    ) -> None:
        self.transform = transform
        self.zero_mean = zero_mean
        self._profiles = sources.profiles(transform.coordinates)
        # a constant beside the Gaussians takes the mean away in the same product
        ones = np.ones(transform.num_points)
        self._columns = np.column_stack([self._profiles.T, ones])
        self._rows = rows
        self._over_all_rows = over_all_rows
        self._mean = self._profiles.mean(axis=1)
        of_period = continued(self._profiles, ("periodic", transform.boundary[1]))
        self._gram_kept, self._gram_discarded = _gram_matrices(of_period, transform.num_modes)
        self._check_truncation()

    def evaluate(
        self, amplitudes: Float[np.ndarray, "B n n"], out: Float[np.ndarray, "B n_rows N"]
    ) -> SourceBlock:
        """Evaluate f in Fourier space; its values on the grid go to ``out``, in its precision."""
        p = np.empty_like(amplitudes)
        for chunk in self.transform.chunks(len(p)):
            p[chunk] = self._fill(amplitudes[chunk], out[chunk])
        f_hat = self.transform.of_products(p, self._profiles)
        kept, discarded = self._energies(p)
        if self.zero_mean:
            f_hat[:, self.transform.zero_rows, 0] = 0.0
            kept -= self._means(p) ** 2
        return SourceBlock(self.transform, f_hat, kept + discarded, discarded)

    def _fill(
        self, amplitudes: Float[np.ndarray, "B n n"], out: Float[np.ndarray, "B n_rows N"]
    ) -> Float[np.ndarray, "B n n"]:
        """Evaluate f on the grid; return the amplitudes divided by max f."""
        mean = self._means(amplitudes)
        rows = np.empty((len(out), amplitudes.shape[1] + 1, out.shape[2]))
        np.matmul(amplitudes, self._profiles, out=rows[:, :-1])
        rows[:, -1] = -mean[:, None] if self.zero_mean else 0.0
        field = self._on_rows(rows)
        largest = field.reshape(len(field), -1).max(axis=1, initial=-np.inf) - rows[:, -1, 0]
        largest = self._over_all_rows(largest)
        scale = 1 / largest[:, None, None]
        field *= scale
        out[:] = field
        return amplitudes * scale

    def _on_rows(self, factors: Float[np.ndarray, "B k N"]) -> Float[np.ndarray, "B n_rows N"]:
        """Multiply the profiles along y with these factors, on the rows of the grid.

        A product of matrices rounds by its shape. So a part of the rows is made in blocks that lie
        the same whichever part it is, and a value has the same bits in slabs of any number.
        """
        if self._rows == slice(None):
            return self._columns @ factors
        first, last = self._rows.start, self._rows.stop
        starts = range(first - first % _ROW_BLOCK, last, _ROW_BLOCK)
        blocks = [self._columns[start : start + _ROW_BLOCK] @ factors for start in starts]
        return np.concatenate(blocks, axis=1)[:, first - starts.start : last - starts.start]

    def _means(self, p: Float[np.ndarray, "B n n"]) -> Float[np.ndarray, " B"]:
        return (np.matmul(p, self._mean) * self._mean).sum(axis=1)

    def _energies(
        self, p: Float[np.ndarray, "B n n"]
    ) -> tuple[Float[np.ndarray, " B"], Float[np.ndarray, " B"]]:
        """Compute mean squares of kept and discarded modes without subtracting one from the other.

        With G = A Aᵀ/N = G_kept + G_discarded, mean f² = tr(Pᵀ G P G).
        """
        kept_kept = np.matmul(np.matmul(self._gram_kept, p), self._gram_kept)
        rest = np.matmul(np.matmul(self._gram_kept, p), self._gram_discarded)
        rest += np.matmul(
            np.matmul(self._gram_discarded, p), self._gram_kept + self._gram_discarded
        )
        return _inner(p, kept_kept), _inner(p, rest)

    def _check_truncation(self) -> None:
        kept, discarded = np.diag(self._gram_kept), np.diag(self._gram_discarded)
        share = float((discarded / (kept + discarded)).max())
        if share > _MAX_DISCARDED_ENERGY:
            raise InputError(
                f"num_modes={self.transform.num_modes} cuts off {share:.1e} of a Gaussian's "
                f"energy, more than {_MAX_DISCARDED_ENERGY:g}; raise num_modes"
            )


def _gram_matrices(
    profiles: Float[np.ndarray, "n N"], num_modes: int
) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "n n"]]:
    """A Aᵀ / N, split into the share of the modes up to M and of those beyond."""
    hat = np.fft.fft(profiles, axis=1, norm="forward")
    modes = np.arange(profiles.shape[1])
    modes = np.minimum(modes, profiles.shape[1] - modes)
    kept, beyond = hat[:, modes <= num_modes], hat[:, modes > num_modes]
    return (kept @ kept.conj().T).real, (beyond @ beyond.conj().T).real


def _inner(a: Float[np.ndarray, "B n n"], b: Float[np.ndarray, "B n n"]) -> Float[np.ndarray, " B"]:
    return (a * b).reshape(len(a), -1).sum(axis=1)
