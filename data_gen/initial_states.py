"""Random initial states, as Fourier modes: the same function on every grid."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from data_gen.random_numbers import standard_normals
from data_gen.ranges import Range, check_limits, check_range, uniform
from data_gen.state_modes import Lengths, OneState, StateModes, made_real, mode_wavenumbers
from lightning_sciml.errors import InputError
from lightning_sciml.pde.evolution_equation import EvolutionEquation, k_squared

OfFields = float | tuple[float, ...]
"""A number for each field, or one for all."""

_MAX_MODES = 2**12  # û of a field then takes 0.5 GB
_LARGEST = 1e30  # states are stored in float32
_MAX_CUT = 1e-4  # of a bump's largest coefficient, at the first mode that is left out


class InitialState(ABC):
    """The distribution of initial states; subclasses are dataclasses.

    Attributes:
        num_modes: M, the largest mode along each axis.
    """

    num_modes: int

    def num_uniforms(self, num_fields: int) -> int:
        """Count the uniform numbers that a state takes: by default two a mode of each field."""
        return num_fields * 2 * (2 * self.num_modes + 1) * (self.num_modes + 1)

    @abstractmethod
    def modes(
        self, uniforms: Float[np.ndarray, " r"], lengths: Lengths, state_fields: Sequence[str]
    ) -> OneState:
        """Make û of one state from numbers uniform in [0, 1)."""

    def draw(
        self, uniforms: Float[np.ndarray, "B r"], lengths: Lengths, equation: EvolutionEquation
    ) -> StateModes:
        """Make û of B states, without the means that the equation leaves out.

        States are made one by one, so that their bits do not depend on each other.

        Raises:
            InputError: the options do not fit the fields or the lengths.
        """
        names = equation.state_fields
        u_hat = np.stack([self.modes(numbers, lengths, names) for numbers in uniforms])
        u_hat[:, [name in equation.mean_free for name in names], 0, 0] = 0.0
        return u_hat

    def _check_num_modes(self) -> None:
        limits = (1, _MAX_MODES)
        check_limits("initial_state.num_modes", limits, "M modes an axis", self.num_modes)


@dataclass(frozen=True, kw_only=True)
class PowerLawField(InitialState):
    """Gaussian random fields of mean zero: û(k) is normal, E|û(k)|² = σ²(|k|² + τ²)^-α, k ≠ 0.

    On the unit square that is N(0, σ²(-Δ + τ²)^-α), up to the modes that are left out. In the
    Fourier neural operator's paper (arXiv 2010.08895) σ² = 7^1.5, τ = 7, α = 2.5.

    Args:
        exponent: α.
        tau: τ, in radians by length: waves longer than 2π/τ are about as strong as each other.
        rms: root of the mean square over space and samples, one for all fields or for each.
        scale: σ, in place of rms.
        num_modes: M, the largest mode along each axis.
    """

    exponent: float
    tau: float = 0.0
    rms: OfFields | None = None
    scale: OfFields | None = None
    num_modes: int = 16

    def __post_init__(self) -> None:
        self._check_num_modes()
        check_limits("initial_state.exponent", (0, 20), "α of (|k|² + τ²)^-α", self.exponent)
        check_limits("initial_state.tau", (0, 1e4), "τ of (|k|² + τ²)^-α", self.tau)
        if (self.rms is None) == (self.scale is None):
            raise InputError(
                "initial_state needs either rms or scale, got "
                f"rms={self.rms}, scale={self.scale}; give one of them"
            )
        for name, values in (("rms", self.rms), ("scale", self.scale)):
            if values is not None:
                reason = "the size of a field"
                check_limits(f"initial_state.{name}", (0, _LARGEST), reason, *np.atleast_1d(values))

    def modes(
        self, uniforms: Float[np.ndarray, " r"], lengths: Lengths, state_fields: Sequence[str]
    ) -> OneState:
        """Multiply normal numbers by the root of the spectrum."""
        F, M = len(state_fields), self.num_modes
        squared = k_squared(mode_wavenumbers(M, lengths)) + self.tau**2
        squared[0, 0] = np.inf  # no mean
        spectrum = squared**-self.exponent if self.exponent else np.isfinite(squared) * 1.0
        if self.rms is None:
            sigma = of_fields("scale", self.scale, F)
        else:
            weights = np.where(np.arange(M + 1) > 0, 2.0, 1.0)  # -kx, too
            sigma = of_fields("rms", self.rms, F) / np.sqrt((weights * spectrum).sum())
        normals = standard_normals(uniforms).reshape(F, 2 * M + 1, M + 1, 2)
        u_hat = normals.view(np.complex128)[..., 0] * np.sqrt(spectrum / 2)
        return made_real(sigma[:, None, None] * u_hat)


@dataclass(frozen=True, kw_only=True)
class TruncatedFourier(InitialState):
    """Few waves, u = Σ A cos(k·x + φ) over half of the k ≠ 0, with A and φ uniform.

    Args:
        amplitude: range of A.
        num_modes: M, the largest mode along each axis.
    """

    amplitude: Range = (0.0, 1.0)
    num_modes: int = 3

    def __post_init__(self) -> None:
        self._check_num_modes()
        check_range("initial_state.amplitude", self.amplitude)
        limits = (-_LARGEST, _LARGEST)
        check_limits("initial_state.amplitude", limits, "the size of a wave", *self.amplitude)

    def modes(
        self, uniforms: Float[np.ndarray, " r"], lengths: Lengths, state_fields: Sequence[str]
    ) -> OneState:
        """û = A exp(iφ)/2."""
        M = self.num_modes
        numbers = uniforms.reshape(2, len(state_fields), 2 * M + 1, M + 1)
        u_hat = uniform(self.amplitude, numbers[0]) / 2 * np.exp(2j * np.pi * numbers[1])
        u_hat[:, 0, 0] = 0.0
        return made_real(u_hat)


@dataclass(frozen=True, kw_only=True)
class Blobs(InitialState):
    """Gaussian bumps round the periodic rectangle: u = b + Σ h exp(-|x - c|²/2w²).

    Centres c are uniform. All fields have the same bumps, each with a height of its own range, at
    the same place in it: with heights [[0, 1], [0, -2]] the second field is -2 times the first.

    Args:
        heights: range of h for each field.
        background: b, one for all fields or for each.
        num_blobs: smallest and largest number of bumps, each as likely.
        width: range of w, in the unit of the lengths.
        num_modes: M, the largest mode along each axis.
    """

    heights: tuple[Range, ...] = ((0.5, 1.0),)
    background: OfFields = 0.0
    num_blobs: tuple[int, int] = (1, 8)
    width: Range = (0.05, 0.1)
    num_modes: int = 16

    _PER_BLOB: ClassVar[int] = 4  # centre, width, height

    def __post_init__(self) -> None:
        self._check_num_modes()
        check_range("initial_state.num_blobs", self.num_blobs)
        check_limits("initial_state.num_blobs", (0, 10_000), "a number of bumps", *self.num_blobs)
        check_range("initial_state.width", self.width, positive="the size of a bump")
        values = [*np.ravel(self.heights), *np.atleast_1d(self.background)]
        for bounds in self.heights:
            check_range("initial_state.heights", bounds)
        reason = "float32 cannot hold it"
        check_limits("initial_state.heights or .background", (-_LARGEST, _LARGEST), reason, *values)

    def num_uniforms(self, num_fields: int) -> int:
        """Count the number of bumps, and of each its centre, width and height."""
        return 1 + self._PER_BLOB * self.num_blobs[1]

    def modes(
        self, uniforms: Float[np.ndarray, " r"], lengths: Lengths, state_fields: Sequence[str]
    ) -> OneState:
        """û = b at k = 0, plus Σ h 2πw²/(Lx Ly) exp(-w²|k|²/2 - i k·c)."""
        F, M = len(state_fields), self.num_modes
        if len(self.heights) != F:
            raise InputError(
                f"initial_state.heights needs a range for each of {', '.join(state_fields)}, "
                f"got {len(self.heights)}"
            )
        self._check_resolution(lengths)
        u_hat = np.zeros((F, 2 * M + 1, M + 1), np.complex128)
        u_hat[:, 0, 0] = of_fields("background", self.background, F)
        waves, squared = mode_wavenumbers(M, lengths), k_squared(mode_wavenumbers(M, lengths))
        low, high = self.num_blobs
        number = low + int((high - low + 1) * uniforms[0])
        for y, x, w, h in uniforms[1:].reshape(-1, self._PER_BLOB)[:number]:
            w_squared = uniform(self.width, w) ** 2
            phase = waves.ky * (y * lengths[0]) + waves.kx * (x * lengths[1])
            bump = np.exp(-w_squared * squared / 2 - 1j * phase)
            bump *= 2 * np.pi * w_squared / (lengths[0] * lengths[1])
            for field_hat, heights in zip(u_hat, self.heights, strict=True):
                field_hat += uniform(heights, h) * bump
        return made_real(u_hat)

    def _check_resolution(self, lengths: Lengths) -> None:
        """Reject bumps whose spectrum is cut where it is not small."""
        least = np.sqrt(-2 * np.log(_MAX_CUT)) / self.width[0]
        wanted = int(np.ceil(least * max(lengths) / (2 * np.pi)))
        if self.num_modes < wanted:
            raise InputError(
                f"bumps of width {self.width[0]:g} on sides of {max(lengths):g} need "
                f"initial_state.num_modes={wanted} or more, got {self.num_modes}; raise it, or "
                "the width"
            )


@dataclass(frozen=True, kw_only=True)
class PerturbedState(InitialState):
    """Normal noise, equally strong in all modes, round a homogeneous state.

    Args:
        values: the homogeneous state, one for all fields or for each.
        rms: of the noise, one for all fields or for each.
        num_modes: M, the largest mode along each axis.
    """

    values: OfFields = 0.0
    rms: OfFields = 0.01
    num_modes: int = 16

    def __post_init__(self) -> None:
        self._noise()
        reason = "float32 cannot hold it"
        limits = (-_LARGEST, _LARGEST)
        check_limits("initial_state.values", limits, reason, *np.atleast_1d(self.values))

    def _noise(self) -> PowerLawField:
        return PowerLawField(exponent=0.0, rms=self.rms, num_modes=self.num_modes)

    def modes(
        self, uniforms: Float[np.ndarray, " r"], lengths: Lengths, state_fields: Sequence[str]
    ) -> OneState:
        """Add the homogeneous state to the noise, as its mean."""
        u_hat = self._noise().modes(uniforms, lengths, state_fields)
        u_hat[:, 0, 0] = of_fields("values", self.values, len(state_fields))
        return u_hat


def of_fields(name: str, values: OfFields | None, num_fields: int) -> Float[np.ndarray, " F"]:
    """Return the number of each field."""
    found = np.atleast_1d(np.asarray(values, dtype=float))
    if len(found) not in (1, num_fields):
        raise InputError(
            f"initial_state.{name} needs one number for all fields or {num_fields}, one for each, "
            f"got {len(found)}"
        )
    return np.broadcast_to(found, (num_fields,))
