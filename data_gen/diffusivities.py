"""How the diffusivity a(x) of -∇·(a∇u) = f is drawn: from a Gaussian random field."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from data_gen.random_fields import DrawnField, GaussianRandomField
from data_gen.ranges import Range, check_limits, check_range, log_uniform
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid

_MAX_CONTRAST = 1e6
_SCALES = (1e-12, 1e12)


@dataclass(frozen=True, kw_only=True)
class Diffusivity(ABC):
    """The distribution of a. Contrast, correlation length and smoothness are drawn by sample."""

    contrast: Range
    field: GaussianRandomField

    def __post_init__(self) -> None:
        if not self.contrast[0] >= 1:
            raise InputError(
                f"diffusivity.contrast is the largest a over the smallest, at least 1, got "
                f"{list(self.contrast)}; exchange the phases to turn it round"
            )
        check_range("diffusivity.contrast", self.contrast)
        reason = "float64 does not resolve more"
        check_limits("diffusivity.contrast", (1.0, _MAX_CONTRAST), reason, *self.contrast)

    @property
    def ranges(self) -> dict[str, Range]:
        """What is drawn for each sample."""
        return {"contrast": self.contrast, **self.field.ranges}

    @property
    def num_uniforms(self) -> int:
        """Count the uniform numbers of a sample."""
        return 1 + self.field.num_uniforms

    def draw(self, uniforms: Float[np.ndarray, "B r"], grid: Grid) -> DrawnField:
        """Draw a at the points of a grid."""
        contrast = log_uniform(self.contrast, uniforms[:, 0])
        g, drawn = self.field.draw(uniforms[:, 1:], grid)
        return DrawnField(self.of(g, contrast[:, None, None]), {"contrast": contrast, **drawn})

    @abstractmethod
    def of(
        self, g: Float[np.ndarray, "B H W"], contrast: Float[np.ndarray, "B 1 1"]
    ) -> Float[np.ndarray, "B H W"]:
        """Make a of a Gaussian random field."""


@dataclass(frozen=True, kw_only=True)
class TwoPhaseDiffusivity(Diffusivity):
    """a = low · contrast where g ≥ 0, else low; g is a Gaussian random field.

    Args:
        contrast: range of the ratio of both values, of which the logarithm is drawn uniformly.
        low: the smaller value.
        field: the distribution of g.
    """

    contrast: Range = (4.0, 4.0)
    low: float = 1.0
    field: GaussianRandomField = field(default_factory=GaussianRandomField)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_limits("diffusivity.low", _SCALES, "so that float32 holds u", self.low)

    def of(
        self, g: Float[np.ndarray, "B H W"], contrast: Float[np.ndarray, "B 1 1"]
    ) -> Float[np.ndarray, "B H W"]:
        """Take one of two values by the sign of g."""
        return np.where(g >= 0, self.low * contrast, self.low)


@dataclass(frozen=True, kw_only=True)
class LogNormalDiffusivity(Diffusivity):
    """a = median · contrast^{g/4}; g is a Gaussian random field, at every point about N(0, 1).

    So contrast is the ratio of a two standard deviations above and below its median.

    Args:
        contrast: range of this ratio, of which the logarithm is drawn uniformly.
        median: of a.
        field: the distribution of g.
    """

    contrast: Range = (100.0, 100.0)
    median: float = 1.0
    field: GaussianRandomField = field(default_factory=GaussianRandomField)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_limits("diffusivity.median", _SCALES, "so that float32 holds u", self.median)

    def of(
        self, g: Float[np.ndarray, "B H W"], contrast: Float[np.ndarray, "B 1 1"]
    ) -> Float[np.ndarray, "B H W"]:
        """Take the exponential of g."""
        return self.median * contrast ** (g / 4)
