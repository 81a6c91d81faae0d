"""Measure the cost of the dimensionless recipe's parts, as shares of a step without them.

python benchmarks/recipe_step.py data/poisson_1_5 --size 4M --batch_size 16

A step is forward, backward and Adam on a batch that is there already. Parts and steps take turns,
medians of the turns are shown. `square_average` costs in evaluation alone: eight predictions for
one.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import lightning.pytorch as pl
import torch

from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.augmentation import Augmentations, moved, superposed
from lightning_sciml.operators.coordinates import LatticeReduction, SquareSymmetries
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.training.module import PretrainingModule

NUM_ROUNDS = 20


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Time one call, to its end on the device."""
    begin = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin


def main() -> None:
    """A line for each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("--size", default="4M")
    parser.add_argument("--batch_size", type=int, default=16)
    options = parser.parse_args()
    data = PDEDataModule([options.dataset], batch_size=options.batch_size)
    data.setup("fit")
    network = FNO(size=options.size, coefficient_names=data.coefficient_names)
    module = PretrainingModule(
        network,
        normalization="dimensionless",
        loss="relative_l2",
        augmentations=["square", "superposition"],
        compile=False,
    )
    quiet: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
    }
    trainer = pl.Trainer(max_steps=1, limit_val_batches=0, enable_model_summary=False, **quiet)
    trainer.fit(module, data)
    device = trainer.strategy.root_device
    module.to(device).train()
    batch = module.in_operator_order(next(iter(data.train_dataloader())).to(device))
    problem, coefficients = batch.dataset, batch.coefficients
    problems, channels = module.operator.problems, module.operator.data_names
    square = SquareSymmetries(problems, channels).to(device)
    lattice = LatticeReduction(problems, channels).to(device)
    optimizer = torch.optim.Adam(module.operator.network.parameters(), lr=1e-3)

    def step() -> None:
        pair = module.operator.training_pair(batch.inputs, coefficients, problem, batch.outputs)
        losses = module.loss(*pair, None)
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()

    moving = Augmentations(["square"], problems, channels).to(device)
    parts: dict[str, Callable[[], object]] = {
        "step": step,
        "augmentations: [square]": lambda: moving(batch, seed=0, step=0),
        "augmentations: [superposition]": lambda: superposed(batch, seed=0, step=0),
        "coordinates: [square]": lambda: moved(
            batch, square, square.elements(coefficients, problem)
        ),
        "coordinates: [lattice]": lambda: moved(
            batch, lattice, lattice.elements(coefficients, problem)
        ),
    }
    taken: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(NUM_ROUNDS):
        for name, work in parts.items():
            taken[name].append(seconds(work, device))
    whole = median(taken["step"][1:])
    N = batch.inputs.shape[-1]
    print(f"{options.size}, {N}x{N}, batch {options.batch_size}, {device}: {whole:.3g} s a step")
    for name in list(parts)[1:]:
        print(f"{name:30s} {median(taken[name][1:]) / whole:7.2%}")


if __name__ == "__main__":
    main()
