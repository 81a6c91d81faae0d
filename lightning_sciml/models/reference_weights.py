"""Weights of the paper's own code (neuraloperators-TL-scaling) in our names and layout."""

from collections.abc import Mapping

import torch
from torch import Tensor

POINTWISE = {"fc0": "lifting", "fc1": "projection.hidden", "fc2": "projection.output"}


def from_reference(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a state_dict of the reference's ``FNN2d`` to one of ``FNO``.

    There, ``sp_convs.i.weights1`` and ``weights2`` (C_in, C_out, m, m, re/im) hold the lowest and
    the highest m rows of ky; ``ws.i`` is a 1-D convolution; ``fc0``, ``fc1``, ``fc2`` are linear.
    """
    num_blocks = sum(name.endswith(".weights1") for name in weights)
    state = {}
    for theirs, ours in POINTWISE.items():
        state[f"{ours}.weight"] = weights[f"{theirs}.weight"]
        state[f"{ours}.bias"] = weights[f"{theirs}.bias"]
    for index in range(num_blocks):
        state[f"blocks.{index}.spectral.weight"] = _mode_major(
            weights[f"sp_convs.{index}.weights1"], weights[f"sp_convs.{index}.weights2"]
        )
        state[f"blocks.{index}.skip.weight"] = weights[f"ws.{index}.weight"].squeeze(-1)
        state[f"blocks.{index}.skip.bias"] = weights[f"ws.{index}.bias"]
    return state


def _mode_major(lowest: Tensor, highest: Tensor) -> Tensor:
    """(C_in, C_out, m, m, 2) twice → (2m·m, C_in, 2, C_out)."""
    both = torch.cat([lowest, highest], dim=2)
    return both.permute(2, 3, 0, 4, 1).flatten(0, 1).contiguous()
