"""Peak memory of a training step, measured in a process of its own."""

import ctypes
import re
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import torch

BYTES_BESIDES_ACTIVATIONS = 12  # a float32 parameter and its two Adam moments


def measure_peak_memory(size: str, variant: str, options: Namespace) -> int:
    """Bytes at the peak of a step of one variant."""
    command = [sys.executable, str(Path(__file__).with_name("fno_step.py")), "--sizes", size]
    command += ["--only", variant, "--report_memory", "--device", options.device]
    command += ["--num_points", str(options.num_points), "--threads", str(options.threads)]
    command += ["--peers", *options.peers, "--precisions", *options.precisions]
    if options.batch_size:
        command += ["--batch_size", str(options.batch_size)]
    if options.compile_peers:
        command.append("--compile_peers")
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(result.stdout.split()[-1])


def report_peak_memory(step: Callable[[], None], num_parameters: int, device: torch.device) -> int:
    """Parameters, Adam's moments, and what one warmed-up step adds: gradients and activations.

    On a CPU the rise of the resident set over the step, so neither libraries nor a compiler count.
    """
    for _ in range(2):
        step()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        step()
        return torch.cuda.max_memory_allocated()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    held_gradients = 4 * num_parameters  # of the step before; freed as this one begins
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    before = _status("VmRSS")
    step()
    rise = _status("VmHWM") - before + held_gradients
    return BYTES_BESIDES_ACTIVATIONS * num_parameters + rise


def _status(key: str) -> int:
    text = Path("/proc/self/status").read_text()
    match = re.search(rf"{key}:\s+(\d+) kB", text)
    if match is None:
        raise RuntimeError(f"/proc/self/status has no {key}; peak memory needs Linux")
    return 1024 * int(match[1])
