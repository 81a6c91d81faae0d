"""A low-rank update of the spectral weights: few parameters to fine-tune, all modes reached."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lightning_sciml.errors import InputError


class LowRankUpdate(nn.Module):
    """R ↦ R + A B for each kept mode: the update of Hu et al. 2022 (LoRA), one for every mode.

    A starts at zero, so that the function is the pre-trained one; the weight itself is frozen.

    Args:
        weight: R of a spectral convolution, (K, I, 2, C).
        rank: r, columns of A and rows of B.
    """

    def __init__(self, weight: Float[Tensor, "K I 2 C"], rank: int) -> None:
        super().__init__()
        K, num_inputs, num_planes, C = weight.shape
        self.A = nn.Parameter(torch.zeros(K, num_inputs, rank))
        self.B = nn.Parameter(torch.randn(K, rank, num_planes * C) / rank**0.5 * weight.std())

    def forward(self, weight: Float[Tensor, "K I 2 C"]) -> Float[Tensor, "K I 2 C"]:
        """Add the update to the weight."""
        return weight + torch.bmm(self.A, self.B).view_as(weight)


def add_low_rank_updates(module: nn.Module, rank: int) -> None:
    """Put an update beside every spectral weight of `module`, and freeze the weight.

    Raises:
        InputError: the rank is below 1.
    """
    if rank < 1:
        raise InputError(f"low_rank must be at least 1, got {rank}; null for no update")
    for spectral in [m for n, m in module.named_modules() if n.endswith(".spectral")]:
        weight: Tensor = spectral.weight
        parametrize.register_parametrization(spectral, "weight", LowRankUpdate(weight, rank))
        spectral.parametrizations.weight.original.requires_grad_(False)


def merged(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add every update to the weight it belongs to; names are those of a plain network.

    The sum is taken as ``LowRankUpdate`` takes it, so the bits are those of the updated network.
    """
    plain = dict(weights)
    suffix = ".parametrizations.weight.original"
    for name in [n for n in weights if n.endswith(suffix)]:
        prefix = name.removesuffix(suffix)
        A, B = (plain.pop(f"{prefix}.parametrizations.weight.0.{factor}") for factor in "AB")
        weight = plain.pop(name)
        plain[f"{prefix}.weight"] = weight + torch.bmm(A, B).view_as(weight)
    return plain
