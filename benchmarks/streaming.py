"""Measure how fast training batches arrive: ours, peers, and a gather in memory.

    python benchmarks/streaming.py [--reference PATH] [--json_file FILE]

Every reader gets the same samples in its own layout, from the page cache, and is drained epoch by
epoch in turn; medians and ratios are printed. PATH is a checkout of neuraloperators-TL-scaling; The
Well is measured where the package `the_well` is installed.
"""

import importlib
import importlib.util
import json
import multiprocessing
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter
from types import SimpleNamespace

import h5py
import numpy as np
import torch
from jsonargparse import auto_cli
from torch.utils.data import DataLoader

from lightning_sciml import write_dataset
from lightning_sciml.errors import reject_below
from lightning_sciml.foreign.export import export_dataset
from lightning_sciml.process_memory import keep_freed_memory
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.streaming.datamodule import PDEDataModule

ROOT = Path(__file__).parent.parent
Epoch = Callable[[], object]


def make_dataset(folder: Path, num_samples: int, num_points: int) -> Path:
    """Poisson samples by the project's own generator."""
    counts = {"train": num_samples, "val": 1, "test": 1}
    subprocess.run(
        [
            *(sys.executable, ROOT / "data_gen/solve.py", "--output", folder),
            *("--config", ROOT / "launch/configs/data/poisson_1_5.yaml"),
            *(f"--num_{split}_samples={n}" for split, n in counts.items()),
            f"--num_points={num_points}",
        ],
        check=True,
        capture_output=True,
    )
    return folder


def reference_loader(
    checkout: Path, folder: Path, data: ShardedDataset, batch_size: int
) -> DataLoader:
    """The reference's data set class behind torch's DataLoader, as its trainer builds it."""
    rows = np.arange(data.num_samples)
    with h5py.File(folder / "reference.h5", "w") as file:
        file["fields"] = data.fields(rows)
        file["tensor"] = data.coefficients(rows)
    np.save(folder / "scales.npy", np.array([1.0, 0.01, 0.01, 0.001, 1.0, 1.0, 1.0]))
    sys.path.insert(0, str(checkout))
    solutions = importlib.import_module("utils.data_utils").PDESolns
    options = SimpleNamespace(subsample=1, scales_path=folder / "scales.npy")
    dataset = solutions(options, str(folder / "reference.h5"), torch.from_numpy, True)
    return DataLoader(dataset, batch_size=batch_size, shuffle=True)


def well_loader(folder: Path, data: ShardedDataset, batch_size: int) -> DataLoader:
    """The Well's data set class on an export: f and u as two steps of a trajectory."""
    write_dataset(
        folder / "steps",
        states={"u": data.fields(np.arange(data.num_samples))[:, :, None]},
        times=[0, 1],
        split={"train": data.num_samples},
    )
    export_dataset(folder / "steps", folder / "well", "well")
    dataset_class = importlib.import_module("the_well.data").WellDataset
    dataset = dataset_class(path=str(folder / "well"), well_split_name="train")
    return DataLoader(dataset, batch_size=batch_size, shuffle=True)


def gather(rows: np.ndarray, batch_size: int) -> Epoch:
    """Copy all rows in random order into one buffer, batch by batch."""
    buffer = np.zeros((batch_size, *rows.shape[1:]), rows.dtype)
    generator = np.random.default_rng(0)

    def epoch() -> None:
        order = generator.permutation(len(rows))
        for begin in range(0, len(rows), batch_size):
            batch = order[begin : begin + batch_size]
            np.take(rows, batch, axis=0, out=buffer[: len(batch)])

    return epoch


def drain(loader: Iterable[object]) -> Epoch:
    """Take all batches and do nothing with them."""

    def epoch() -> None:
        for _ in loader:
            pass

    return epoch


def ours(folder: Path, batch_size: int, **options: object) -> Iterable[object]:
    """The data module's own training loader."""
    data = PDEDataModule([str(folder)], batch_size=batch_size, **options)  # type: ignore[arg-type]
    data.setup("fit")
    return data.train_dataloader()


def memory_growth(folder: Path, batch_size: int, num_epochs: int = 3) -> float:
    """MB of resident memory that this process has more after opening a set and some epochs."""

    def resident() -> float:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1e3

    keep_freed_memory()
    before = resident()
    loader = ours(folder, batch_size)
    for _ in range(num_epochs):
        drain(loader)()
    return resident() - before


def in_fresh_process(function: Callable[..., float], *arguments: object) -> float:
    """Call a function in a process that has done nothing else."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main(
    num_samples: int = 4096,
    num_points: int = 128,
    batch_size: int = 64,
    num_repeats: int = 7,
    num_memory_samples: int = 16384,
    reference: str | None = None,
    json_file: str | None = None,
) -> None:
    """Measure.

    Args:
        num_samples: Samples of an epoch.
        num_points: Grid points an axis.
        batch_size: Samples of a batch.
        num_repeats: Epochs of each reader; the first one is not counted.
        num_memory_samples: Samples of the set by which memory is measured.
        reference: Checkout of neuraloperators-TL-scaling.
        json_file: Also write the numbers here.
    """
    reject_below(2, num_repeats=num_repeats)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as temporary:
        folder = make_dataset(Path(temporary) / "poisson", num_samples, num_points)
        data = ShardedDataset(folder, "train")
        epochs: dict[str, Epoch] = {
            "gather in memory": gather(data.fields(np.arange(num_samples)), batch_size),
            "ours": drain(ours(folder, batch_size)),
            "ours, cache=memory": drain(ours(folder, batch_size, cache="memory")),
        }
        if reference:
            peer = reference_loader(Path(reference), Path(temporary), data, batch_size)
            epochs["reference PDESolns"] = drain(peer)
        if importlib.util.find_spec("the_well"):
            epochs["The Well WellDataset"] = drain(well_loader(Path(temporary), data, batch_size))
        times: dict[str, list[float]] = {name: [] for name in epochs}
        for _ in range(num_repeats):
            for name, epoch in epochs.items():
                started_at = perf_counter()
                epoch()
                times[name].append(perf_counter() - started_at)
        large = make_dataset(Path(temporary) / "large", num_memory_samples, num_points)
        growth = in_fresh_process(memory_growth, large, batch_size)
    report(num_samples, num_points, times, growth, json_file)


def report(
    num_samples: int,
    num_points: int,
    times: dict[str, list[float]],
    growth: float,
    json_file: str | None,
) -> None:
    """Print medians and what they are to ours."""
    rates = {name: num_samples / median(seconds[1:]) for name, seconds in times.items()}
    print(f"{'':24s}samples/s      GB/s   ours is")
    for name, rate in rates.items():
        gigabytes = rate * 2 * 4 * num_points**2 / 1e9
        print(f"{name:22s}{rate:11,.0f}{gigabytes:10.2f}{rates['ours'] / rate:9.2f} ×")
    print(f"resident memory after three epochs of another set: {growth:+.0f} MB")
    if json_file:
        content = {"samples_per_s": rates, "memory_growth_mb": growth}
        Path(json_file).write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
