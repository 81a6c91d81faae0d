"""The truncated transforms are the FFT's, and the spectral convolution is a convolution."""

import copy
import pickle

import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.models import dft_matrices as matrices_module
from lightning_sciml.models.dft_matrices import dft_matrices
from lightning_sciml.models.spectral import (
    SpectralConv,
    dft_forward,
    dft_inverse,
    fft_forward,
    fft_inverse,
    mix_channels,
    round_columns,
)

# torch 2.13's inductor calls its own deprecated decorator while it compiles.
compiles = pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")

# Sums of N products in float32 carry a relative error of about √N·6e-8 (N ≤ 64 here).
ROUND_OFF = 1e-6

GRIDS = [
    (16, 16, 3),
    (16, 16, 8),  # every mode: 2m = N, the Nyquist row of ky is kept
    (17, 17, 8),
    (15, 15, 4),
    (24, 18, 9),  # neither square nor alike in parity
    (33, 64, 16),
    (12, 40, 1),
]


def relative_difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(("height", "width", "num_modes"), GRIDS)
def test_truncated_dft_is_the_fft_cut(height, width, num_modes):
    field = torch.randn(2, 3, height, width)
    modes = dft_forward(field, num_modes)
    assert relative_difference(modes, fft_forward(field, num_modes)) < ROUND_OFF


@pytest.mark.parametrize(("height", "width", "num_modes"), GRIDS)
def test_truncated_inverse_is_the_padded_inverse_fft(height, width, num_modes):
    modes = torch.randn(2 * num_modes * num_modes, 2 * 2, 3)
    field = dft_inverse(modes, num_modes, height, width, torch.float32)
    assert (
        relative_difference(field, fft_inverse(modes, num_modes, height, width, torch.float32))
        < ROUND_OFF
    )


@pytest.mark.parametrize(("height", "width", "num_modes"), GRIDS)
def test_both_transforms_give_the_same_layer_and_gradients(height, width, num_modes):
    by_dft = SpectralConv(3, 5, num_modes, transform="dft")
    by_fft = SpectralConv(3, 5, num_modes, transform="fft")
    by_fft.load_state_dict(by_dft.state_dict())
    field = torch.randn(2, 3, height, width)
    cotangent = torch.randn(2, 5, height, width)
    results = []
    for layer in (by_dft, by_fft):
        argument = field.clone().requires_grad_()
        output = layer(argument)
        output.backward(cotangent)
        results.append((output.detach(), argument.grad, layer.weight.grad))
    for ours, theirs in zip(*results, strict=True):
        assert relative_difference(ours, theirs) < ROUND_OFF


def test_transform_and_back_is_the_projection_onto_the_kept_modes():
    modes = torch.randn(2 * 5, 5, 2 * 2, 3, dtype=torch.float64)
    modes[5, 0] = (
        0  # (ky, kx) = (-m, 0): its conjugate (m, 0) is not kept, so it would come back halved
    )
    field = dft_inverse(modes.flatten(0, 1), 5, 20, 22, torch.float64)
    again = dft_inverse(dft_forward(field, 5), 5, 20, 22, torch.float64)
    torch.testing.assert_close(again, field, rtol=0, atol=1e-13)


@pytest.mark.parametrize("transform", ["dft", "fft"])
def test_layer_commutes_with_translations(transform):
    layer = SpectralConv(2, 3, 5, transform).double()
    field = torch.randn(1, 2, 18, 15, dtype=torch.float64)
    shifted = torch.roll(layer(field), (4, 7), dims=(-2, -1))
    torch.testing.assert_close(
        layer(torch.roll(field, (4, 7), dims=(-2, -1))), shifted, rtol=0, atol=1e-13
    )


@pytest.mark.parametrize("transform", ["dft", "fft"])
def test_a_finer_grid_samples_the_same_function(transform):
    """A band-limited field seen on N and on 2N points gives one function on both."""
    layer = SpectralConv(2, 3, 4, transform).double()
    modes = torch.randn(2 * 4 * 4, 2, 2, dtype=torch.float64)
    coarse = dft_inverse(modes, 4, 16, 20, torch.float64)
    fine = dft_inverse(modes, 4, 32, 40, torch.float64) * 2  # norm "ortho": amplitudes carry √(HW)
    torch.testing.assert_close(layer(fine)[..., ::2, ::2], layer(coarse), rtol=0, atol=1e-13)


def test_gradients_match_finite_differences():
    layer = SpectralConv(2, 2, 2, "dft").double()
    field = torch.randn(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (field,))


def test_initial_weights_are_uniform_on_zero_to_inverse_channels_squared():
    weight = SpectralConv(8, 8, 8).weight.detach() * 64
    assert 0 <= weight.min() < 0.01
    assert 0.99 < weight.max() <= 1
    # 16384 draws: the mean of U(0,1) has standard error 0.289/128 = 0.0023.
    assert abs(weight.mean() - 0.5) < 0.01


def test_autocast_leaves_a_float32_field_in_float32():
    layer = SpectralConv(3, 3, 4)
    field = torch.randn(2, 3, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = layer(field)
    assert output.dtype == torch.float32
    torch.testing.assert_close(output, layer(field), rtol=0, atol=0)


@pytest.mark.parametrize("transform", ["dft", "fft"])
def test_bf16_fields_lose_no_more_than_their_own_rounding(transform):
    """Modes are mixed in float32; a handful of roundings to 8 bits remain, 2⁻⁹ each at most."""
    layer = SpectralConv(3, 3, 4, transform)
    field = torch.randn(2, 3, 16, 16).bfloat16()
    output = layer(field)
    assert output.dtype == torch.bfloat16
    assert relative_difference(output.float(), layer(field.float())) < 4 * 2**-9


@pytest.mark.parametrize("transform", ["dft", "fft"])
def test_mean_is_added_to_every_point(transform):
    layer = SpectralConv(2, 3, 4, transform)
    field, mean = torch.randn(2, 2, 10, 13), torch.randn(2, 3)
    with_mean = layer.convolve(field, layer.weight, mean, torch.float32)
    torch.testing.assert_close(
        with_mean - layer(field), mean[:, :, None, None].expand(-1, -1, 10, 13)
    )


def test_matrices_made_in_inference_mode_serve_training():
    layer = SpectralConv(1, 1, 2, "dft")
    field = torch.randn(1, 1, 9, 11)
    with torch.inference_mode():
        layer(field)
    layer(field).sum().backward()
    assert layer.weight.grad is not None


def test_only_the_weight_is_state_and_copies_agree():
    layer = SpectralConv(2, 2, 3, "dft")
    field = torch.randn(1, 2, 8, 8)
    output = layer(field)
    assert list(layer.state_dict()) == ["weight"]
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(twin(field), output, rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(15, 32), (32, 15)])
@pytest.mark.untyped
def test_too_many_modes_for_the_grid_are_rejected(shape):
    layer = SpectralConv(1, 1, 8)
    with pytest.raises(InputError, match=r"num_modes=8 needs at least 16 .* got .*lower num_modes"):
        layer(torch.zeros(1, 1, *shape))


@pytest.mark.untyped
def test_unknown_transform_is_rejected():
    with pytest.raises(InputError, match=r"transform must be one of .*'czt'"):
        SpectralConv(1, 1, 1, transform="czt")


def test_a_pointwise_matrix_acts_on_every_mode_as_on_the_field():
    field, matrix = torch.randn(2, 3, 12, 10), torch.randn(4, 3)
    modes, nothing = dft_forward(field, 3), torch.zeros(2 * 3 * 3, 3, 2, 4)
    expected = dft_forward(torch.einsum("oi,bihw->bohw", matrix, field), 3)
    mixed = mix_channels(modes, nothing, pointwise=matrix)
    assert relative_difference(mixed, expected) < ROUND_OFF


@compiles
@pytest.mark.parametrize(
    "compile_rounding",
    [
        pytest.param(False, id="eager"),
        pytest.param(True, id="compiled", marks=pytest.mark.untyped),
    ],
)
def test_the_mean_along_x_keeps_its_digits_in_bf16(compile_rounding):
    m, width = 3, 16
    columns = torch.zeros(2, 5, 2 * m)
    columns[..., 0] = 1 + torch.rand(2, 5)
    rounding = torch.compile(round_columns, fullgraph=True) if compile_rounding else round_columns
    rounded = rounding(columns, torch.bfloat16)
    back = dft_matrices(8, width, m, torch.bfloat16, torch.device("cpu")).back_along_x
    mean = (rounded.double() @ back.double()).mean(-1)  # products in bf16 sum in float32 at least
    expected = columns[..., 0].double() / width**0.5
    assert ((mean - expected).abs() <= 2**-16 * expected).all()
    plain = (columns.to(torch.bfloat16).double() @ back.double()).mean(-1)
    assert (plain - expected).abs().max() > 2**-10 * expected.min()


def test_rounding_columns_passes_their_gradient_on():
    columns = torch.randn(2, 3, 8, 6, requires_grad=True)
    weight = torch.randn(2, 3, 8, 6)
    (round_columns(columns, torch.bfloat16).float() * weight).sum().backward()
    expected = weight.to(torch.bfloat16).float()
    expected[..., 3] = 0  # the imaginary part of kx = 0 has no effect
    torch.testing.assert_close(columns.grad, expected, rtol=0, atol=0)


def test_matrices_are_marked_as_the_compiler_marks_constants():
    """Marked by hand, as the decorator would import the compiler."""

    def function() -> None: ...

    marked = torch.compiler.assume_constant_result(function)
    assert vars(marked).items() <= vars(matrices_module._constant).items()
    assert vars(marked)
