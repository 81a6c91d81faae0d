"""Generation against the published implementation and against the disk, side by side in one run.

    python benchmarks/generation.py --reference CHECKOUT [--scratch DIR]

CHECKOUT is a local copy of github.com/ShashankSubramanian/neuraloperators-TL-scaling; without it
the ratios are left out. Both sides run in this process, alternately, under the same malloc setting,
and are compared by CPU time, so that other work on the machine disturbs both. Medians are printed.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: one core is one core

import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import numpy as np

from data_gen.coefficients import (
    AdvectionDiffusionCoefficients,
    Coefficients,
    HelmholtzCoefficients,
    PoissonCoefficients,
)
from data_gen.configuration import DatasetConfig
from data_gen.decomposition import ShardTask
from data_gen.generation import SampleGenerator
from lightning_sciml.process_memory import keep_freed_memory

ROOT = Path(__file__).resolve().parent.parent
SYSTEMS: dict[str, Coefficients] = {
    "poisson": PoissonCoefficients(eigenvalue=(1.0, 5.0)),
    "helmholtz": HelmholtzCoefficients(omega=(1, 10)),
    "advection_diffusion": AdvectionDiffusionCoefficients(advection_diffusion_ratio=(0.2, 1.0)),
}
CONFIGS = {
    "poisson": "poisson_1_5",
    "helmholtz": "helmholtz_1_10",
    "advection_diffusion": "advection_diffusion_0p2_1",
}
SHARD_SIZE = 256
NUM_REPEATS = 9


def cpu_time_per_sample(make: Callable[[int], None], num_samples: int) -> float:
    """Seconds of CPU time of this process."""
    started_at = time.process_time()
    make(num_samples)
    return (time.process_time() - started_at) / num_samples


def ours(system: str, num_points: int) -> Callable[[int], None]:
    """Makes samples, with the check of every residual, and writes nothing."""
    config = DatasetConfig(name=system, coefficients=SYSTEMS[system], num_points=num_points)
    generator = SampleGenerator(config)

    def make(num_samples: int) -> None:
        generator.shard(ShardTask(0, "train", 0, num_samples))

    return make


def published(system: str, num_points: int, checkout: Path) -> Callable[[int], None]:
    """The published functions, called as their own scripts call them."""
    if str(checkout) not in sys.path:
        sys.path.insert(0, str(checkout))
        os.chdir(checkout)  # it reads a table by a relative path
    module, function = {
        "poisson": ("gen_data_poisson", "poisson"),
        "helmholtz": ("gen_data_helmholtz", "helmholtz"),
        "advection_diffusion": ("gen_data_advdiff", "advdiff"),
    }[system]
    solve = getattr(import_module(f"utils.{module}"), function)
    parameters = SimpleNamespace(
        Lx=1, Ly=1, ng=144, sparse=True, diff_coef_freq=0, dc=0, diff_coef_scale=0.01,
        adv_coef_scale=1, e1=1, e2=5, o1=1, o2=10, ad1=0.2, ad2=1,
    )  # fmt: skip
    x = np.arange(num_points) / num_points

    def make(num_samples: int) -> None:
        for i in range(num_samples):
            solve(x, x, 1 / 32, 2 / 32, (0.2, 0.4, 0.6, 0.8)[i % 4], parameters)

    return make


def compare_with_published(checkout: Path | None) -> None:
    """Samples a second of one core at 128², and the ratio."""
    print("compute only, 128², samples/s of one core (CPU time)")
    print(f"{'':22}{'published':>10}{'ours':>8}{'ratio':>8}")
    for system in SYSTEMS:
        makers = [(ours(system, 128), 256)]
        if checkout is not None:
            makers.append((published(system, 128, checkout), 16))
        for make, num_samples in makers:
            make(num_samples)
        rounds = [
            [cpu_time_per_sample(make, num_samples) for make, num_samples in makers]
            for _ in range(NUM_REPEATS)
        ]
        mine, *reference = (median(column) for column in zip(*rounds, strict=True))
        theirs = f"{1 / reference[0]:.0f}" if reference else "-"
        ratio = f"{median(r[1] / r[0] for r in rounds):.0f}x" if reference else "-"
        print(f"{system:22}{theirs:>10}{1 / mine:8.0f}{ratio:>8}")


def compare_grids(checkout: Path | None) -> None:
    """Samples and bytes a second of one core by grid size, and the ratio."""
    print("\ncompute only, samples/s of one core (MB/s of output, ratio to published; CPU time)")
    print(f"{'':22}" + "".join(f"{f'{n}²':>22}" for n in (64, 128, 256, 512)))
    for system in SYSTEMS:
        cells = []
        for num_points in (64, 128, 256, 512):
            make, num_samples = ours(system, num_points), 256 * 128**2 // num_points**2
            make(num_samples)
            seconds = median(cpu_time_per_sample(make, num_samples) for _ in range(5))
            ratio = ""
            if checkout is not None:
                theirs = published(system, num_points, checkout)
                ratio = (
                    f", {median(cpu_time_per_sample(theirs, 4) for _ in range(5)) / seconds:.0f}x"
                )
            cells.append(f"{1 / seconds:.0f} ({8e-6 * num_points**2 / seconds:.0f}{ratio})")
        print(f"{system:22}" + "".join(f"{cell:>22}" for cell in cells))


def write_raw(folder: Path, num_files: int, rank: int) -> None:
    """Plain files of the size of a shard, each with fsync."""
    content = np.random.default_rng(rank).random(SHARD_SIZE * 128**2).data.cast("B")
    for number in range(num_files):
        with (folder / f"{rank}_{number}").open("wb") as file:
            file.write(content)
            os.fsync(file.fileno())


def time_raw(scratch: Path, num_samples: int, num_ranks: int) -> float:
    """Seconds to write as many bytes with as many processes."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    files = num_samples // SHARD_SIZE // num_ranks
    with ProcessPoolExecutor(num_ranks) as pool:
        list(pool.map(time.sleep, [0.1] * num_ranks))  # start the processes before the clock
        started_at = time.perf_counter()
        list(pool.map(partial(write_raw, folder, files), range(num_ranks)))
        elapsed_s = time.perf_counter() - started_at
    shutil.rmtree(folder)
    return elapsed_s


def solve_command(num_ranks: int, *options: str) -> list[str]:
    """solve.py with some options, on some ranks."""
    mpirun = Path(sys.executable).parent / "mpirun"
    launcher = [str(mpirun), "-n", str(num_ranks)] if num_ranks > 1 else []
    return [*launcher, sys.executable, str(ROOT / "data_gen/solve.py"), *options]


def time_generation(scratch: Path, num_ranks: int, system: str, *options: str) -> float:
    """Seconds that solve.py itself reports: after start-up, until all is on disk."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    config = ROOT / f"launch/configs/data/{CONFIGS[system]}.yaml"
    command = solve_command(num_ranks, f"--config={config}", f"--output={folder}", *options)
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    shutil.rmtree(folder)
    return float(finished.stderr.split(" in ")[-1].split(" s ")[0])


def compare_with_disk(scratch: Path, num_samples: int = 8192) -> None:
    """Samples a second on disk against plain writes of the same bytes, alternately."""
    print(f"\n{num_samples} samples of 128² on disk, fsync and rename, samples/s (wall time)")
    print(f"{'':22}{'ranks':>6}{'plain file':>12}{'solve.py':>10}{'share':>8}")
    size = [
        f"--num_train_samples={num_samples}", "--num_val_samples=0", "--num_test_samples=0",
        f"--shard_size={SHARD_SIZE}",
    ]  # fmt: skip
    for system in SYSTEMS:
        for num_ranks in (1, 2):
            rounds = [
                (
                    time_raw(scratch, num_samples, num_ranks),
                    time_generation(scratch, num_ranks, system, *size),
                )
                for _ in range(3)
            ]
            raw, generated = (median(column) for column in zip(*rounds, strict=True))
            share = median(r / g for r, g in rounds)
            print(
                f"{system:22}{num_ranks:6}{num_samples / raw:12.0f}"
                f"{num_samples / generated:10.0f}{share:8.0%}"
            )


def time_whole_sets(scratch: Path) -> None:
    """The published sets at full size, 5.4 GB each."""
    print("\n40,960 samples of 128² on disk, 2 ranks, shards as by default: seconds (wall time)")
    for system in SYSTEMS:
        print(f"{system:22}{time_generation(scratch, 2, system):8.1f}")
    # so far no child was larger: raw files and smaller sets take less memory
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"largest resident size of any rank: {largest * 1024 / 1e9:.2f} GB")


def time_slabs(scratch: Path) -> None:
    """Grids spread over ranks: seconds for a sample, all of it, until it is on disk."""
    print("\n--decomposition slab, Poisson, seconds for 2 samples on disk (wall time)")
    for num_points, num_ranks in ((2048, 1), (2048, 2), (4096, 1), (4096, 2)):
        elapsed_s = time_generation(
            scratch, num_ranks, "poisson", "--decomposition=slab", f"--num_points={num_points}",
            "--num_train_samples=2", "--num_val_samples=0", "--num_test_samples=0",
        )  # fmt: skip
        print(f"{num_points}² on {num_ranks} ranks: {elapsed_s:.1f}")


def time_help() -> None:
    """Measure what a misspelt option or ``--help`` costs."""
    times = []
    for _ in range(5):
        started_at = time.perf_counter()
        subprocess.run(solve_command(1, "--help"), check=True, capture_output=True)
        times.append(time.perf_counter() - started_at)
    print(f"\nsolve.py --help: {median(times):.2f} s")


def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=lambda path: Path(path).resolve(), default=None)
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="utils")
    keep_freed_memory()
    compare_with_published(options.reference)
    compare_grids(options.reference)
    scratch = options.scratch.resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    compare_with_disk(scratch)
    time_whole_sets(scratch)
    time_slabs(scratch)
    time_help()


if __name__ == "__main__":
    main()
