"""How the coefficients of each evolution equation are drawn: one class an equation.

To add one, write it in ``lightning_sciml/pde`` and its class here. Those of heat and of
advection-diffusion, which are drawn as of the steady equations, are in ``unsteady_coefficients``.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from data_gen.ranges import Range, check_limits, check_range, log_uniform, uniform
from data_gen.state_modes import Lengths, StateModes
from lightning_sciml.pde.evolution_equation import EvolutionEquation
from lightning_sciml.pde.flows import (
    Burgers,
    ForcedNavierStokes,
    KolmogorovFlow,
    KuramotoSivashinsky,
    NavierStokes,
)
from lightning_sciml.pde.linear_evolution import Wave
from lightning_sciml.pde.reactions import AllenCahn, FisherKPP, GrayScott, SwiftHohenberg

Uniforms = Float[np.ndarray, "B r"]
_LARGEST = 1e30  # coefficients are used in float32
_ILL_POSED = "the equation has no solution otherwise"


class EvolutionCoefficients(ABC):
    """The distribution of an evolution equation's coefficients; subclasses are dataclasses.

    Attributes:
        num_uniforms: uniform numbers that one draw takes.
    """

    num_uniforms: ClassVar[int]

    @property
    @abstractmethod
    def equation(self) -> EvolutionEquation:
        """The equation that the coefficients belong to."""

    @abstractmethod
    def draw(
        self, uniforms: Uniforms, initial_hat: StateModes, lengths: Lengths
    ) -> Float[np.ndarray, "B c"]:
        """Draw coefficients for given initial states, columns as the equation names them."""

    def rejected(self, rms: Float[np.ndarray, "T B F"]) -> Bool[np.ndarray, " B"]:
        """Tell which trajectories are drawn anew, by √(mean u²) of their stored states."""
        return np.zeros(rms.shape[1], bool)

    @property
    def rejection(self) -> str:
        """Say why trajectories are drawn anew, and what to choose instead."""
        return f"{type(self).__qualname__}.rejected tells why"


class RangedCoefficients(EvolutionCoefficients):
    """Coefficients that are independent, each in the range that is the attribute of its name.

    Attributes:
        log_uniform: names of those whose logarithms are uniform; all others are uniform.
        positive: why a coefficient must be positive, by name.
    """

    log_uniform: ClassVar[tuple[str, ...]] = ()
    positive: ClassVar[dict[str, str]] = {}

    @property
    def drawn(self) -> tuple[str, ...]:
        """Names of the coefficients that are drawn."""
        return self.equation.coefficient_names

    def __post_init__(self) -> None:
        for name in self.drawn:
            bounds = getattr(self, name)
            check_range(name, bounds, self.positive.get(name, ""))
            check_limits(name, (-_LARGEST, _LARGEST), "float32 cannot hold it", *bounds)

    def draw(
        self, uniforms: Uniforms, initial_hat: StateModes, lengths: Lengths
    ) -> Float[np.ndarray, "B c"]:
        """Map one number for each coefficient to its range."""
        columns = []
        for name, numbers in zip(self.drawn, uniforms.T, strict=True):
            draw = log_uniform if name in self.log_uniform else uniform
            columns.append(draw(getattr(self, name), numbers))
        return np.stack(columns, axis=1)


@dataclass(frozen=True, kw_only=True)
class WaveCoefficients(RangedCoefficients):
    """c, uniform.

    Args:
        c: range of the speed of waves, positive.
    """

    c: Range

    equation = Wave()
    num_uniforms = 1
    positive: ClassVar = {"c": "without it nothing moves"}


class ViscosityCoefficients(RangedCoefficients):
    """ν, log-uniform."""

    num_uniforms = 1
    log_uniform = ("nu",)
    positive: ClassVar = {"nu": _ILL_POSED}


@dataclass(frozen=True, kw_only=True)
class BurgersCoefficients(ViscosityCoefficients):
    """ν, log-uniform.

    Args:
        nu: range of the viscosity, positive.
    """

    nu: Range

    equation = Burgers()


@dataclass(frozen=True, kw_only=True)
class NavierStokesCoefficients(ViscosityCoefficients):
    """ν, log-uniform, of decaying turbulence.

    Args:
        nu: range of the viscosity, positive.
    """

    nu: Range

    equation = NavierStokes()


@dataclass(frozen=True, kw_only=True)
class ForcedNavierStokesCoefficients(ViscosityCoefficients):
    """ν, log-uniform, of a flow under the force A (sin φ + cos φ), φ = 2π(x/Lx + y/Ly).

    Args:
        nu: range of the viscosity, positive.
        amplitude: A.
    """

    nu: Range
    amplitude: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_limits("amplitude", (-_LARGEST, _LARGEST), "float32 cannot hold it", self.amplitude)

    @property
    def equation(self) -> ForcedNavierStokes:
        """The equation with this force."""
        return ForcedNavierStokes(amplitude=self.amplitude)


@dataclass(frozen=True, kw_only=True)
class KolmogorovFlowCoefficients(ViscosityCoefficients):
    """ν, log-uniform, and α, uniform, of a flow under the force A sin(2πn y/Ly) along x.

    Args:
        nu: range of the viscosity, positive.
        drag: range of α, not negative.
        num_waves: n, an integer.
        amplitude: A.
    """

    nu: Range
    drag: Range = (0.0, 0.0)
    num_waves: int = 4
    amplitude: float = 1.0

    num_uniforms = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_limits("drag", (0.0, _LARGEST), "a negative one drives the mean flow", *self.drag)
        check_limits("num_waves", (1, 10_000), "waves of the force along y", self.num_waves)
        check_limits("amplitude", (-_LARGEST, _LARGEST), "float32 cannot hold it", self.amplitude)

    @property
    def equation(self) -> KolmogorovFlow:
        """The equation with this force."""
        return KolmogorovFlow(num_waves=self.num_waves, amplitude=self.amplitude)


@dataclass(frozen=True, kw_only=True)
class KuramotoSivashinskyCoefficients(RangedCoefficients):
    """S, uniform: the unit of the lengths.

    Args:
        side: range of S, positive.
    """

    side: Range

    equation = KuramotoSivashinsky()
    num_uniforms = 1
    positive: ClassVar = {"side": "a domain has a size"}


@dataclass(frozen=True, kw_only=True)
class AllenCahnCoefficients(ViscosityCoefficients):
    """ν, log-uniform.

    Args:
        nu: range of the square of the interfaces' width, positive.
    """

    nu: Range

    equation = AllenCahn()


@dataclass(frozen=True, kw_only=True)
class FisherKPPCoefficients(RangedCoefficients):
    """ν, log-uniform, and r, uniform.

    Args:
        nu: range of the diffusivity, positive.
        r: range of the rate of growth, positive.
    """

    nu: Range
    r: Range

    equation = FisherKPP()
    num_uniforms = 2
    log_uniform = ("nu",)
    positive: ClassVar = {"nu": _ILL_POSED, "r": "without growth there is no front"}


@dataclass(frozen=True, kw_only=True)
class SwiftHohenbergCoefficients(RangedCoefficients):
    """r and g, uniform.

    Args:
        r: range of the distance from the onset of patterns, of any sign.
        g: range of what favours hexagons over stripes, of any sign.
    """

    r: Range
    g: Range = (0.0, 0.0)

    equation = SwiftHohenberg()
    num_uniforms = 2


@dataclass(frozen=True, kw_only=True)
class GrayScottCoefficients(RangedCoefficients):
    """F and k, uniform; D_v, log-uniform, and D_u, a multiple of it.

    Args:
        feed: range of F, positive.
        kill: range of k, positive.
        diffusivity_v: range of D_v, positive.
        diffusivity_ratio: D_u/D_v, positive.
        min_v: a trajectory is drawn anew of which √(mean v²) falls below this at a stored time: v
            has died out, and u = 1 is all that comes.
    """

    feed: Range
    kill: Range
    diffusivity_v: Range = (1e-5, 1e-5)
    diffusivity_ratio: float = 2.0
    min_v: float = 1e-3

    equation = GrayScott()
    num_uniforms = 3
    log_uniform = ("diffusivity_v",)
    positive: ClassVar = {"feed": "u starves", "kill": "v fills all", "diffusivity_v": _ILL_POSED}

    def __post_init__(self) -> None:
        super().__post_init__()
        check_limits("diffusivity_ratio", (1e-6, 1e6), "D_u/D_v", self.diffusivity_ratio)
        check_limits("min_v", (0.0, 1.0), "v is a share", self.min_v)

    @property
    def rejection(self) -> str:
        """Say that v dies out."""
        return f"√(mean v²) falls below min_v={self.min_v:g}; choose other ranges of feed and kill"

    @property
    def drawn(self) -> tuple[str, ...]:
        """Names of the ranges; D_u follows from D_v."""
        return "feed", "kill", "diffusivity_v"

    def draw(
        self, uniforms: Uniforms, initial_hat: StateModes, lengths: Lengths
    ) -> Float[np.ndarray, "B 4"]:
        """Draw F, k, D_u and D_v."""
        feed, kill, D_v = super().draw(uniforms, initial_hat, lengths).T
        return np.stack([feed, kill, self.diffusivity_ratio * D_v, D_v], axis=1)

    def rejected(self, rms: Float[np.ndarray, "T B 2"]) -> Bool[np.ndarray, " B"]:
        """Reject trajectories of which v dies out."""
        return rms[:, :, 1].min(axis=0) < self.min_v
