"""Compare a step with what the device can do: measured copy bandwidth and matmul rate."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode

from lightning_sciml.models.fno import FNO, SIZES

NUM_BLOCKS = 4
ADAM_PASSES = 7  # reads weight, gradient and two moments, writes weight and moments


@dataclass(frozen=True)
class Roofline:
    """Rates of a device.

    Attributes:
        bandwidth: bytes/s of a large copy, read and write counted.
        matmul_rates: FLOP/s of a large square matrix product by precision.
    """

    bandwidth: float
    matmul_rates: dict[str, float]

    @classmethod
    def measured(cls, device: torch.device) -> "Roofline":
        """Measure on this device."""
        large = device.type == "cuda"
        source = torch.randn(2**28 if large else 2**24, device=device)
        target = torch.empty_like(source)
        seconds = _seconds(lambda: target.copy_(source), device)
        rates = {}
        for precision in ("32-true", "tf32", "bf16-mixed"):
            n = 8192 if large else 2048
            dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
            a, b = torch.randn(2, n, n, device=device).to(dtype)
            torch.set_float32_matmul_precision("highest" if precision == "32-true" else "high")
            multiply = partial(torch.mm, a, b, out=torch.empty_like(a))
            rates[precision] = 2 * n**3 / _seconds(multiply, device)
        return cls(2 * source.nbytes / seconds, rates)

    def __str__(self) -> str:
        rates = ", ".join(f"{k} {v / 1e12:.3g} TFLOP/s" for k, v in self.matmul_rates.items())
        return f"copy {self.bandwidth / 1e9:.4g} GB/s; matmul {rates}"

    def achieved(self, seconds: float, traffic: float, flops: float, precision: str) -> dict:
        """Bytes/s and FLOP/s of a step, absolute and as fractions of the device's rates."""
        bandwidth, rate = traffic / seconds, flops / seconds
        fraction = bandwidth / self.bandwidth
        flop_fraction = rate / self.matmul_rates[precision]
        text = (
            f"{bandwidth / 1e9:.4g} GB/s = {fraction:.0%} of copy bandwidth, "
            f"{rate / 1e12:.3g} TFLOP/s = {flop_fraction:.0%} of matmul rate"
        )
        return {"bytes_per_s": bandwidth, "bandwidth_fraction": fraction, "flop_per_s": rate} | {
            "flop_fraction": flop_fraction,
            "text": text,
        }


def step_flops(size: str, batch_size: int, num_points: int) -> int:
    """FLOPs of forward and backward in matrix products, as torch counts them in eager mode.

    Counted for one and for two samples: linear in the batch, apart from what weights alone cost.
    """
    network = FNO(size=size, transform="dft")  # type: ignore[arg-type]
    counts = []
    for num_samples in (1, 2):
        source = torch.randn(num_samples, 1, num_points, num_points)
        with FlopCounterMode(display=False) as counter:
            network(source, torch.randn(num_samples, 3)).sum().backward()
        counts.append(counter.get_total_flops())
    one, two = counts
    return one + (batch_size - 1) * (two - one)


def step_traffic(size: str, batch_size: int, num_points: int, precision: str) -> float:
    """Bytes a step must move when each kernel reads its operands and writes its result once.

    Counted in fields of C channels, for the fused graph:

    - block, forward: x-transform reads v; skip reads v, writes; inverse writes; sum and GELU
      read both, write activation and pre-activation: 7 (first block, of one channel: 3; last, no
      GELU: 6);
    - block, backward: sum and GELU' read two gradients and the pre-activation, write: 4 (last: 0);
      the skip's weight gradient reads 2 (first: 1), its input gradient reads 1 and writes 1
      (first: 0), inverse transform reads 1, forward transform writes 1 (first: 0);
    - projection (2C hidden channels): 2 + 1 fields and 6 of double width;
    - truncated rows between the transforms: 2m/N of a field, written and read, four times a block;
    - spectral weights: read forward and backward, gradient written, and Adam.
    """
    num_channels, num_modes = SIZES[size]
    field = batch_size * num_channels * num_points**2 * (2 if precision == "bf16-mixed" else 4)
    forward = 3 + 7 * (NUM_BLOCKS - 2) + 6
    backward = (4 + 1 + 1) + (4 + 2 + 2 + 2) * (NUM_BLOCKS - 2) + (2 + 2 + 2)
    projection = 3 + 2 * 6
    rows = 8 * NUM_BLOCKS * 2 * num_modes / num_points
    weights = 4 * NUM_BLOCKS * 4 * num_modes**2 * num_channels**2
    return field * (forward + backward + projection + rows) + weights * (3 + ADAM_PASSES)


def _seconds(function: Callable[[], object], device: torch.device) -> float:
    times = []
    for _ in range(12):
        if device.type == "cuda":
            torch.cuda.synchronize()
        started_at = time.perf_counter()
        function()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started_at)
    return median(times[2:])
