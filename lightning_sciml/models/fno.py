"""The Fourier Neural Operator of Subramanian et al. (NeurIPS 2023, arXiv 2306.00258, §3)."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.lists import listed
from lightning_sciml.models.blocks import BlockName, Lifting, Projection, make_block
from lightning_sciml.models.modulation import Conditioning, Film, Modulation
from lightning_sciml.models.sizes import SIZES
from lightning_sciml.models.spectral import Transform

Size = Literal["64K", "1M", "4M", "16M", "64M", "256M"]


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
        block: the paper's, or one with a channel MLP and a residual (``MLPBlock``): half as much
            time again, and more accurate on Darcy flow between walls.
        conditioning: what coefficients act on: "bias" for the lifted field alone, as in the paper;
            "film" for every block, too, whose channels they and the means of the input fields scale
            and shift (``Modulation``): for mixtures of equations.
        coefficient_names: the equation's coefficients, in the order of the input's columns; with
            them lead_time for the time of a step of trajectories.
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
        block: BlockName = "paper",
        conditioning: Conditioning = "bias",
        coefficient_names: Sequence[str] | str = ("k11", "k22", "k12"),
        input_fields: Sequence[str] | str = ("source",),
        output_fields: Sequence[str] | str = ("solution",),
        transform: Transform = "auto",
    ) -> None:
        super().__init__()
        C, m = _channels_and_modes(size, num_channels, num_modes)
        if num_blocks < 1:
            raise InputError(f"num_blocks must be at least 1, got {num_blocks}; the paper uses 4")
        _reject_unknown("block", block, BlockName)
        _reject_unknown("conditioning", conditioning, Conditioning)
        self.coefficient_names = tuple(listed(coefficient_names))
        self.input_fields = tuple(listed(input_fields))
        self.output_fields = tuple(listed(output_fields))
        self.num_modes, self.block = m, block
        num_inputs = len(self.input_fields) + len(self.coefficient_names)
        self.lifting = nn.Linear(num_inputs, C)
        self.blocks = nn.ModuleList(
            make_block(block, C, m, transform, is_last=index == num_blocks - 1)
            for index in range(num_blocks)
        )
        self.projection = Projection(C, len(self.output_fields))
        is_modulated = conditioning == "film"
        self.modulation = Modulation(num_inputs, C, num_blocks) if is_modulated else None

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of the constructor that make another network of this shape."""
        return {
            "num_channels": self.lifting.out_features,
            "num_modes": self.num_modes,
            "num_blocks": len(self.blocks),
            "block": self.block,
            "coefficient_names": self.coefficient_names,
            "input_fields": self.input_fields,
            "output_fields": self.output_fields,
            **({} if self.modulation is None else {"conditioning": "film"}),
        }

    @property
    def channel_axes(self) -> dict[str, int]:
        """The axis of each parameter that runs over channels: fields first, then coefficients."""
        of_modulation = {} if self.modulation is None else {"modulation.hidden.weight": 1}
        return {"lifting.weight": 1, **of_modulation}

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
        device = "cpu" if inputs.is_meta else inputs.device.type  # meta has no autocast
        dtype = self.lifting.weight.dtype
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        with torch.autocast(device, enabled=False):
            slope, of_coefficients = self.lifting.weight.tensor_split([len(self.input_fields)], 1)
            lifting = Lifting(slope, F.linear(coefficients, of_coefficients, self.lifting.bias))
            films: Sequence[Film | None] = [None] * len(self.blocks)
            if self.modulation is not None:
                films = self.modulation(inputs, coefficients)
            field = self.blocks[0](inputs, dtype, lifting, films[0])
            for block, film in zip(self.blocks[1:], films[1:], strict=True):
                field = block(field, dtype, film=film)
            return self.projection(field)


def _reject_unknown(name: str, value: str, known: Any) -> None:
    if value not in get_args(known):
        raise InputError(f"{name} must be one of {', '.join(get_args(known))}, got {value!r}")


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
