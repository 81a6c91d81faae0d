"""What is constant over a sample scales and shifts every block."""

import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.models.blocks import make_block
from lightning_sciml.models.fno import FNO
from lightning_sciml.models.modulation import Film

NAMES = {"coefficient_names": ("nu", "lead_time"), "input_fields": ("u", "mask_v")}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def pair_of(block="paper"):
    """Two networks of the same weights, without modulation and with it."""
    plain, film = (
        FNO(num_channels=4, num_modes=3, block=block, conditioning=conditioning, **NAMES)
        for conditioning in ("bias", "film")
    )
    film.load_state_dict(plain.state_dict(), strict=False)
    return plain, film


@pytest.mark.parametrize("block", ["paper", "mlp"])
def test_a_network_begins_as_the_one_without(block):
    plain, film = pair_of(block)
    inputs, numbers = torch.randn(3, 2, 12, 12), torch.randn(3, 2)
    torch.testing.assert_close(film(inputs, numbers), plain(inputs, numbers))


def test_a_block_scales_and_shifts_each_channel_of_each_sample():
    block = make_block("paper", 4, 3, "auto", is_last=True)
    field, gamma, beta = torch.randn(2, 4, 12, 12), torch.randn(2, 4), torch.randn(2, 4)
    wanted = block(field, torch.float32)
    wanted = (1 + gamma[..., None, None]) * wanted + beta[..., None, None]
    found = block(field, torch.float32, film=Film(gamma, beta))
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("block", ["paper", "mlp"])
def test_every_block_hears_of_coefficients_and_of_means_of_fields(block):
    _, film = pair_of(block)
    weight = film.modulation.output.weight
    lifted = film.lifting.weight.data.clone()
    lifted[:, 1:] = 0  # only u reaches the lifted field
    film.lifting.weight.data.copy_(lifted)
    inputs, numbers = torch.randn(1, 2, 12, 12), torch.randn(1, 2)
    for index in range(len(film.blocks)):
        weight.data.zero_()
        weight.data.unflatten(0, (len(film.blocks), 8))[index] = torch.randn(8, 32)
        one = film(inputs, numbers)
        assert not torch.allclose(film(inputs, numbers + 1), one)
        masked = inputs.clone()
        masked[:, 1] += 1
        assert not torch.allclose(film(masked, numbers), one)


def test_the_channels_of_its_first_layer_go_by_name():
    """So a network of other coefficients takes its weights."""
    _, film = pair_of()
    assert film.channel_axes == {"lifting.weight": 1, "modulation.hidden.weight": 1}
    assert film.modulation.hidden.in_features == film.lifting.in_features
    again = FNO(**film.options)
    again.load_state_dict(film.state_dict())


def test_a_network_without_it_is_described_as_before():
    plain, _ = pair_of()
    assert "conditioning" not in plain.options


def test_it_works_below_float32():
    _, film = pair_of("mlp")
    film.modulation.output.weight.data.normal_()
    inputs, numbers = torch.randn(2, 2, 12, 12), torch.randn(2, 2)
    wanted = film(inputs, numbers)
    with torch.autocast("cpu", torch.bfloat16):
        found = film(inputs, numbers)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=0.05, atol=0.05 * wanted.abs().max().item())


@pytest.mark.untyped  # what it gives is of no type
def test_an_unknown_conditioning_is_rejected():
    with pytest.raises(InputError, match="conditioning must be one of bias, film, got 'adain'"):
        FNO(num_channels=4, num_modes=3, conditioning="adain")
