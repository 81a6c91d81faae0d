"""Arms of fine-tuning that the library does not keep: ranks and bottlenecks by band, and a pull.

Bands are of equal width in |n| = √(nx² + ny²), the lowest frequencies first.
"""

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from lightning_sciml.models import spectral
from lightning_sciml.models.fno import FNO


def mode_bands(num_rows: int, num_bands: int) -> Tensor:
    """Number the band of each of the K = 2m·m modes."""
    radii = spectral.mode_radii(int((num_rows / 2) ** 0.5))
    return (radii / radii.max() * num_bands).long().clamp(max=num_bands - 1)


class RankByBand(Callback):
    """Lets low-rank updates have their first r(b) ranks in band b alone, by masked gradients.

    The idea of F-Adapter in a form that can be merged. A starts at zero and stays there where it
    gets no gradient. The number of trained parameters is that of the largest rank.

    Args:
        ranks: of the bands; the largest must be `low_rank`.
    """

    def __init__(self, ranks: Sequence[int]) -> None:
        self.ranks = torch.tensor(ranks)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Mask the gradients of A (K, I, r) and B (K, r, 2C)."""
        for name, parameter in pl_module.named_parameters():
            if parameter.grad is not None and name.endswith((".A", ".B")):
                allowed = self.ranks[mode_bands(len(parameter), len(self.ranks))]
                mask = torch.arange(int(self.ranks.max())) < allowed[:, None]
                parameter.grad *= mask[:, None] if name.endswith(".A") else mask[..., None]


class PullToPretrained(Callback):
    """w ← w - η α (w - w₀) in each step, η the learning rate: L2-SP (Li et al. 2018), decoupled.

    Args:
        strength: α.
        decoupled: as above; else α (w - w₀) is added to the gradient.
    """

    def __init__(self, strength: float, decoupled: bool = True) -> None:
        self.strength, self.decoupled = strength, decoupled
        self._origin: dict[str, Tensor] = {}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Read the pre-trained weights, which a resumed run no longer has."""
        self._origin = pl_module.pretrained_weights()

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Pull the weights."""
        rate = optimizer.param_groups[0]["lr"]
        for name, parameter in pl_module.named_parameters():
            if parameter.grad is None or name not in self._origin:
                continue
            if self.decoupled:
                parameter.data.lerp_(self._origin[name], rate * self.strength)
            else:
                difference = parameter.detach() - self._origin[name]
                parameter.grad.add_(difference, alpha=self.strength)


class BandBottlenecks(nn.Module):
    """v̂(k) ↦ v̂(k) + W₂ GELU(W₁ v̂(k) + b₁) + b₂, one for all modes of a band.

    F-Adapter (Zhang et al. 2025, arXiv 2509.23173), from its description: on the real and imaginary
    parts of all channels, of width r_min + (r_max - r_min)(1 - b/(B-1))² in band b of B. W₂ starts
    at zero. It is not linear, so it cannot be merged into the weights, and does not commute with
    translations.
    """

    band: Tensor

    def __init__(self, num_rows: int, num_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("band", mode_bands(num_rows, len(widths)), persistent=False)
        self.down = nn.ModuleList(nn.Linear(2 * num_channels, width) for width in widths)
        self.up = nn.ModuleList(nn.Linear(width, 2 * num_channels) for width in widths)
        for parameter in self.up.parameters():
            nn.init.zeros_(parameter)

    def forward(self, modes: Tensor) -> Tensor:
        """Add the output of each band's adapter to its modes (K, 2B, C)."""
        K, P, C = modes.shape
        both = modes.view(K, 2, P // 2, C).transpose(1, 2).reshape(K, P // 2, 2 * C)
        added = torch.zeros_like(both)
        for index, (down, up) in enumerate(zip(self.down, self.up, strict=True)):
            rows = torch.nonzero(self.band == index)[:, 0]
            added = added.index_copy(0, rows, up(F.gelu(down(both[rows]))))
        return modes + added.view(K, P // 2, 2, C).transpose(1, 2).reshape(K, P, C)


class NarrowedConv(spectral.SpectralConv):
    """A spectral convolution whose modes pass through bottlenecks."""

    adapters: BandBottlenecks

    def convolve(
        self,
        field: Tensor,
        weight: Tensor,
        mean: Tensor | None,
        dtype: torch.dtype,
        pointwise: Tensor | None = None,
    ) -> Tensor:
        """Convolve, and adapt the modes of the result."""
        height, width = field.shape[-2:]
        modes = spectral.dft_forward(field, self.num_modes)
        if mean is not None:
            mean = mean * (height * width) ** 0.5
        modes = spectral.mix_channels(modes, weight.to(modes.dtype), mean, pointwise)
        return spectral.dft_inverse(self.adapters(modes), self.num_modes, height, width, dtype)


class BottleneckFNO(FNO):
    """The FNO with bottlenecks behind its spectral convolutions.

    Args:
        widest: bottleneck of the lowest frequencies.
        narrowest: bottleneck of the highest.
        num_bands: of equal width in |n|.
    """

    def __init__(
        self,
        *,
        widest: int,
        narrowest: int,
        num_bands: int = 4,
        num_channels: int,
        num_modes: int,
        coefficient_names: list[str],
        input_fields: list[str],
        output_fields: list[str],
    ) -> None:
        super().__init__(
            num_channels=num_channels,
            num_modes=num_modes,
            coefficient_names=coefficient_names,
            input_fields=input_fields,
            output_fields=output_fields,
        )
        shares = [(1 - band / (num_bands - 1)) ** 2 for band in range(num_bands)]
        widths = [round(narrowest + (widest - narrowest) * share) for share in shares]
        for block in self.blocks:
            conv: Any = block.spectral
            conv.__class__ = NarrowedConv
            conv.adapters = BandBottlenecks(len(conv.weight), num_channels, widths)
