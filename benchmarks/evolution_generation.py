"""Time the generation of trajectories on two ranks, until all is on disk.

    python benchmarks/evolution_generation.py [--scratch DIR] [--library numpy]

Linear equations are bound by the disk: the rate is that of the bytes written, beside plain files of
the size of the shards, each with fdatasync, from as many processes. Nonlinear ones are bound by
arithmetic: user CPU time of all ranks over the time in which they have a core, which on an idle
machine is ranks times wall time. Both leave out the start: what is measured begins with the checks
and the trial of ``sciml generate`` and ends with the manifest. Sets are made in turns with the
plain files; medians.
"""

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: one core is one core

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from data_gen.dataset_generation import generate
from data_gen.ranks import all_ranks
from data_gen.solve import parse
from lightning_sciml.process_memory import keep_freed_memory

POWER_LAW = """
initial_state:
  class_path: PowerLawField
  init_args: {exponent: 2.5, tau: 7.0, rms: 1.0, num_modes: 20}
"""
BOUND_BY_THE_DISK = {
    "heat": ("HeatCoefficients", "eigenvalue: [1.0, 5.0]"),
    "wave": ("WaveCoefficients", "c: [0.5, 1.0]"),
}
BOUND_BY_ARITHMETIC = {
    "navier_stokes": ("NavierStokesCoefficients", "nu: [1.0e-3, 1.0e-2]"),
    "burgers": ("BurgersCoefficients", "nu: [3.0e-2, 6.0e-2]"),
    "allen_cahn": ("AllenCahnCoefficients", "nu: [1.0e-3, 1.0e-2]"),
}
SHARDS_A_RANK = 8
SELF = resource.RUSAGE_SELF


class Measured(NamedTuple):
    """What one run took, all ranks together."""

    elapsed_s: float
    busy: float
    num_bytes: int
    num_files: int


def waited_s() -> float:
    """Seconds for which the main thread was ready and other processes had the core."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def run_rank(arguments: list[str]) -> None:
    """Generate as one of the ranks; print the wall time and the share of arithmetic."""
    keep_freed_memory()
    options, config = parse(arguments)
    comm = all_ranks()
    comm.barrier()
    started_at, waited, before = time.perf_counter(), waited_s(), resource.getrusage(SELF)
    generate(comm, config, Path(options.output))
    elapsed_s = time.perf_counter() - started_at
    user_s = resource.getrusage(SELF).ru_utime - before.ru_utime
    of_ranks = comm.gather((elapsed_s, user_s, elapsed_s - (waited_s() - waited)))
    if of_ranks is not None:
        elapsed, user, had_core = zip(*of_ranks, strict=True)
        print(json.dumps([max(elapsed), sum(user) / sum(had_core)]))


def generated(config: str, scratch: Path, num_ranks: int) -> Measured:
    """Generate a data set, and delete it."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    (folder / "config.yaml").write_text(config)
    command = [
        str(Path(sys.executable).parent / "mpirun"), "-n", str(num_ranks), sys.executable, __file__,
        "--rank", f"--config={folder / 'config.yaml'}", f"--output={folder / 'set'}",
    ]  # fmt: skip
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    elapsed_s, busy = json.loads(finished.stdout.splitlines()[-1])
    sizes = [path.stat().st_size for path in folder.glob("set/*/*.h5")]
    shutil.rmtree(folder)
    return Measured(elapsed_s, busy, sum(sizes), len(sizes))


def write_plain(folder: Path, num_bytes: int, num_files: int, rank: int) -> None:
    """Write files of one size, each until it is on disk."""
    content = os.urandom(num_bytes)
    for number in range(num_files):
        with (folder / f"{rank}_{number}").open("wb") as file:
            file.write(content)
            os.fdatasync(file.fileno())


def plain_seconds(like: Measured, scratch: Path, num_ranks: int) -> float:
    """Time as many plain files of as many bytes."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    size, number = like.num_bytes // like.num_files, like.num_files // num_ranks
    with ProcessPoolExecutor(num_ranks) as pool:
        list(pool.map(time.sleep, [0.1] * num_ranks))  # start the processes before the clock
        started_at = time.perf_counter()
        list(pool.map(partial(write_plain, folder, size, number), range(num_ranks)))
        elapsed_s = time.perf_counter() - started_at
    shutil.rmtree(folder)
    return elapsed_s


def configuration(system: tuple[str, str], shard_size: int, num_ranks: int, lines: str) -> str:
    """Write a data set of shards that are dealt evenly, with further lines."""
    class_path, init_args = system
    return (
        f"name: {class_path}\n"
        f"coefficients: {{class_path: {class_path}, init_args: {{{init_args}}}}}\n"
        f"{POWER_LAW}times: {{interval: 0.05, num: 21}}\nshard_size: {shard_size}\n"
        f"num_train_samples: {SHARDS_A_RANK * num_ranks * shard_size}\n"
        f"num_val_samples: 0\nnum_test_samples: 0\n{lines}"
    )


def main() -> None:
    """Measure every set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--library", default="numpy")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--shard_size", type=int, default=128, help="trajectories; linear ones")
    options = parser.parse_args()
    scratch, num_ranks, size = options.scratch.resolve(), options.ranks, options.shard_size
    print(f"trajectories of 21 states on {num_ranks} ranks, {options.library}")
    for name, system in BOUND_BY_THE_DISK.items():
        lines = f"library: {options.library}\nnum_points: 128\nsteps: 1\n"
        text = configuration(system, size, num_ranks, lines)
        runs = []
        for _ in range(options.turns):
            measured = generated(text, scratch, num_ranks)
            runs.append((measured, plain_seconds(measured, scratch, num_ranks)))
        rate = median(m.num_bytes / m.elapsed_s for m, _ in runs)
        share = median(plain_s / m.elapsed_s for m, plain_s in runs)
        print(f"{name:14} 128²  {rate / 1e6:6.0f} MB/s  {share:5.0%} of plain files", flush=True)
    for name, system in BOUND_BY_ARITHMETIC.items():
        lines = f"library: {options.library}\nnum_points: 64\nsteps: 20\n"
        text = configuration(system, max(1, size // 4), num_ranks, lines)
        of_turns = [generated(text, scratch, num_ranks) for _ in range(options.turns)]
        busy = median(m.busy for m in of_turns)
        seconds = median(m.elapsed_s for m in of_turns)
        print(f"{name:14}  64²  {seconds:6.1f} s  {busy:5.0%} of the cores", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rank"]:
        run_rank(sys.argv[2:])
    else:
        main()
