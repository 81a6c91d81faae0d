"""Compare training steps on windows of trajectories with steps on steady samples.

    python benchmarks/window_step.py [--sizes 64K 4M] [--num_points 64] [--batch_size 16]

A window is a state and the next one, a steady sample a source and a solution: one network, as many
bytes. Steps are those of the trainer, reading included; both kinds take turns, some steps each.
Medians of the turns, and the median of their ratios, are printed.
"""

import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import lightning.pytorch as pl
import numpy as np
from jsonargparse import auto_cli

from lightning_sciml import write_dataset
from lightning_sciml.models.fno import FNO, Size
from lightning_sciml.process_memory import keep_freed_memory
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.training.module import PretrainingModule

NUM_TIMES = 17
NUM_FIRST = 3  # steps that are not counted, of each turn


class StepTimes(pl.Callback):
    """Keeps the moment at which each step ends."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *_: object) -> None:
        """Look at the clock."""
        self.ends.append(perf_counter())


def make_datasets(folder: Path, num_samples: int, num_points: int) -> dict[str, Path]:
    """Write random numbers as a steady set and as trajectories with as many windows."""
    rng = np.random.default_rng(0)
    grid, num_trajectories = (num_points, num_points), -(-num_samples // (NUM_TIMES - 1))
    source, solution = rng.standard_normal((2, num_samples + 2, *grid), np.float32)
    write_dataset(
        folder / "steady",
        inputs={"f": source},
        outputs={"u": solution},
        split={"train": num_samples, "val": 1, "test": 1},
    )
    write_dataset(
        folder / "windows",
        states={"u": rng.standard_normal((num_trajectories + 2, NUM_TIMES, *grid), np.float32)},
        times=range(NUM_TIMES),
        split={"train": num_trajectories, "val": 1, "test": 1},
    )
    return {name: folder / name for name in ("steady", "windows")}


def step_time(dataset: Path, size: Size, batch_size: int, num_steps: int) -> float:
    """Train a new network for some steps; return the median time of one, in seconds."""
    pl.seed_everything(0, verbose=False)
    data = PDEDataModule([str(dataset)], batch_size=batch_size, verify="header")
    data.setup("fit")
    network = FNO(
        size=size,
        coefficient_names=data.coefficient_names,
        input_fields=data.input_fields,
        output_fields=data.output_fields,
    )
    module = PretrainingModule(network, normalization="standard", loss="relative_l2", compile=False)
    times = StepTimes()
    quiet: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = pl.Trainer(
        max_steps=num_steps, limit_val_batches=0, callbacks=[times], accelerator="cpu", **quiet
    )
    trainer.fit(module, data)
    return median(np.diff(times.ends[NUM_FIRST:]).tolist())


def main(
    sizes: Sequence[Size] = ("64K", "4M"),
    num_points: int = 64,
    batch_size: int = 16,
    num_steps: int = 20,
    num_turns: int = 7,
) -> None:
    """Measure.

    Args:
        sizes: Networks.
        num_points: Grid points an axis.
        batch_size: Samples or windows of a batch.
        num_steps: Steps of a turn.
        num_turns: Turns of each kind; one more before is not counted.
    """
    keep_freed_memory()
    warnings.filterwarnings("ignore", module="lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as temporary:
        folders = make_datasets(Path(temporary), num_steps * batch_size, num_points)
        for size in sizes:
            seconds: dict[str, list[float]] = {name: [] for name in folders}
            for turn in range(num_turns + 1):
                order = list(folders.items())
                for name, folder in order if turn % 2 else reversed(order):
                    seconds[name].append(step_time(folder, size, batch_size, num_steps))
            steady, windows = (np.array(seconds[name][1:]) for name in ("steady", "windows"))
            print(
                f"{size}, {num_points}x{num_points}, batch {batch_size}: "
                f"steady {1e3 * median(steady):.1f} ms, windows {1e3 * median(windows):.1f} ms, "
                f"ratio {median(windows / steady):.3f}"
            )


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
