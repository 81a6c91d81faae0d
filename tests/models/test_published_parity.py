"""The FNO against figures of the published implementation, for weights and data given by formulas.

``tests/reference/figures.json`` holds what neuraloperators-TL-scaling (commit b637450, float32)
computes: its first output at probes, in norm and in standard deviation, and ten steps of Adam.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lightning_sciml.models.fno import FNO
from lightning_sciml.models.reference_weights import from_reference

FIGURES = json.loads((Path(__file__).parents[1] / "reference/figures.json").read_text())


def tensor(array: np.ndarray) -> torch.Tensor:
    """Round to float32, as the published figures are computed."""
    return torch.from_numpy(array.astype(np.float32))


def amplitude(name: str, shape: list[int]) -> float:
    """A of the formula: small for spectral weights and biases, as 1/√fan-in for matrices."""
    if name.startswith("sp_convs."):
        return 1 / 16
    if name.endswith(".bias"):
        return 0.05
    return 1.4 / math.sqrt(math.prod(shape[1:]))


def published_weights() -> dict[str, torch.Tensor]:
    """A sin(0.7 j + 1.3 i + 0.001 i²): entry i, in C order, of parameter j, in order of names."""
    weights = {}
    for j, (name, shape) in enumerate(sorted(FIGURES["parameters"].items())):
        i = np.arange(math.prod(shape), dtype=np.float64)
        values = amplitude(name, shape) * np.sin(0.7 * j + 1.3 * i + 0.001 * i**2)
        weights[name] = tensor(values.reshape(shape))
    return weights


def published_batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Source (B, 1, H, W), coefficients (B, 3) and target (B, 1, H, W) of the figures."""
    layout = FIGURES["layout"]
    b = np.arange(layout["batch"])
    phase = b[:, None, None]
    y = (np.arange(layout["height"]) / layout["height"])[None, :, None]
    x = (np.arange(layout["width"]) / layout["width"])[None, None, :]
    source = sum(
        np.sin(2 * np.pi * ((k + 1) * x + (k * phase) % 3 * y) + phase + k) / (k + 1)
        for k in range(4)
    )
    coefficients = np.stack([1 + 0.2 * b, 2 - 0.1 * b, 0.3 * b - 0.2], axis=1)
    target = 0.1 * (phase + 1) * np.cos(2 * np.pi * (x - 2 * y) + 0.5 * phase)
    return tensor(source)[:, None], tensor(coefficients), tensor(target)[:, None]


def published_network(transform: str) -> FNO:
    layout = FIGURES["layout"]
    network = FNO(num_channels=layout["channels"], num_modes=layout["modes"], transform=transform)
    network.load_state_dict(from_reference(published_weights()))
    return network


@pytest.mark.parametrize("transform", ["dft", "fft"])
def test_first_output_is_the_published_one(transform):
    """To 1e-5, a hundred roundings of float32: the sums are taken in another order."""
    source, coefficients, _ = published_batch()
    with torch.no_grad():
        output = published_network(transform)(source, coefficients).squeeze(1)
    rows, columns = np.array(FIGURES["probes_row_column"]).T
    published = np.array(FIGURES["output_at_probes"])
    difference = np.linalg.norm(output[:, rows, columns].numpy() - published, axis=1)
    assert (difference / np.linalg.norm(published, axis=1)).max() < 1e-5
    of_each = output.flatten(1)
    np.testing.assert_allclose(of_each.norm(dim=1), FIGURES["output_norms"], rtol=1e-5)
    np.testing.assert_allclose(of_each.std(dim=1), FIGURES["output_std"], rtol=1e-5)


@pytest.mark.parametrize("transform", ["dft", "fft"])
def test_ten_adam_steps_follow_the_published_ones(transform):
    """To 1e-3: rounding grows over the steps, since Adam divides by the size of the gradient."""
    network = published_network(transform)
    source, coefficients, target = published_batch()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses, errors = [], []
    for _ in FIGURES["adam_losses"]:
        prediction = network(source, coefficients)
        loss = F.mse_loss(prediction, target, reduction="sum") / len(source)
        difference = (prediction - target).detach().flatten(1).norm(dim=1)
        losses.append(loss.item())
        errors.append((difference / target.flatten(1).norm(dim=1)).mean().item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    np.testing.assert_allclose(losses, FIGURES["adam_losses"], rtol=1e-3)
    np.testing.assert_allclose(errors, FIGURES["adam_relative_l2"], rtol=1e-3)
