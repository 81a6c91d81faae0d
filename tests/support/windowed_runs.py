"""A tiny training on windows of trajectories on two grids, and a steady problem beside them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evolution_sets import evolution_plan, write_evolution
from tiny_run import network

from lightning_sciml.pde.grid import Grid

SHAPES = {"square": (16, 16), "walled": (8, 12)}
DATA = {"history": 2, "num_unrolled_steps": 2, "window_starts": 2, "num_train_samples": 8}
"""Epoch of 8 trajectories and samples each: two batches, two and one of at most 8 samples."""
STRIDES = {**DATA, "history": 1, "stride": [1, 2]}
"""Epoch of as many windows, of two strides."""
EVEN_TIMES = (0.0, 0.1, 0.2, 0.3, 0.4)


def windowed_sets(root: Path, datasets: Mapping[str, Path]) -> list[Path]:
    """Write the trajectories, once; the data sets of the run."""
    for seed, (name, shape) in enumerate(SHAPES.items()):
        if not (root / name).exists():
            plan = evolution_plan(
                name=name,
                grid=Grid(shape=shape),
                input_fields=(),
                num_samples={"train": 9, "val": 3, "test": 2},
                times=EVEN_TIMES,
            )
            write_evolution(root / name, plan, seed)
    return [*(root / name for name in SHAPES), datasets["poisson_1_5"]]


def windowed_model(class_path: str) -> dict[str, Any]:
    """Options of a module for them."""
    channels = ["u@-1", "v@-1", "u", "v", "source"]
    outputs = ["u", "v", "solution"]
    names = ["nu", "k11", "k22", "k12"]
    of_network = network(names, class_path, input_fields=channels, output_fields=outputs)
    how = {"predicts": "increment", "input_noise": 0.05, "checkpoint_steps": True}
    return {"network": of_network, "normalization": "standard", **how}


def pushforward_model(class_path: str) -> dict[str, Any]:
    """Options of a module that learns from the last step, and is told how long a step is."""
    channels, outputs = ["u", "v", "source"], ["u", "v", "solution"]
    names = ["lead_time", "nu", "k11", "k22", "k12"]
    of_network = network(names, class_path, input_fields=channels, output_fields=outputs)
    return {"network": of_network, "normalization": "standard", "gradients": "last"}
