"""Model what a training step and a data set cost at scale, and check the model on this host.

python benchmarks/scaling.py model                 the tables of docs/notebook/scaling.md
python benchmarks/scaling.py measure [--size 4M]   1, 2 and 4 ranks here, against the model
"""

import math
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import NamedTuple, get_args

import torch
import torch.distributed as dist
from jsonargparse import auto_cli
from torch.nn.parallel import DistributedDataParallel
from torch.utils.flop_counter import FlopCounterMode

from lightning_sciml.models.fno import FNO, SIZES, Size
from lightning_sciml.training.losses import sum_of_squares

ROOT = Path(__file__).parent.parent
SCRIPTS = Path(sysconfig.get_path("scripts"))
RANKS = (1, 2, 4)
NUM_POINTS = 128
SAMPLE_BYTES = 2 * NUM_POINTS**2 * 4  # source and solution
FIELD_PASSES = 60  # per block, forward and backward: how often a field of C channels moves


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Describe what a rank computes with, and the links between ranks.

    Attributes:
        flops: sustained on matrix products, 1/s.
        memory: bytes a second to and from the memory of the rank.
        links: (largest number of ranks, bytes a second a rank sends) from the inside outwards.
        latency_s: of one message.
    """

    flops: float
    memory: float
    links: Sequence[tuple[float, float]]
    latency_s: float

    def link(self, num_ranks: int) -> float:
        """The slowest link that messages among `num_ranks` crosses."""
        return next(rate for most, rate in self.links if num_ranks <= most)


# An H100 at half of its TF32 and HBM rates; NVLink 4 in a node of 8, beyond it 400 Gb/s a GPU.
H100 = Machine(
    flops=0.5 * 495e12,
    memory=0.5 * 3.35e12,
    links=((8, 300e9), (float("inf"), 40e9)),
    latency_s=10e-6,
)


def num_parameters(size: Size) -> int:
    """Make a network of a named size, with Poisson's three coefficients."""
    with torch.device("meta"):
        return sum(p.numel() for p in FNO(size=size).parameters())


def step_flops(size: Size, num_points: int = NUM_POINTS) -> float:
    """Floating-point operations a sample, forward and backward, counted by torch."""
    network = FNO(size=size, transform="dft")
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 1, num_points, num_points), torch.zeros(1, 3)).sum().backward()
    return counter.get_total_flops()


def compute_s(machine: Machine, size: str, flops: float, batch: int) -> float:
    """Matrix products at their rate, or the passes over fields at memory's, whichever is longer."""
    num_channels, _ = SIZES[size]
    field_bytes = 4 * num_channels * NUM_POINTS**2
    moved = 4 * FIELD_PASSES * field_bytes
    return batch * max(flops / machine.flops, moved / machine.memory)


def all_reduce_s(machine: Machine, num_bytes: float, num_ranks: int) -> float:
    """Each rank sends 2(P-1)/P of the gradient; up a tree and down again, 2 log₂P messages deep."""
    if num_ranks == 1:
        return 0.0
    sent_s = 2 * (num_ranks - 1) / num_ranks * num_bytes / machine.link(num_ranks)
    return sent_s + 2 * math.log2(num_ranks) * machine.latency_s


def step_s(compute: float, all_reduce: float) -> float:
    """Gradients are sent while the backward pass, two thirds of the computing, still runs."""
    return compute + max(0.0, all_reduce - 2 / 3 * compute)


def print_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Format the table as Markdown."""
    names = list(header)
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def training_rows(batch: int) -> Iterable[list[str]]:
    """Weak scaling: `batch` samples on each GPU."""
    for size in get_args(Size):
        parameters, flops = num_parameters(size), step_flops(size)
        compute = compute_s(H100, size, flops, batch)
        row = [size, f"{parameters / 1e6:.2f} M", f"{flops / 1e9:.1f}", f"{compute * 1e3:.1f}"]
        for num_gpus in (8, 64, 512):
            step = step_s(compute, all_reduce_s(H100, 4 * parameters, num_gpus))
            input_rate = num_gpus * batch * SAMPLE_BYTES / step
            row.append(f"{step * 1e3:.1f} ({compute / step:.0%}, {input_rate / 1e9:.0f} GB/s)")
        yield row


def generation_rows(samples_per_core: float, cores: int, node_write: float) -> Iterable[list[str]]:
    """`node_write` bytes a second leave a node; shards hold 1,024 samples."""
    node_rate = min(cores * samples_per_core, node_write / SAMPLE_BYTES)
    for exponent in (6, 7, 8, 9):
        num_samples = 10**exponent
        row = [f"10^{exponent}", f"{num_samples * SAMPLE_BYTES / 1e12:.2f} TB"]
        row.append(f"{-(-num_samples // 1024):,}")
        for nodes in (1, 8, 64):
            elapsed = timedelta(seconds=round(num_samples / (nodes * node_rate)))
            load = nodes * node_rate * SAMPLE_BYTES / 1e9
            row.append(f"{elapsed} ({load:.0f} GB/s, {nodes * node_rate / 1024:.0f} files/s)")
        yield row


def model(
    batch: int = 16, samples_per_core: float = 4e3, cores: int = 64, write: float = 5e9
) -> None:
    """Print the tables.

    Args:
        batch: samples on each GPU.
        samples_per_core: generated and written a second by one core.
        cores: of a node.
        write: bytes a second that a node can write.
    """
    gpus = [f"{n} GPUs: ms (efficiency, input)" for n in (8, 64, 512)]
    print_table(["size", "parameters", "GFLOP/sample", "1 GPU: ms", *gpus], training_rows(batch))
    nodes = [f"{n} nodes" for n in (1, 8, 64)]
    rows = generation_rows(samples_per_core, cores, write)
    print_table(["samples", "bytes", "files", *nodes], rows)


def measure(size: Size = "4M", num_points: int = 64, batch: int = 8, num_steps: int = 40) -> None:
    """Time steps on 1, 2 and 4 ranks of one thread each; predict those of 2 and 4 from that of 1.

    Args:
        size: of the network.
        num_points: along an axis.
        batch: samples on each rank.
        num_steps: timed; the median counts.
    """
    options = [f"--size={size}", f"--num_points={num_points}", f"--batch={batch}"]
    measured = {n: measured_on(n, [*options, f"--num_steps={num_steps}"]) for n in RANKS}
    alone_s, _ = measured[1]
    rows = []
    for num_ranks, (step, all_reduce) in measured.items():
        predicted = share_of_core(num_ranks) * alone_s + (all_reduce if num_ranks > 1 else 0.0)
        milliseconds = [f"{1e3 * t:.0f}" for t in (all_reduce, predicted, step)]
        rows.append([str(num_ranks), *milliseconds, f"{step / predicted:.2f}"])
    print_table(["ranks", "all-reduce, ms", "predicted, ms", "measured, ms", "ratio"], rows)


def share_of_core(num_ranks: int) -> float:
    """Return how much longer ranks take that share cores."""
    return max(1.0, num_ranks / (os.cpu_count() or 1))


def measured_on(num_ranks: int, options: Sequence[str]) -> list[float]:
    """Medians of a step and of an all-reduce, in seconds."""
    torchrun = SCRIPTS / "torchrun"
    command: list[str | Path] = [
        torchrun,
        "--standalone",
        f"--nproc-per-node={num_ranks}",
        __file__,
        "rank",
    ]
    return [float(word) for word in output_of([*command, *options]).split()[-2:]]


def output_of(command: Sequence[str | Path]) -> str:
    """Both streams of a command, one thread a process."""
    result = subprocess.run(
        command,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    return result.stdout


def measure_generation(
    num_samples: int = 8192, num_repetitions: int = 5, folder: Path | None = None
) -> None:
    """Samples a second on 1, 2 and 4 ranks; predict those of 2 and 4 from one rank.

    A rank computes in one thread and writes in another, so that ranks are held up by each other
    when the CPU time of both, over all ranks, is that of all cores.

    Args:
        num_samples: of 128×128 points, in shards of 256.
        num_repetitions: the median counts.
        folder: where to write. In one of memory, like /dev/shm, no disk holds the ranks up.
    """
    runs: dict[int, list[GenerationRun]] = {n: [] for n in RANKS}
    start_up_s = []
    for _ in range(num_repetitions):
        start_up_s.append(generate(1, 1, folder).cpu_s)
        for num_ranks in RANKS:
            runs[num_ranks].append(generate(num_ranks, num_samples, folder))
    cpu_s = median(run.cpu_s for run in runs[1]) - median(start_up_s)
    rate_of_all_cores = (os.cpu_count() or 1) * num_samples / cpu_s
    sys.stdout.write(f"{1e6 * cpu_s / num_samples:.0f} µs of CPU time a sample\n\n")
    rates = {n: median(run.rate for run in found) for n, found in runs.items()}
    rows = []
    for num_ranks, found in rates.items():
        predicted = min(num_ranks * rates[1], max(rates[1], rate_of_all_cores))
        rows.append(
            [str(num_ranks), f"{predicted:.0f}", f"{found:.0f}", f"{found / predicted:.2f}"]
        )
    print_table(["ranks", "predicted, 1/s", "measured, 1/s", "ratio"], rows)


class GenerationRun(NamedTuple):
    """Samples a second by the generator's own account, and CPU time of all ranks, start-up too."""

    rate: float
    cpu_s: float


def generate(num_ranks: int, num_samples: int, parent: Path | None) -> GenerationRun:
    """Make a data set and throw it away."""
    before = os.times()
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        said = output_of(
            [
                *(SCRIPTS / "mpirun", "-n", str(num_ranks), sys.executable, "data_gen/solve.py"),
                *("--config", "launch/configs/data/poisson_1_5.yaml", "--output", f"{folder}/x"),
                *(f"--num_train_samples={num_samples}", "--shard_size=256"),
                *("--num_val_samples=1", "--num_test_samples=1"),
            ]
        )
    after = os.times()
    rate = float(re.findall(r"\(([\d,]+) a second\)", said)[-1].replace(",", ""))
    spent = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return GenerationRun(rate, spent)


def rank(size: Size = "4M", num_points: int = 64, batch: int = 8, num_steps: int = 15) -> None:
    """One rank of `measure`: medians of a step, and of an all-reduce of its gradient alone."""
    dist.init_process_group("gloo", timeout=timedelta(seconds=60))
    torch.manual_seed(0)
    network = DistributedDataParallel(FNO(size=size), gradient_as_bucket_view=True)
    optimizer = torch.optim.Adam(network.parameters())
    source, coefficients = torch.randn(batch, 1, num_points, num_points), torch.randn(batch, 3)
    gradient = torch.zeros(sum(p.numel() for p in network.parameters()))

    def step() -> None:
        optimizer.zero_grad()
        sum_of_squares(network(source, coefficients), source).mean().backward()
        optimizer.step()

    medians = [timed(step, num_steps), timed(lambda: dist.all_reduce(gradient), num_steps)]
    if dist.get_rank() == 0:
        sys.stdout.write(f"{medians[0]} {medians[1]}\n")
    dist.barrier()  # nobody leaves while another still reads from it
    # Gloo's thread needs the interpreter to let go of the barrier. A group that is destroyed before
    # waits for the thread, with the interpreter held: for ever.
    sleep(0.5)
    dist.destroy_process_group()


def timed(action: Callable[[], object], num_repetitions: int) -> float:
    """Median duration, after two that warm up."""
    durations = []
    for _ in range(num_repetitions + 2):
        dist.barrier()
        started_at = perf_counter()
        action()
        durations.append(perf_counter() - started_at)
    return median(durations[2:])


if __name__ == "__main__":
    auto_cli([model, measure, measure_generation, rank])
