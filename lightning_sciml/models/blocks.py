"""The parts of a Fourier Neural Operator between inputs and outputs: two blocks, projection."""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lightning_sciml.models.modulation import Film
from lightning_sciml.models.spectral import SpectralConv, Transform, lost_by_rounding

BlockName = Literal["paper", "mlp"]


class Lifting(NamedTuple):
    """The lifted field w f + β of the input fields f, with β constant in space."""

    slope: Float[Tensor, "C S"]
    offset: Float[Tensor, "B C"]

    def of(self, fields: Float[Tensor, "B S H W"]) -> Float[Tensor, "B C H W"]:
        """Lift the fields, in the precision of the parameters."""
        lifted = self.slope @ fields.to(self.slope.dtype).flatten(2)
        return lifted.add_(self.offset[..., None]).unflatten(2, fields.shape[2:])


class Pointwise(nn.Linear):
    """v ↦ W v + b at every point, in the precision of v.

    What W loses where that is below float32 is made good on the mean of the field.
    """

    def forward(self, field: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H W"]:
        """Mix the channels of every point."""
        dtype, bias = field.dtype, self.bias
        if dtype != self.weight.dtype:
            mean = field.detach().mean(dim=(2, 3), dtype=self.weight.dtype)
            bias = bias + mean @ lost_by_rounding(self.weight.detach(), dtype).T
        weight = self.weight.to(dtype).expand(field.shape[0], -1, -1)
        mixed = torch.bmm(weight, field.flatten(2)).add_(bias.to(dtype)[..., None])
        return mixed.unflatten(2, field.shape[2:])


class FNOBlock(nn.Module):
    """v ↦ GELU(R * v + W v + b): spectral convolution, pointwise skip and bias.

    Args:
        num_channels: C, channels of input and output.
        num_modes: modes of the convolution.
        transform: see ``SpectralConv``.
        activate: whether GELU is applied.
    """

    is_sharding_unit = True

    def __init__(
        self, num_channels: int, num_modes: int, transform: Transform, activate: bool
    ) -> None:
        super().__init__()
        self.spectral = SpectralConv(num_channels, num_channels, num_modes, transform)
        self.skip = nn.Linear(num_channels, num_channels)
        self.activate = activate

    def forward(
        self,
        field: Float[Tensor, "B I H W"],
        dtype: torch.dtype,
        lifting: Lifting | None = None,
        film: Film | None = None,
    ) -> Float[Tensor, "B C H W"]:
        """Compute the block's output in ``dtype``, for ``field`` or for its ``lifting``.

        What W loses where ``dtype`` is below float32 is made good on the kept modes. ``film``
        modulates what is activated.
        """
        R, W, mean = self._weights(lifting)
        lost = None if dtype == W.dtype else lost_by_rounding(W.detach(), dtype)
        total = self.spectral.convolve(field, R, mean, dtype, lost)
        weight = W.to(dtype).expand(field.shape[0], -1, -1)
        total.add_(torch.bmm(weight, field.to(dtype).flatten(2)).view_as(total))
        if film is not None:
            total = film.of(total)
        return F.gelu(total) if self.activate else total

    def _weights(self, lifting: Lifting | None) -> tuple[Tensor, Tensor, Tensor]:
        """Compose R, W and b with the lifting where there is one.

        (R * + W)(w f + β) + b = (R w) * f + (W w) f + (W + R(0)) β + b: the lifted field is never
        formed, and S channels, mostly one, are transformed instead of C.
        """
        R, W, b = self.spectral.weight, self.skip.weight, self.skip.bias
        if lifting is None:
            return R, W, b[None]
        K, C, _, _ = R.shape
        Rw = (lifting.slope.T @ R.view(K, C, 2 * C)).view(K, -1, 2, C)
        return Rw, W @ lifting.slope, F.linear(lifting.offset, W + R[0, :, 0].T, b)


class MLPBlock(FNOBlock):
    """v ↦ v + W₂ GELU(W₁ GELU(R * v + W v + b) + b₁) + b₂: a channel MLP and a residual.

    The paper's block, a perceptron over the channels of each point as in neuraloperator's FNO
    (Kossaifi et al., TMLR 2024), and the sum with the input as in F-FNO (Tran et al., ICLR 2023).

    Args:
        num_channels: C, channels of input, output and the hidden layer.
        num_modes: modes of the convolution.
        transform: see ``SpectralConv``.
    """

    def __init__(self, num_channels: int, num_modes: int, transform: Transform) -> None:
        super().__init__(num_channels, num_modes, transform, activate=True)
        self.hidden = Pointwise(num_channels, num_channels)
        self.output = Pointwise(num_channels, num_channels)

    def forward(
        self,
        field: Float[Tensor, "B I H W"],
        dtype: torch.dtype,
        lifting: Lifting | None = None,
        film: Film | None = None,
    ) -> Float[Tensor, "B C H W"]:
        """Compute the block's output in ``dtype``, for ``field`` or for its ``lifting``."""
        correction = self.output(F.gelu(self.hidden(super().forward(field, dtype, lifting, film))))
        return (lifting.of(field) if lifting else field).to(dtype) + correction


def make_block(
    kind: BlockName, num_channels: int, num_modes: int, transform: Transform, is_last: bool
) -> FNOBlock:
    """Build a block; the paper's last one has no GELU."""
    if kind == "mlp":
        return MLPBlock(num_channels, num_modes, transform)
    return FNOBlock(num_channels, num_modes, transform, activate=not is_last)


class Projection(nn.Module):
    """v ↦ W₂ GELU(W₁ v + b₁) + b₂ at every point: C → 2C → F.

    The sum over the 2C channels is kept in float32 at least: it is what the loss sees.
    """

    def __init__(self, num_channels: int, num_outputs: int = 1) -> None:
        super().__init__()
        self.hidden = Pointwise(num_channels, 2 * num_channels)
        self.output = nn.Linear(2 * num_channels, num_outputs)

    def forward(self, field: Float[Tensor, "B C H W"]) -> Float[Tensor, "B F H W"]:
        """Project C channels to F, in the precision of the parameters."""
        hidden = F.gelu(self.hidden(field)).flatten(2).to(self.output.weight.dtype)
        is_fused = torch.compiler.is_compiling() and not torch.compiler.is_exporting()
        if is_fused:  # with the activation: 2C fields are never stored
            output = (self.output.weight[..., None] * hidden[:, None]).sum(dim=2)
        else:
            output = self.output.weight @ hidden
        return output.unflatten(2, field.shape[2:]) + self.output.bias[:, None, None]
