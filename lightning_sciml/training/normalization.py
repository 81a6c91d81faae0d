"""What the network sees: scales of source and coefficients, kept as buffers in the checkpoint."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class TrainingStatistics:
    """Medians over the training samples.

    Attributes:
        source_norm: median of ‖f‖, the L² norm on the unit square.
        coefficients: median of |c| of each coefficient, by name.
    """

    source_norm: float
    coefficients: Mapping[str, float]


class Normalization(nn.Module, ABC):
    """Maps a problem (f, c) to the network's inputs, and scales its output back to u."""

    @abstractmethod
    def fit(self, statistics: TrainingStatistics) -> None:
        """Set the buffers from the training set's statistics."""

    @abstractmethod
    def forward(
        self, source: Float[Tensor, "B 1 H W"], coefficients: Float[Tensor, "B c"]
    ) -> tuple[Float[Tensor, "B 1 H W"], Float[Tensor, "B c"], Float[Tensor, "B 1 1 1"]]:
        """Inputs of the network (source, coefficients), and the factor from its output to u."""


class PaperNormalization(Normalization):
    """Subramanian et al. 2023: (f, c) → (f, c) / s with s = ‖f‖ / median‖f‖; then c / median|c|.

    Dividing both sides of Lu = f by s leaves u as it is. The target is not scaled.

    Args:
        coefficient_names: the network's coefficient channels, in order.
    """

    median_source_norm: Tensor
    median_coefficients: Tensor

    def __init__(self, coefficient_names: Sequence[str]) -> None:
        super().__init__()
        self.coefficient_names = tuple(coefficient_names)
        self.register_buffer("median_source_norm", torch.ones(()))
        self.register_buffer("median_coefficients", torch.ones(len(self.coefficient_names)))

    def fit(self, statistics: TrainingStatistics) -> None:
        """Take the medians; a coefficient that is absent from the data keeps the scale one."""
        self.median_source_norm.fill_(statistics.source_norm)
        for i, name in enumerate(self.coefficient_names):
            self.median_coefficients[i] = statistics.coefficients.get(name, 0.0) or 1.0

    def forward(
        self, source: Float[Tensor, "B 1 H W"], coefficients: Float[Tensor, "B c"]
    ) -> tuple[Float[Tensor, "B 1 H W"], Float[Tensor, "B c"], Float[Tensor, "B 1 1 1"]]:
        """(f / s, c / (s median|c|), 1)."""
        norm = source.square().mean(dim=(-3, -2, -1)).sqrt()
        s = norm / self.median_source_norm
        scaled = coefficients / (s[:, None] * self.median_coefficients)
        return source / s[:, None, None, None], scaled, torch.ones_like(s)[:, None, None, None]


NORMALIZATIONS: dict[str, type[PaperNormalization]] = {"paper": PaperNormalization}
