"""Weights are taken over whole, or the first difference is named."""

import pytest
import torch
from torch import nn

from lightning_sciml.checkpoints.files import read_checkpoint
from lightning_sciml.checkpoints.operator_files import load_matching
from lightning_sciml.errors import InputError


def test_matching_weights_are_loaded_bit_by_bit():
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    load_matching(target, source.state_dict(), "source.ckpt")
    assert torch.equal(source.weight, target.weight)
    assert torch.equal(source.bias, target.bias)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"weight": torch.zeros(2, 3)}, r"bias \(2,\), a.ckpt has no such tensor"),
        (
            {"weight": torch.zeros(2, 4), "bias": torch.zeros(2)},
            r"weight \(2, 3\), a.ckpt has \(2, 4\)",
        ),
        (
            {"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "gain": torch.zeros(1)},
            r"gain no such tensor, a.ckpt has \(1,\)",
        ),
    ],
)
def test_differences_are_named(weights, message):
    module = nn.Linear(3, 2)
    before = module.weight.clone()
    with pytest.raises(InputError, match=message):
        load_matching(module, weights, "a.ckpt")
    assert torch.equal(module.weight, before)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match="nothing is there"):
        read_checkpoint(tmp_path / "none.ckpt")
    truncated = tmp_path / "truncated.ckpt"
    torch.save({"state_dict": {"w": torch.zeros(1000)}}, truncated)
    truncated.write_bytes(truncated.read_bytes()[:1500])
    with pytest.raises(InputError, match="cannot be read as a training checkpoint"):
        read_checkpoint(truncated)
    other = tmp_path / "other.pt"
    torch.save({"weights": torch.zeros(1)}, other)
    with pytest.raises(InputError, match="cannot be read as a training checkpoint"):
        read_checkpoint(other)
