"""The block with a channel MLP: its formula in plain torch, its gradients, its precision."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_sciml.models.blocks import FNOBlock, MLPBlock
from lightning_sciml.models.fno import FNO

# torch 2.13's inductor calls its own deprecated decorator while it compiles.
compiles = pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")
EAGER_AND_COMPILED = [
    pytest.param(False, id="eager"),
    pytest.param(True, id="compiled", marks=[pytest.mark.untyped, compiles]),
]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def make_network(**options) -> FNO:
    """Two inputs, two coefficients and two outputs; spectral weights as large as the others."""
    named = {"input_fields": ("nu", "x"), "output_fields": ("u", "v")}
    network = FNO(
        num_channels=6, num_modes=3, block="mlp", coefficient_names=("a", "b"), **named, **options
    )
    for block in network.blocks:
        torch.nn.init.normal_(block.spectral.weight, std=0.3)
    return network


def pointwise(layer: torch.nn.Linear, field: Tensor) -> Tensor:
    """W v + b, the channels last."""
    return F.linear(field.movedim(1, -1), layer.weight, layer.bias).movedim(-1, 1)


def convolution(weight: Tensor, field: Tensor, m: int) -> Tensor:
    """R * v by full spectra; rows of R run over (ky, kx)."""
    R = torch.view_as_complex(weight.permute(0, 1, 3, 2).contiguous()).unflatten(0, (2 * m, m))
    v_hat = torch.fft.rfft2(field)
    result = torch.zeros_like(v_hat)
    for row in range(2 * m):
        ky = row if row < m else row - 2 * m
        result[:, :, ky, :m] = torch.einsum("bix,xio->box", v_hat[:, :, ky, :m], R[row])
    return torch.fft.irfft2(result, s=field.shape[2:])


@pytest.mark.parametrize("transform", ["dft", "fft"])
def test_the_network_is_its_formula(transform):
    """v + W₂ GELU(W₁ GELU(R * v + W v + b) + b₁) + b₂ on a grid that is not square."""
    network = make_network(transform=transform).double()
    inputs = torch.randn(3, 2, 12, 10, dtype=torch.float64)
    coefficients = torch.randn(3, 2, dtype=torch.float64)
    constant = coefficients[:, :, None, None].expand(-1, -1, 12, 10)
    field = pointwise(network.lifting, torch.cat([inputs, constant], dim=1))
    for block in network.blocks:
        inner = convolution(block.spectral.weight, field, 3) + pointwise(block.skip, field)
        hidden = pointwise(block.hidden, F.gelu(inner))
        field = field + pointwise(block.output, F.gelu(hidden))
    projection = network.projection
    expected = pointwise(projection.output, F.gelu(pointwise(projection.hidden, field)))
    torch.testing.assert_close(network(inputs, coefficients), expected, rtol=1e-12, atol=1e-12)


def test_gradients_match_finite_differences():
    block = MLPBlock(2, 2, "dft").double()
    field = torch.randn(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: block(v, v.dtype), (field,))


@pytest.mark.parametrize("compile_network", EAGER_AND_COMPILED)
def test_bf16_autocast_stays_within_bf16_rounding(compile_network):
    """Eight bits of mantissa: 2⁻⁸ a rounding, a handful in a row."""
    network = make_network(num_blocks=1, transform="dft")
    inputs, coefficients = torch.randn(2, 2, 16, 14), torch.randn(2, 2)
    expected = network(inputs, coefficients)
    if compile_network:
        network.compile(fullgraph=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(inputs, coefficients)
    assert output.dtype == torch.float32
    assert (output - expected).norm() < 5 * 2**-8 * expected.norm()


def test_a_rank_without_samples_has_gradients_of_zero():
    network = make_network()
    network(torch.empty(0, 2, 16, 16), torch.empty(0, 2)).sum().backward()
    assert all((p.grad == 0).all() for p in network.parameters() if p.grad is not None)


def test_the_option_is_told_and_changes_no_tensor_of_the_paper():
    paper, mlp = FNO(num_channels=4, num_modes=2), make_network()
    assert (paper.options["block"], mlp.options["block"]) == ("paper", "mlp")
    twin = FNO(**mlp.options)
    twin.load_state_dict(mlp.state_dict())
    added = {name.split(".")[2] for name in mlp.state_dict().keys() - paper.state_dict().keys()}
    assert added == {"hidden", "output"}
    assert all(type(block) is FNOBlock for block in paper.blocks)
    assert all(block.is_sharding_unit for block in mlp.blocks)
