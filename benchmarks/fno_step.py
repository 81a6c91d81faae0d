"""Time of a training step (forward, backward, Adam) of our FNO and its peers, side by side.

    python benchmarks/fno_step.py --sizes 64K 4M 64M --peers neuraloperator reference=PATH

Variants of one size take turns, step by step, in one process; medians and ratios are of that run.
On a GPU a turn is several steps without waiting for the device in between, as in training.
Every network gets the fastest ``torch.optim.Adam`` its parameters admit. PATH is a checkout of
neuraloperators-TL-scaling; ``neuraloperator`` is the package of that name.
"""

import json
import time
import warnings
from argparse import (
    ArgumentDefaultsHelpFormatter,
    ArgumentParser,
    BooleanOptionalAction,
    Namespace,
)
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from peak_memory import measure_peak_memory, report_peak_memory
from peers import arguments, builders, num_parameters
from roofline import Roofline, step_flops, step_traffic
from torch import Tensor, nn

from lightning_sciml.models.fno import SIZES
from lightning_sciml.process_memory import keep_freed_memory

BATCH_SIZES = {"64K": 16, "1M": 16, "4M": 16, "16M": 8, "64M": 8, "256M": 4}
STEPS_A_TURN = {"cuda": 5}
PRECISIONS = ("32-true", "tf32", "bf16-mixed")
Step = Callable[[], None]


def synchronise(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def adam(network: nn.Module) -> torch.optim.Optimizer:
    """Fused Adam where all parameters are real; it takes no complex ones."""
    fused = not any(parameter.is_complex() for parameter in network.parameters())
    return torch.optim.Adam(network.parameters(), lr=1e-3, fused=fused)


def make_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: tuple[Tensor, ...],
    target: Tensor,
    precision: str,
) -> Step:
    """One training step on fixed data, with the paper's loss."""

    def step() -> None:
        matmul_precision = "highest" if precision == "32-true" else "high"
        torch.set_float32_matmul_precision(matmul_precision)
        enabled = precision == "bf16-mixed"
        with torch.autocast(target.device.type, torch.bfloat16, enabled=enabled):
            prediction = network(*inputs)
        loss = (prediction.float() - target).square().sum() / len(target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def variants(size: str, options: Namespace) -> dict[str, tuple[Step, int]]:
    """Steps by name with the number of parameters; eager and compiled share one network."""
    device = torch.device(options.device)
    batch_size = options.batch_size or BATCH_SIZES[size]
    source, target = torch.randn(2, batch_size, 1, options.num_points, options.num_points)
    coefficients = torch.randn(batch_size, 3)
    target = target.to(device)
    steps: dict[str, tuple[Step, int]] = {}
    for name, build in builders(options.peers).items():
        network = build(size).to(device)
        optimizer = adam(network)
        inputs = tuple(x.to(device) for x in arguments(name, source, coefficients))
        modes = options.modes if name == "ours" or options.compile_peers else ["eager"]
        for mode in modes:
            call: Any = torch.compile(network) if mode == "compiled" else network
            for precision in options.precisions:
                step = make_step(call, optimizer, inputs, target, precision)
                steps[f"{name} {mode} {precision}"] = (step, num_parameters(network))
    return {k: v for k, v in steps.items() if options.only in (None, k)}


def time_steps(steps: dict[str, Step], num_rounds: int, device: torch.device) -> dict[str, float]:
    """Median seconds a step: all variants take a turn a round, after two rounds of warming up.

    Left out is what does not run of peers: cuFFT, for one, takes no bfloat16.
    """
    num_steps = STEPS_A_TURN.get(device.type, 1)
    steps = {name: step for name, step in steps.items() if _runs(name, step)}
    for step in steps.values():
        step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(num_rounds):
        for name, step in steps.items():
            synchronise(device)
            started_at = time.perf_counter()
            for _ in range(num_steps):
                step()
            synchronise(device)
            seconds[name].append((time.perf_counter() - started_at) / num_steps)
    return {name: median(values) for name, values in seconds.items()}


def _runs(name: str, step: Step) -> bool:
    try:
        step()
    except RuntimeError as error:
        if name.startswith("ours"):
            raise
        print(f"{name} does not run: {str(error).splitlines()[0]}")
        return False
    return True


def measure(size: str, options: Namespace, roofline: Roofline | None) -> list[dict]:
    """Rows of the table for one size."""
    steps = variants(size, options)
    timed = {name: step for name, (step, _) in steps.items()}
    seconds = time_steps(timed, options.rounds, torch.device(options.device))
    batch_size = options.batch_size or BATCH_SIZES[size]
    baselines = {n.split()[0]: s for n, s in seconds.items() if n.endswith("eager 32-true")}
    rows = []
    for name in seconds:
        parameters = steps[name][1]
        row = {"size": size, "batch_size": batch_size, "variant": name, "parameters": parameters}
        row |= {"seconds": seconds[name], "samples_per_s": batch_size / seconds[name]}
        row["speedup"] = {
            peer: baseline / seconds[name] for peer, baseline in baselines.items() if peer != "ours"
        }
        if options.memory:
            row["peak_bytes"] = measure_peak_memory(size, name, options)
        if roofline and name.startswith("ours"):
            precision = name.split()[-1]
            traffic = step_traffic(size, batch_size, options.num_points, precision)
            flops = step_flops(size, batch_size, options.num_points)
            row["roofline"] = roofline.achieved(seconds[name], traffic, flops, precision)
        rows.append(row)
    return rows


def print_rows(rows: list[dict]) -> None:
    """One line a variant; ratios are against each peer's eager step in float32."""
    for row in rows:
        ratios = "  ".join(f"{ratio:5.2f}x {peer}" for peer, ratio in row["speedup"].items())
        memory = f"  {row['peak_bytes'] / 2**30:6.2f} GiB" if "peak_bytes" in row else ""
        print(
            f"{row['size']:>5} batch {row['batch_size']:<4} {row['variant']:<34}"
            f"{row['parameters']:>12,}  {row['seconds'] * 1e3:9.1f} ms  "
            f"{row['samples_per_s']:9.1f}/s  {ratios}{memory}"
        )
        if "roofline" in row:
            print(f"{'':17}{row['roofline']['text']}")


def parse() -> Namespace:
    """Command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=["64K", "4M", "64M"])
    parser.add_argument("--peers", nargs="*", default=[], help="neuraloperator reference=PATH")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=["32-true"])
    parser.add_argument(
        "--modes", nargs="+", choices=("eager", "compiled"), default=["eager", "compiled"]
    )
    parser.add_argument("--compile_peers", action="store_true", help="time peers compiled, too")
    parser.add_argument("--batch_size", type=int, help="default: " + str(BATCH_SIZES))
    parser.add_argument("--num_points", type=int, default=128, help="N of the N x N grid")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="on a CPU")
    parser.add_argument("--keep_memory", action="store_true", help="as the `sciml` command does")
    parser.add_argument(
        "--memory",
        action=BooleanOptionalAction,
        default=True,
        help="peak memory, in a fresh process each",
    )
    parser.add_argument("--roofline", action="store_true", help="default on a GPU")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--only", help="one variant by name")
    parser.add_argument(
        "--report_memory", action="store_true", help="print its peak memory, no times"
    )
    return parser.parse_args()


def main() -> None:
    """Measure and print size by size."""
    options = parse()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    if options.keep_memory:
        keep_freed_memory()
    if options.report_memory:
        [(step, parameters)] = variants(options.sizes[0], options).values()
        print(report_peak_memory(step, parameters, torch.device(options.device)))
        return
    device = torch.device(options.device)
    roofline = Roofline.measured(device) if options.roofline or device.type == "cuda" else None
    name = (
        torch.cuda.get_device_name() if device.type == "cuda" else f"{options.threads} CPU threads"
    )
    print(f"torch {torch.__version__}, {name}, {options.num_points}x{options.num_points} points")
    if roofline:
        print(roofline)
    rows = []
    for size in options.sizes:
        rows += measure(size, options, roofline)
        print_rows([row for row in rows if row["size"] == size])
        torch.compiler.reset()
        if options.json:  # after every size: what is measured is kept
            settings = {k: str(v) for k, v in vars(options).items()}
            result = {"settings": settings, "device": name, "rows": rows}
            options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
