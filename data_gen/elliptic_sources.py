"""How the source f(x) of -∇·(a∇u) = f is drawn."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from data_gen.random_fields import DrawnField, GaussianRandomField
from data_gen.ranges import Range, check_limits
from data_gen.sources import GaussianSources
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid

_SCALES = (1e-12, 1e12)


class EllipticSource(ABC):
    """The distribution of f, before its mean is subtracted where ∫f has to be 0."""

    @property
    @abstractmethod
    def num_uniforms(self) -> int:
        """Count the uniform numbers of a sample."""

    @property
    def ranges(self) -> dict[str, Range]:
        """What is drawn for each sample beside the field."""
        return {}

    @property
    def is_constant(self) -> bool:
        """Tell whether f is the same number everywhere, so that it need not be stored."""
        return False

    @abstractmethod
    def check_grid(self, grid: Grid) -> None:
        """Reject a grid on which f makes no sense.

        Raises:
            InputError: saying why.
        """

    @abstractmethod
    def draw(self, uniforms: Float[np.ndarray, "B r"], grid: Grid) -> DrawnField:
        """Draw f at the points of a grid."""


@dataclass(frozen=True, kw_only=True)
class ConstantSource(EllipticSource):
    """f = value everywhere.

    Args:
        value: of f, not zero.
    """

    value: float = 1.0

    def __post_init__(self) -> None:
        check_limits("|source.value|", _SCALES, "so that float32 holds u", abs(self.value))

    @property
    def num_uniforms(self) -> int:
        """Count no uniform numbers."""
        return 0

    @property
    def is_constant(self) -> bool:
        """Tell that f is the same number everywhere."""
        return True

    def check_grid(self, grid: Grid) -> None:
        """Reject a grid without walls u = 0: ∫f is not zero."""
        if grid.boundary[0] != "dirichlet":
            raise InputError(
                f"a constant source needs boundary dirichlet, got {grid.boundary[0]}, with which "
                "∫f must be 0; take GaussianSumSource or RandomFieldSource, whose mean is "
                "subtracted, or walls"
            )

    def draw(self, uniforms: Float[np.ndarray, "B r"], grid: Grid) -> DrawnField:
        """Fill fields with the value."""
        return DrawnField(np.full((len(uniforms), *grid.shape), self.value), {})


@dataclass(frozen=True, kw_only=True)
class GaussianSumSource(GaussianSources, EllipticSource):
    """f = g / max g, g = Σ pᵢ exp(-|x-cᵢ|²/2σ²) on a lattice: the sources of the published sets.

    Args:
        num_gaussians: Gaussians along each axis.
        standard_deviation: σ, in sides of the square.
        spacing: distance of neighbouring centres, in sides of the square.
        amplitude: smallest and largest amplitude.
        sparsity: probabilities of an amplitude being zero, drawn with equal shares.
        periodic: wrap the Gaussians round the square, instead of cutting them at its edge.
    """

    def check_grid(self, grid: Grid) -> None:
        """Reject a grid that is too coarse, or has walls where the Gaussians are wrapped."""
        self.check_resolution(min(grid.shape))
        if self.periodic and not grid.is_periodic:
            raise InputError(
                f"source.periodic must be false with boundary {grid.boundary[0]}; "
                "set boundary to periodic"
            )

    def draw(self, uniforms: Float[np.ndarray, "B r"], grid: Grid) -> DrawnField:
        """Draw amplitudes, and add the Gaussians up."""
        y, x = grid.coordinates()
        g = self.profiles(y).T @ (self.amplitudes(uniforms) @ self.profiles(x))
        return DrawnField(g / g.max(axis=(1, 2), keepdims=True), {})


@dataclass(frozen=True, kw_only=True)
class RandomFieldSource(EllipticSource):
    """f = g, a Gaussian random field of mean square 1.

    Args:
        field: the distribution of g.
    """

    field: GaussianRandomField = field(default_factory=GaussianRandomField)

    @property
    def num_uniforms(self) -> int:
        """Count the uniform numbers of the field."""
        return self.field.num_uniforms

    @property
    def ranges(self) -> dict[str, Range]:
        """What is drawn for each field, with names that differ from those of the diffusivity."""
        return {f"source_{name}": bounds for name, bounds in self.field.ranges.items()}

    def check_grid(self, grid: Grid) -> None:
        """Reject a grid that does not hold the modes of the field."""
        self.field.check_grid(grid)

    def draw(self, uniforms: Float[np.ndarray, "B r"], grid: Grid) -> DrawnField:
        """Draw fields."""
        values, drawn = self.field.draw(uniforms, grid)
        return DrawnField(values, {f"source_{name}": of for name, of in drawn.items()})
