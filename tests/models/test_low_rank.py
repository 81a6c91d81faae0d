"""Low-rank updates: the rank they are given in every mode, and what merging leaves."""

import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.models.low_rank import add_low_rank_updates, merged

NAME = "blocks.1.spectral.weight"
ORIGINAL = NAME.replace("weight", "parametrizations.weight.original")


def network() -> FNO:
    torch.manual_seed(0)
    return FNO(num_channels=6, num_modes=4, num_blocks=2, coefficient_names=["nu"])


def updated(rank: int) -> FNO:
    """A network whose updates have left zero, as training makes them do."""
    model = network()
    add_low_rank_updates(model, rank)
    for name, parameter in model.named_parameters():
        if name.endswith(".A"):
            torch.nn.init.normal_(parameter)
    return model


def test_merged_weights_are_a_plain_network_with_the_same_bits():
    model, plain = updated(2), network()
    plain.load_state_dict(merged(model.state_dict()))
    inputs = torch.randn(2, 1, 16, 16), torch.rand(2, 1)
    assert torch.equal(plain(*inputs), model(*inputs))
    assert not torch.equal(plain(*inputs), network()(*inputs))


def test_an_update_starts_as_the_pre_trained_function_and_has_its_rank_in_every_mode():
    model, inputs = network(), (torch.randn(2, 1, 16, 16), torch.rand(2, 1))
    before = model(*inputs)
    add_low_rank_updates(model, 3)
    assert torch.equal(model(*inputs), before)
    weights = updated(3).state_dict()
    change = (merged(weights)[NAME] - weights[ORIGINAL]).double().flatten(2)
    assert (torch.linalg.matrix_rank(change, atol=1e-6) == 3).all()


@pytest.mark.parametrize("rank", [0, -1])
def test_a_rank_that_changes_nothing_is_rejected(rank):
    with pytest.raises(InputError, match=f"low_rank must be at least 1, got {rank}"):
        add_low_rank_updates(network(), rank)
