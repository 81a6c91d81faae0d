"""The Fourier Neural Operator of Subramanian et al. (NeurIPS 2023, arXiv 2306.00258, §3)."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lightning_sciml.errors import InputError
from lightning_sciml.models.spectral import SpectralConv, Transform

Size = Literal["64K", "1M", "4M", "16M", "64M", "256M"]

SIZES: dict[str, tuple[int, int]] = {
    "64K": (16, 4),
    "1M": (32, 8),
    "4M": (32, 16),
    "16M": (64, 16),
    "64M": (64, 32),
    "256M": (128, 32),
}
"""(num_channels C, num_modes m) of each named size; about 16 C²m² real parameters."""


class Pointwise(nn.Linear):
    """The same linear map of the channels at every grid point, W v(x) + b.

    One matrix product a sample with the grid as its columns: nothing is permuted or copied.
    """

    def forward(self, field: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H W"]:
        """W v + b."""
        return self._accumulate(field, self.bias[:, None])

    def add_to(
        self, total: Float[Tensor, "B O H W"], field: Float[Tensor, "B I H W"]
    ) -> Float[Tensor, "B O H W"]:
        """total + W v, the sum formed inside the product; the bias is the caller's."""
        return self._accumulate(field, total.flatten(2))

    def _accumulate(self, field: Tensor, start: Tensor) -> Tensor:
        weight = self.weight.expand(len(field), -1, -1)
        return torch.baddbmm(start, weight, field.flatten(2)).unflatten(2, field.shape[2:])


class FNOBlock(nn.Module):
    """v ↦ GELU(spectral convolution(v) + W v + b), the activation optional."""

    def __init__(
        self, num_channels: int, num_modes: int, transform: Transform, activate: bool
    ) -> None:
        super().__init__()
        self.spectral = SpectralConv(num_channels, num_channels, num_modes, transform)
        self.skip = Pointwise(num_channels, num_channels)
        self.activate = activate

    def forward(self, field: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """One layer of the operator."""
        mixed = self.spectral(field) + self.skip.bias[:, None, None]
        field = self.skip.add_to(mixed, field)
        return F.gelu(field) if self.activate else field


class FNO(nn.Module):
    """Fourier Neural Operator on periodic H × W grids: (source, coefficients) ↦ solution.

    Lifting (pointwise, 1 + c → C), ``num_blocks`` × [spectral convolution + pointwise skip], GELU
    after each but the last, projection (pointwise, C → 2C, GELU, 2C → 1). The coefficients of the
    equation are constant in space; as input channels they would contribute W_c c to the lifted
    field at every point, so they enter as that bias and are never expanded to fields.

    Args:
        size: a named size; gives ``num_channels`` and ``num_modes``.
        num_channels: C, channels between lifting and projection.
        num_modes: m, Fourier modes kept along each axis.
        num_blocks: spectral blocks.
        coefficient_names: the equation's coefficients, in the order of the input's columns.
        transform: how the Fourier transforms are computed, see ``SpectralConv``.
        checkpoint_activations: recompute each block in the backward pass instead of storing its
            intermediate fields: less memory, about a third more time.
    """

    def __init__(
        self,
        *,
        size: Size | None = None,
        num_channels: int | None = None,
        num_modes: int | None = None,
        num_blocks: int = 4,
        coefficient_names: Sequence[str] = ("k11", "k22", "k12"),
        transform: Transform = "auto",
        checkpoint_activations: bool = False,
    ) -> None:
        super().__init__()
        C, m = _channels_and_modes(size, num_channels, num_modes)
        if num_blocks < 1:
            raise InputError(f"num_blocks must be at least 1, got {num_blocks}; the paper uses 4")
        self.coefficient_names = tuple(coefficient_names)
        self.checkpoint_activations = checkpoint_activations
        self.lifting = nn.Linear(1 + len(self.coefficient_names), C)
        self.blocks = nn.ModuleList(
            FNOBlock(C, m, transform, activate=index < num_blocks - 1)
            for index in range(num_blocks)
        )
        self.projection = nn.Sequential(Pointwise(C, 2 * C), nn.GELU(), Pointwise(2 * C, 1))

    @property
    def num_parameters(self) -> int:
        """Number of real parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the lifting's input columns."""
        return ("source", *self.coefficient_names)

    def forward(
        self, source: Float[Tensor, "B 1 H W"], coefficients: Float[Tensor, "B c"]
    ) -> Float[Tensor, "B 1 H W"]:
        """The predicted solution on the source's grid."""
        if coefficients.shape[1] != len(self.coefficient_names):
            raise InputError(
                f"the network takes {len(self.coefficient_names)} coefficients "
                f"{self.coefficient_names}, got {coefficients.shape[1]}; "
                "set coefficient_names to those of the data"
            )
        return self.propagate(self.lift(source, coefficients))

    def lift(
        self, source: Float[Tensor, "B 1 H W"], coefficients: Float[Tensor, "B c"]
    ) -> Float[Tensor, "B C H W"]:
        """Lifted field: w source + (W_c c + b)."""
        weight = self.lifting.weight
        bias = F.linear(coefficients, weight[:, 1:], self.lifting.bias)
        return torch.addcmul(bias[:, :, None, None], weight[:, :1, None], source)

    def propagate(self, field: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H W"]:
        """Blocks and projection applied to a lifted field."""
        for block in self.blocks:
            if self.checkpoint_activations:
                field = checkpoint(block, field, use_reentrant=False)
            else:
                field = block(field)
        return self.projection(field)


def _channels_and_modes(
    size: Size | None, num_channels: int | None, num_modes: int | None
) -> tuple[int, int]:
    if size is not None:
        if num_channels is not None or num_modes is not None:
            raise InputError(
                f"either size or num_channels and num_modes, got size={size!r} and "
                f"num_channels={num_channels}, num_modes={num_modes}; drop one"
            )
        if size not in SIZES:
            raise InputError(f"size must be one of {', '.join(SIZES)}, got {size!r}")
        return SIZES[size]
    if num_channels is None or num_modes is None or min(num_channels, num_modes) < 1:
        raise InputError(
            f"a network needs a size ({', '.join(SIZES)}) or positive num_channels and num_modes, "
            f"got num_channels={num_channels}, num_modes={num_modes}"
        )
    return num_channels, num_modes
