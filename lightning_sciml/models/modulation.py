"""Scale and shift what the blocks of a network compute, by what is constant over a sample."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

Conditioning = Literal["bias", "film"]
_WIDTH = 32


class Film(NamedTuple):
    """v ↦ (1 + γ) v + β of the channels of one block."""

    gamma: Float[Tensor, "B C"]
    beta: Float[Tensor, "B C"]

    def of(self, field: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Modulate the field, in its precision."""
        gamma, beta = (part.to(field.dtype)[..., None, None] for part in self)
        return torch.addcmul(beta, field, 1 + gamma)


class Modulation(nn.Module):
    """γ and β of every block: FiLM of Perez et al., AAAI 2018.

    A perceptron of the means over the grid of all input fields, and of the coefficients. Its last
    layer begins at zero, so a network begins as the one without.

    Args:
        num_inputs: input fields and coefficients.
        num_channels: C.
        num_blocks: L.
    """

    def __init__(self, num_inputs: int, num_channels: int, num_blocks: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(num_inputs, _WIDTH)
        self.output = nn.Linear(_WIDTH, 2 * num_blocks * num_channels)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.num_blocks = num_blocks

    def forward(
        self, fields: Float[Tensor, "B S H W"], coefficients: Float[Tensor, "B c"]
    ) -> list[Film]:
        """Compute γ and β of each block, in the precision of the parameters."""
        means = fields.to(self.hidden.weight.dtype).mean(dim=(2, 3))
        numbers = torch.cat([means, coefficients], dim=1)
        modulated = self.output(nn.functional.gelu(self.hidden(numbers)))
        return [Film(*of.chunk(2, dim=1)) for of in modulated.chunk(self.num_blocks, dim=1)]
