"""Measure what SOAP costs: its training step as a multiple of Adam's.

python benchmarks/optimizer_step.py --size 4M --num_points 128

A step is forward, backward and optimizer on a batch that is there already. Optimizers take turns
on one network; medians of the turns are shown. SOAP renews its bases every ten steps, so a turn is
ten. "modes too" gives the modes a basis as well, which launch/configs/recipe/soap.yaml does not.
"""

import argparse
import time
from statistics import median

import pytorch_optimizer
import torch
from torch import Tensor

from lightning_sciml.models.fno import FNO

NUM_TURNS, STEPS_PER_TURN = 3, 10


def seconds_a_step(network: FNO, optimizer: torch.optim.Optimizer, inputs: list[Tensor]) -> float:
    """Over one turn."""
    begin = time.perf_counter()
    for _ in range(STEPS_PER_TURN):
        optimizer.zero_grad()
        network(*inputs).square().mean().backward()
        optimizer.step()
    if inputs[0].is_cuda:
        torch.cuda.synchronize()
    return (time.perf_counter() - begin) / STEPS_PER_TURN


def main() -> None:
    """A line for each optimizer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="4M")
    parser.add_argument("--num_points", type=int, default=128)
    parser.add_argument("--batch_size", type=int, default=16)
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = FNO(size=options.size).to(device)
    B, N = options.batch_size, options.num_points
    inputs = [torch.randn(shape, device=device) for shape in ((B, 1, N, N), (B, 3))]
    weights = list(network.parameters())
    optimizers: dict[str, torch.optim.Optimizer] = {
        "Adam": torch.optim.Adam(weights, lr=1e-6),
        "SOAP": pytorch_optimizer.SOAP(weights, lr=1e-6, max_precondition_dim=128),
        "SOAP, modes too": pytorch_optimizer.SOAP(weights, lr=1e-6),
    }
    for optimizer in optimizers.values():  # the first steps make the bases
        seconds_a_step(network, optimizer, inputs)
    turns = [
        {name: seconds_a_step(network, o, inputs) for name, o in optimizers.items()}
        for _ in range(NUM_TURNS)
    ]
    print(f"{options.size}, {N}×{N}, batch {B}, {device.type}")
    for name in optimizers:
        print(f"{name:16s} {median(turn[name] / turn['Adam'] for turn in turns):6.2f}")


if __name__ == "__main__":
    main()
