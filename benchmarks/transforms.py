"""Find where the truncated DFT beats the FFT: time of one spectral convolution.

    python benchmarks/transforms.py [--points 64 128 256] [--modes 4 8 16 32] [--device cuda]

The rule of ``transform: auto`` (``lightning_sciml.models.spectral.dft_is_faster``) is read off
these ratios; a star marks where it chooses the slower one.
"""

import time
from argparse import ArgumentParser
from statistics import median

import torch

from lightning_sciml.models.spectral import SpectralConv, dft_is_faster
from lightning_sciml.process_memory import keep_freed_memory

POINTS_PER_BATCH = {"cpu": 16 * 128**2, "cuda": 128 * 128**2}


def time_layers(
    num_points: int, num_modes: int, num_channels: int, device: str
) -> dict[str, float]:
    """Median seconds of forward and backward by transform, taking turns."""
    batch_size = max(1, POINTS_PER_BATCH[device] // num_points**2)
    shape = (batch_size, num_channels, num_points, num_points)
    field = torch.randn(shape, device=device, requires_grad=True)
    cotangent = torch.randn(shape, device=device)
    layers = {
        name: SpectralConv(num_channels, num_channels, num_modes, name).to(device)
        for name in ("dft", "fft")
    }
    seconds: dict[str, list[float]] = {name: [] for name in layers}
    for _ in range(8):
        for name, layer in layers.items():
            field.grad = layer.weight.grad = None
            _synchronise(device)
            started_at = time.perf_counter()
            layer(field).backward(cotangent)
            _synchronise(device)
            seconds[name].append(time.perf_counter() - started_at)
    return {name: median(values[2:]) for name, values in seconds.items()}


def _synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Print a table: rows N, columns m."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--points", nargs="+", type=int, default=[64, 128, 256, 512])
    parser.add_argument("--modes", nargs="+", type=int, default=[4, 8, 16, 24, 32, 48, 64])
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    keep_freed_memory()
    print("dft / fft in ms, ratio; below 1 the truncated DFT is faster")
    for num_points in options.points:
        for num_modes in (m for m in options.modes if 2 * m <= num_points):
            t = time_layers(num_points, num_modes, options.channels, options.device)
            ratio = t["dft"] / t["fft"]
            wrong = dft_is_faster(num_points, num_modes) != (ratio < 1)
            print(
                f"N={num_points:<5} m={num_modes:<4} {t['dft'] * 1e3:8.2f} / {t['fft'] * 1e3:8.2f}"
                f"  {ratio:5.2f}{' *' if wrong else ''}"
            )


if __name__ == "__main__":
    main()
