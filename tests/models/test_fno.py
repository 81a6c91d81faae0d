"""The FNO: sizes, coefficients as channels, and the numbers of the reference implementation."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lightning_sciml.errors import InputError
from lightning_sciml.models.blocks import Projection
from lightning_sciml.models.fno import FNO, SIZES
from lightning_sciml.models.reference_weights import from_reference

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
needs_reference = pytest.mark.skipif(
    not REFERENCE.is_dir(),
    reason=f"arrays of the published implementation are absent: {REFERENCE}; "
    "test_published_parity.py compares with its figures for weights and data given by formulas",
)

# torch 2.13's inductor calls its own deprecated decorator while it compiles.
compiles = pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")
EAGER_AND_COMPILED = [
    pytest.param(False, id="eager"),
    pytest.param(True, id="compiled", marks=pytest.mark.untyped),
]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def lift_channels(network: FNO, channels: torch.Tensor) -> torch.Tensor:
    """Lifting of fields (B, 1 + c, H, W) that need not be constant in space."""
    return network.lifting(channels.movedim(1, -1)).movedim(-1, 1)


def propagate(network: FNO, field: torch.Tensor) -> torch.Tensor:
    """Blocks and projection applied to a lifted field whose channels vary in space."""
    for block in network.blocks:
        field = block(field, field.dtype)
    return network.projection(field)


@pytest.mark.parametrize(
    ("size", "num_parameters"),
    [
        ("64K", 67_281),
        ("1M", 1_055_137),
        ("4M", 4_200_865),
        ("16M", 16_802_625),
        ("64M", 67_134_273),
        ("256M", 268_535_425),
    ],
)
def test_parameter_counts(size, num_parameters):
    with torch.device("meta"):
        network = FNO(size=size)
    C, m = SIZES[size]
    spectral = 4 * 2 * (2 * m * m) * C * C
    blocks = 4 * (C * C + C)
    ends = (1 + 3 + 1) * C + (C + 1) * 2 * C + (2 * C + 1)
    counted = sum(parameter.numel() for parameter in network.parameters())
    assert counted == spectral + blocks + ends == num_parameters
    assert spectral == 16 * C**2 * m**2
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())


@pytest.mark.parametrize("fields", [("source",), ("diffusivity", "source")])
@pytest.mark.parametrize("names", [("k11", "k22", "k12"), ("omega",), ()])
def test_coefficients_act_as_constant_channels(names, fields):
    network = FNO(
        num_channels=6, num_modes=3, coefficient_names=names, input_fields=fields
    ).double()
    source = torch.randn(2, len(fields), 12, 10, dtype=torch.float64)
    coefficients = torch.randn(2, len(names), dtype=torch.float64)
    constant = coefficients[:, :, None, None].expand(-1, -1, 12, 10)
    lifted = lift_channels(network, torch.cat([source, constant], dim=1))
    torch.testing.assert_close(
        network(source, coefficients), propagate(network, lifted), rtol=1e-12, atol=1e-12
    )


def test_translation_of_the_source_translates_the_solution():
    network = FNO(num_channels=4, num_modes=3).double()
    source = torch.randn(1, 1, 12, 13, dtype=torch.float64)
    coefficients = torch.randn(1, 3, dtype=torch.float64)
    shifted = network(torch.roll(source, (5, 3), dims=(-2, -1)), coefficients)
    expected = torch.roll(network(source, coefficients), (5, 3), dims=(-2, -1))
    torch.testing.assert_close(shifted, expected, rtol=1e-12, atol=1e-12)


def test_each_output_field_is_a_row_of_the_projection():
    """F rows of one matrix: field j is what a network of that field alone predicts."""
    network = FNO(num_channels=4, num_modes=3, output_fields=("height", "velocity_x", "velocity_y"))
    inputs, coefficients = torch.randn(2, 1, 12, 10), torch.randn(2, 3)
    outputs = network(inputs, coefficients)
    assert outputs.shape == (2, 3, 12, 10)
    rows = {f"projection.output.{kind}" for kind in ("weight", "bias")}
    assert set(network.output_channel_axes) == rows
    for j, name in enumerate(network.output_fields):
        alone = FNO(num_channels=4, num_modes=3, output_fields=name)
        state = {k: w[j : j + 1] if k in rows else w for k, w in network.state_dict().items()}
        alone.load_state_dict(state)
        torch.testing.assert_close(outputs[:, j : j + 1], alone(inputs, coefficients))


@pytest.mark.parametrize("transform", ["dft", "fft"])
def test_a_rank_without_samples_computes_nothing_and_its_gradient_is_zero(transform):
    network = FNO(num_channels=4, num_modes=3, transform=transform)
    solution = network(torch.empty(0, 1, 16, 16), torch.empty(0, 3))
    assert solution.shape == (0, 1, 16, 16)
    solution.sum().backward()
    assert all((p.grad == 0).all() for p in network.parameters() if p.grad is not None)


def test_state_dict_holds_parameters_only():
    network = FNO(num_channels=4, num_modes=2)
    network(torch.randn(1, 1, 8, 8), torch.randn(1, 3))
    assert set(network.state_dict()) == {name for name, _ in network.named_parameters()}
    assert list(network.buffers()) == []


@compiles
@pytest.mark.parametrize("compile_network", EAGER_AND_COMPILED)
def test_bf16_autocast_stays_within_bf16_rounding(compile_network):
    """Eight bits of mantissa in the pointwise layers: 2⁻⁸ a rounding, a handful in a row."""
    network = FNO(num_channels=8, num_modes=4, num_blocks=2, transform="dft")
    source, coefficients = torch.randn(2, 1, 16, 16), torch.randn(2, 3)
    expected = network(source, coefficients)
    if compile_network:
        network.compile(fullgraph=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(source, coefficients).float()
    assert (output - expected).norm() / expected.norm() < 5 * 2**-8


@compiles
@pytest.mark.parametrize("compile_network", EAGER_AND_COMPILED)
def test_bf16_weights_of_the_skip_lose_nothing_on_kept_modes(compile_network):
    """A field of low modes meets W as it is: what rounding takes is given back."""
    block = FNO(num_channels=8, num_modes=4, num_blocks=1, transform="dft").blocks[0]
    torch.nn.init.zeros_(block.spectral.weight)
    with torch.no_grad():  # between two numbers of bfloat16: all rounded down by 2⁻⁸
        block.skip.weight.fill_(1 + 2**-8 - 2**-16)
    field = torch.cos(2 * torch.pi * torch.arange(16) / 16).expand(1, 8, 16, 16)
    field = field.to(torch.bfloat16).float()
    exact = block(field, torch.float32)
    if compile_network:
        block.compile(fullgraph=True)
    in_bf16 = block(field, torch.bfloat16).float()
    slope = ((in_bf16 * exact).sum() / exact.square().sum()).item()
    assert abs(slope - 1) < 2**-10  # without it 2**-8


@compiles
@pytest.mark.parametrize("compile_network", EAGER_AND_COMPILED)
def test_bf16_weights_of_the_projection_lose_nothing_on_the_mean(compile_network):
    """Channels of +1 and -1 with weights 1 + 2⁻⁸ (rounded: 1) and 1: the rest is what counts."""
    projection = Projection(8)
    sign = torch.tensor([1.0, -1.0]).repeat(4)
    with torch.no_grad():
        projection.hidden.weight.copy_(1 + 2**-8 * (sign > 0))
        projection.output.weight.fill_(1)
        for bias in (projection.hidden.bias, projection.output.bias):
            bias.zero_()
    field = sign[None, :, None, None].expand(1, 8, 4, 4)
    if compile_network:
        projection.compile(fullgraph=True)
    output = projection(field.to(torch.bfloat16))
    expected = torch.full_like(output, 16 * F.gelu(torch.tensor(4 * 2**-8)))
    torch.testing.assert_close(output, expected, rtol=2**-7, atol=0)


@pytest.mark.parametrize("transform", ["dft", "fft"])
def test_float64_weights_take_bf16_and_float32_fields(transform):
    network = FNO(num_channels=4, num_modes=2, transform=transform).double()
    source, coefficients = torch.randn(1, 1, 8, 8), torch.randn(1, 3).double()
    expected = network(source.double(), coefficients)
    torch.testing.assert_close(network(source, coefficients), expected, rtol=1e-5, atol=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(source, coefficients)
    assert output.dtype == torch.float64
    assert (output - expected).norm() < 5 * 2**-8 * expected.norm()


@compiles
@pytest.mark.untyped
def test_compiled_network_is_the_network():
    fields = {"output_fields": ["u", "v", "p"]}
    network = FNO(num_channels=8, num_modes=4, num_blocks=2, transform="dft", **fields)
    source, coefficients = torch.randn(2, 1, 16, 16), torch.randn(2, 3)
    expected = network(source, coefficients)
    names = list(network.state_dict())
    network.compile(fullgraph=True)
    torch.testing.assert_close(network(source, coefficients), expected, rtol=1e-5, atol=1e-6)
    assert list(network.state_dict()) == names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs a size"),
        ({"num_channels": 8}, "needs a size .* num_modes=None"),
        ({"num_channels": 0, "num_modes": 4}, "positive .* got num_channels=0"),
        (
            {"size": "4M", "num_modes": 4},
            "size=4M sets num_channels and num_modes, got .* give size null",
        ),
        ({"size": "3M"}, "one of 64K, 1M, 4M, 16M, 64M, 256M, got '3M'"),
        ({"size": "64K", "num_blocks": 0}, "num_blocks must be at least 1, got 0"),
        ({"size": "64K", "block": "mpl"}, "block must be one of paper, mlp, got 'mpl'"),
    ],
)
@pytest.mark.untyped
def test_impossible_sizes_are_rejected(arguments, message):
    with pytest.raises(InputError, match=message):
        FNO(**arguments)


@pytest.mark.untyped
def test_foreign_coefficients_are_rejected():
    network = FNO(num_channels=2, num_modes=2, coefficient_names=("omega",))
    with pytest.raises(InputError, match=r"takes 1 coefficients .*omega.* got 3"):
        network(torch.zeros(1, 1, 8, 8), torch.zeros(1, 3))


def reference_network(**arguments) -> tuple[FNO, dict[str, np.ndarray]]:
    numbers = dict(np.load(REFERENCE / "fno_c16_m8.npz"))
    weights = {
        name.removeprefix("param/"): torch.from_numpy(array)
        for name, array in numbers.items()
        if name.startswith("param/")
    }
    network = FNO(num_channels=16, num_modes=8, **arguments)
    network.load_state_dict(from_reference(weights))
    return network, numbers


@needs_reference
@pytest.mark.parametrize("transform", ["dft", "fft"])
def test_reference_weights_give_the_reference_outputs(transform):
    network, numbers = reference_network(transform=transform)
    output = propagate(network, lift_channels(network, torch.from_numpy(numbers["input"])))
    expected = torch.from_numpy(numbers["output"])
    assert (output - expected).norm() / expected.norm() < 1e-5


@needs_reference
@pytest.mark.parametrize("transform", ["dft", "fft"])
def test_training_follows_the_reference_for_ten_steps(transform):
    """Ten Adam steps on one batch; float32 rounding may grow a little over the steps: 1e-3."""
    network, numbers = reference_network(transform=transform)
    data = np.load(REFERENCE / "poisson.npz")
    source, solution = (torch.from_numpy(data[name])[:, None] for name in ("source", "solution"))
    coefficients = torch.from_numpy(data["coefficients"]).float()
    scale = source.flatten(1).norm(dim=1) / 128**2 / float(numbers["median_source_norm"])
    source = source / scale[:, None, None, None]
    coefficients = coefficients / scale[:, None] / torch.from_numpy(numbers["median_coefficients"])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses, errors = [], []
    for _ in range(10):
        prediction = network(source, coefficients)
        loss = F.mse_loss(prediction, solution, reduction="sum") / len(source)
        difference = (prediction - solution).flatten(1).norm(dim=1)
        losses.append(loss.item())
        errors.append((difference / solution.flatten(1).norm(dim=1)).mean().item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    np.testing.assert_allclose(losses, numbers["train_losses"], rtol=1e-3)
    np.testing.assert_allclose(errors, numbers["train_relative_l2"], rtol=1e-3)
