"""The Fourier Neural Operator of Subramanian et al. (NeurIPS 2023, arXiv 2306.00258, §3)."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.lists import listed
from lightning_sciml.models.sizes import SIZES
from lightning_sciml.models.spectral import SpectralConv, Transform, lost_by_rounding

Size = Literal["64K", "1M", "4M", "16M", "64M", "256M"]


class Lifting(NamedTuple):
    """The lifted field w f + β of the input fields f, with β constant in space."""

    slope: Float[Tensor, "C S"]
    offset: Float[Tensor, "B C"]


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
    ) -> Float[Tensor, "B C H W"]:
        """Compute the block's output in ``dtype``, for ``field`` or for its ``lifting``.

        What W loses where ``dtype`` is below float32 is made good on the kept modes.
        """
        R, W, mean = self._weights(lifting)
        lost = None if dtype == W.dtype else lost_by_rounding(W.detach(), dtype)
        total = self.spectral.convolve(field, R, mean, dtype, lost)
        weight = W.to(dtype).expand(len(field), -1, -1)
        total.add_(torch.bmm(weight, field.to(dtype).flatten(2)).view_as(total))
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


class Projection(nn.Module):
    """v ↦ W₂ GELU(W₁ v + b₁) + b₂ at every point: C → 2C → F.

    The sum over the 2C channels is kept in float32 at least: it is what the loss sees.
    """

    def __init__(self, num_channels: int, num_outputs: int = 1) -> None:
        super().__init__()
        self.hidden = nn.Linear(num_channels, 2 * num_channels)
        self.output = nn.Linear(2 * num_channels, num_outputs)

    def forward(self, field: Float[Tensor, "B C H W"]) -> Float[Tensor, "B F H W"]:
        """Project C channels to F, in the precision of the parameters.

        What W₁ loses where the field is below float32 is made good on the mean of the field.
        """
        dtype, W1, bias = field.dtype, self.hidden.weight, self.hidden.bias
        if dtype != W1.dtype:
            mean = field.detach().mean(dim=(2, 3), dtype=W1.dtype)
            bias = bias + mean @ lost_by_rounding(W1.detach(), dtype).T
        hidden = torch.bmm(W1.to(dtype).expand(len(field), -1, -1), field.flatten(2))
        hidden.add_(bias.to(dtype)[..., None])
        hidden = F.gelu(hidden).to(self.output.weight.dtype)
        if torch.compiler.is_compiling():  # fused with the activation: 2C fields never stored
            output = (self.output.weight[..., None] * hidden[:, None]).sum(dim=2)
        else:
            output = self.output.weight @ hidden
        return output.unflatten(2, field.shape[2:]) + self.output.bias[:, None, None]


class FNO(nn.Module):
    """Fourier Neural Operator on periodic H × W grids: (S fields, coefficients) ↦ F fields.

    Lifting (pointwise, S + c → C), ``num_blocks`` × [spectral convolution + pointwise skip], GELU
    after each but the last, projection (pointwise, C → 2C, GELU, 2C → F). The coefficients of the
    equation are constant in space; as input channels they would contribute W_c c to the lifted
    field at every point, so they enter as that bias and are never expanded to fields.

    Args:
        size: a named size; gives ``num_channels`` and ``num_modes``.
        num_channels: C, channels between lifting and projection.
        num_modes: m, Fourier modes kept along each axis.
        num_blocks: spectral blocks.
        coefficient_names: the equation's coefficients, in the order of the input's columns.
        input_fields: the S fields that vary in space, in the order of the input's channels.
        output_fields: the F fields that it predicts, in the order of the output's channels.
        transform: how the Fourier transforms are computed, see ``SpectralConv``.
    """

    def __init__(
        self,
        *,
        size: Size | None = None,
        num_channels: int | None = None,
        num_modes: int | None = None,
        num_blocks: int = 4,
        coefficient_names: Sequence[str] | str = ("k11", "k22", "k12"),
        input_fields: Sequence[str] | str = ("source",),
        output_fields: Sequence[str] | str = ("solution",),
        transform: Transform = "auto",
    ) -> None:
        super().__init__()
        C, m = _channels_and_modes(size, num_channels, num_modes)
        if num_blocks < 1:
            raise InputError(f"num_blocks must be at least 1, got {num_blocks}; the paper uses 4")
        self.coefficient_names = tuple(listed(coefficient_names))
        self.input_fields = tuple(listed(input_fields))
        self.output_fields = tuple(listed(output_fields))
        self.num_modes = m
        self.lifting = nn.Linear(len(self.input_fields) + len(self.coefficient_names), C)
        self.blocks = nn.ModuleList(
            FNOBlock(C, m, transform, activate=index < num_blocks - 1)
            for index in range(num_blocks)
        )
        self.projection = Projection(C, len(self.output_fields))

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of the constructor that make another network of this shape."""
        return {
            "num_channels": self.lifting.out_features,
            "num_modes": self.num_modes,
            "num_blocks": len(self.blocks),
            "coefficient_names": self.coefficient_names,
            "input_fields": self.input_fields,
            "output_fields": self.output_fields,
        }

    @property
    def channel_axes(self) -> dict[str, int]:
        """The axis of each parameter that runs over channels: fields first, then coefficients."""
        return {"lifting.weight": 1}

    @property
    def output_channel_axes(self) -> dict[str, int]:
        """The axis of each parameter that runs over the output fields."""
        return {"projection.output.weight": 0, "projection.output.bias": 0}

    def forward(
        self, inputs: Float[Tensor, "B S H W"], coefficients: Float[Tensor, "B c"]
    ) -> Float[Tensor, "B F H W"]:
        """Predict the output fields on the grid of the inputs, in the parameters' precision.

        Under autocast the fields between the blocks and the products over the full grid have its
        precision (bfloat16); modes, their mixing and the last sum over channels keep float32. Two
        roundings that would stay in the lowest modes are made good there: of the skips' weights,
        and of the mean along x (``round_columns``).
        """
        if coefficients.shape[1] != len(self.coefficient_names):
            raise InputError(
                f"the network takes {len(self.coefficient_names)} coefficients "
                f"{self.coefficient_names}, got {coefficients.shape[1]}; "
                "set coefficient_names to those of the data"
            )
        device = inputs.device.type
        dtype = self.lifting.weight.dtype
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        with torch.autocast(device, enabled=False):
            slope, of_coefficients = self.lifting.weight.tensor_split([len(self.input_fields)], 1)
            lifting = Lifting(slope, F.linear(coefficients, of_coefficients, self.lifting.bias))
            field = self.blocks[0](inputs, dtype, lifting)
            for block in self.blocks[1:]:
                field = block(field, dtype)
            return self.projection(field)


def _channels_and_modes(
    size: Size | None, num_channels: int | None, num_modes: int | None
) -> tuple[int, int]:
    if size is not None:
        if num_channels is not None or num_modes is not None:
            raise InputError(
                f"size={size} sets num_channels and num_modes, got num_channels={num_channels} and "
                f"num_modes={num_modes} too; drop these, or give size null "
                "(--model.network.size null)"
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
