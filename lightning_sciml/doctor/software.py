"""This host: its versions, and the GPUs that this process sees."""

import os
import platform
import shutil
import socket
import subprocess
from importlib.metadata import version

import h5py
import torch

from lightning_sciml.doctor.finding import Finding, Verdict, failed


def check_software() -> list[Finding]:
    """Name the host, and report the versions that must agree over all nodes."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "lightning", "h5py"))
    return [
        Finding("host", f"{socket.gethostname()}, {len(os.sched_getaffinity(0))} cores"),
        Finding("software", f"Python {platform.python_version()}, {packages}", must_agree=True),
        Finding("HDF5", h5py.version.hdf5_version, must_agree=True),
    ]


def check_gpus(num_local_processes: int | None) -> Finding:
    """Check for one process a GPU, and for a torch that can use them.

    Args:
        num_local_processes: on this node; None without a launcher: training then starts its own.
    """
    try:
        driver = driver_version()
    except (OSError, subprocess.SubprocessError) as error:
        return failed("GPUs", error, "repair nvidia-smi on this node, or take another node")
    num_gpus = torch.cuda.device_count()
    if driver and not num_gpus:
        found = f"driver {driver}, torch for CUDA {torch.version.cuda}, none usable"
        remedy = "install a torch whose CUDA the driver supports, or ask SLURM for GPUs"
        return Finding("GPUs", found, Verdict.BAD, remedy)
    if not num_gpus:
        return Finding("GPUs", "none: training runs on CPUs")
    versions = f"driver {driver}, CUDA {torch.version.cuda}"
    if num_local_processes is None:
        return Finding("GPUs", f"{num_gpus}, {versions}")
    found = f"{num_gpus} for {num_local_processes} processes on the node, {versions}"
    if num_gpus == num_local_processes:
        return Finding("GPUs", found)
    remedy = (
        f"start one process a GPU: --ntasks-per-node={num_gpus}, and --gpu-bind=none if the "
        "site binds each task to one"
    )
    return Finding("GPUs", found, Verdict.BAD, remedy)


def driver_version() -> str:
    """Read the version of NVIDIA's driver; empty where there is none.

    Raises:
        OSError, subprocess.SubprocessError: nvidia-smi is there and does not run.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    query = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    result = subprocess.run(query, capture_output=True, check=False, timeout=60)
    said = result.stdout.decode(errors="replace").partition("\n")[0]
    return said.strip() if result.returncode == 0 else ""
