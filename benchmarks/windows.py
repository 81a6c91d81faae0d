"""Measure how fast windows of trajectories arrive: ours, The Well's, and a gather in memory.

    python benchmarks/windows.py [--num_points 64 128] [--json_file FILE]

A window is a state and the next one. WellDataset reads the same set, exported to its layout, behind
torch's DataLoader. All read from the page cache, in turn; medians and ratios are printed. Needs the
package the_well.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from jsonargparse import auto_cli
from the_well.data import WellDataset
from torch.utils.data import DataLoader, RandomSampler

from lightning_sciml import write_dataset
from lightning_sciml.errors import reject_below
from lightning_sciml.foreign.export import export_dataset
from lightning_sciml.process_memory import keep_freed_memory
from lightning_sciml.streaming.batch_buffers import BatchBuffers
from lightning_sciml.streaming.datamodule import PDEDataModule

NUM_TIMES = 33
Epoch = Callable[[], int]
"""Takes windows and returns how many."""


def make_dataset(folder: Path, num_trajectories: int, num_points: int) -> Path:
    """Random numbers as trajectories of one field on a periodic square."""
    shape = (num_trajectories + 2, NUM_TIMES, num_points, num_points)
    write_dataset(
        folder,
        states={"u": np.random.default_rng(0).standard_normal(shape, np.float32)},
        times=range(NUM_TIMES),
        split={"train": num_trajectories, "val": 1, "test": 1},
    )
    return folder


def gather(rows: np.ndarray, num_windows: int, batch_size: int) -> Epoch:
    """Copy rows of the size of a window, in random order, into a buffer such as the loader's."""
    buffer = BatchBuffers().take((batch_size, rows.shape[1])).zero_().numpy()
    generator = np.random.default_rng(0)

    def epoch() -> int:
        order = generator.integers(len(rows), size=num_windows)
        for begin in range(0, num_windows, batch_size):
            batch = order[begin : begin + batch_size]
            np.take(rows, batch, axis=0, out=buffer[: len(batch)])
        return num_windows

    return epoch


def drain(loader: Iterable[object], num_windows: int) -> Epoch:
    """Take all batches and do nothing with them."""

    def epoch() -> int:
        for _ in loader:
            pass
        return num_windows

    return epoch


def ours(folder: Path, batch_size: int, **options: object) -> Iterable[object]:
    """The data module's own training loader."""
    data = PDEDataModule([str(folder)], batch_size=batch_size, **options)  # type: ignore[arg-type]
    data.setup("fit")
    return data.train_dataloader()


def well(folder: Path, batch_size: int, num_windows: int, num_workers: int) -> DataLoader:
    """WellDataset behind torch's DataLoader; random windows."""
    dataset = WellDataset(path=str(folder), well_split_name="train")
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=RandomSampler(dataset, num_samples=num_windows),
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
    )


def measured(epochs: dict[str, Epoch], num_repeats: int) -> dict[str, float]:
    """Windows per second of each reader: medians over epochs in turn, without the first ones."""
    rates: dict[str, list[float]] = {name: [] for name in epochs}
    for _ in range(num_repeats + 1):
        for name, epoch in epochs.items():
            started_at = perf_counter()
            num_windows = epoch()
            rates[name].append(num_windows / (perf_counter() - started_at))
    return {name: median(values[1:]) for name, values in rates.items()}


def readers(
    folder: Path, num_points: int, *, megabytes: int, batch_size: int, num_well_windows: int
) -> dict[str, Epoch]:
    """Make the set, its export, and every reader of them."""
    num_trajectories = max(1, round(megabytes * 1e6 / (4 * NUM_TIMES * num_points**2)))
    num_windows = num_trajectories * (NUM_TIMES - 1)
    dataset = make_dataset(folder / "ours", num_trajectories, num_points)
    export_dataset(dataset, folder / "well", "well")
    rows = np.ones((num_trajectories * NUM_TIMES // 2, 2 * num_points**2), np.float32)
    epochs = {
        "gather in memory": gather(rows, num_windows, batch_size),
        "ours": drain(ours(dataset, batch_size), num_windows),
        "ours, nothing ahead": drain(ours(dataset, batch_size, num_prefetch=0), num_windows),
        "ours, cache=memory": drain(ours(dataset, batch_size, cache="memory"), num_windows),
    }
    for num_workers in (0, 2):
        loader = well(folder / "well", batch_size, num_well_windows, num_workers)
        epochs[f"WellDataset, {num_workers} workers"] = drain(loader, num_well_windows)
    return epochs


def main(
    num_points: Sequence[int] = (64, 128),
    megabytes: int = 256,
    batch_size: int = 64,
    num_well_windows: int = 256,
    num_repeats: int = 7,
    json_file: str | None = None,
) -> None:
    """Measure.

    Args:
        num_points: Grid points an axis, one or several.
        megabytes: Size of the set.
        batch_size: Windows of a batch.
        num_well_windows: Windows that WellDataset is asked for at a time.
        num_repeats: Epochs of each reader; one more before is not counted.
        json_file: Also write the numbers here.
    """
    reject_below(1, num_repeats=num_repeats)
    keep_freed_memory()
    results = {}
    for N in num_points:
        with tempfile.TemporaryDirectory() as temporary:
            epochs = readers(
                Path(temporary),
                N,
                megabytes=megabytes,
                batch_size=batch_size,
                num_well_windows=num_well_windows,
            )
            rates = results[str(N)] = measured(epochs, num_repeats)
        print(f"{N}×{N}, load {os.getloadavg()[0]:.1f}\n{'':22s}windows/s      GB/s   ours is")
        for name, rate in rates.items():
            gigabytes = rate * 8 * N**2 / 1e9
            print(f"{name:22s}{rate:9,.0f}{gigabytes:10.2f}{rates['ours'] / rate:9.2f} ×")
    if json_file:
        Path(json_file).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
