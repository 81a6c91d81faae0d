"""Versions, and the GPUs that this process sees."""

import platform
import shutil
import subprocess
from importlib.metadata import version

import h5py
import torch

from lightning_sciml.doctor.finding import Finding, Verdict


def check_software() -> list[Finding]:
    """Report the versions that must agree over all nodes."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "lightning", "h5py"))
    return [
        Finding("software", f"Python {platform.python_version()}, {packages}", must_agree=True),
        Finding("HDF5", h5py.version.hdf5_version, must_agree=True),
    ]


def check_gpus(num_local_processes: int | None) -> list[Finding]:
    """Check for one process a GPU, and for a torch that can use them.

    Args:
        num_local_processes: on this node; None without a launcher: training then starts its own.
    """
    driver = driver_version()
    num_gpus = torch.cuda.device_count()
    if driver and not num_gpus:
        return [
            Finding(
                "GPUs",
                f"driver {driver}, torch for CUDA {torch.version.cuda}, none usable",
                Verdict.BAD,
                "install a torch whose CUDA the driver supports, or ask SLURM for GPUs",
            )
        ]
    if not num_gpus:
        return [Finding("GPUs", "none: training runs on CPUs")]
    versions = f"driver {driver}, CUDA {torch.version.cuda}"
    if num_local_processes is None:
        return [Finding("GPUs", f"{num_gpus}, {versions}")]
    found = f"{num_gpus} for {num_local_processes} processes on the node, {versions}"
    if num_gpus != num_local_processes:
        remedy = (
            f"start one process a GPU: --ntasks-per-node={num_gpus}, and --gpu-bind=none if the "
            "site binds each task to one"
        )
        return [Finding("GPUs", found, Verdict.BAD, remedy)]
    return [Finding("GPUs", found)]


def driver_version() -> str:
    """Read the version of NVIDIA's driver; empty where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    query = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    result = subprocess.run(query, capture_output=True, text=True, check=False, timeout=60)
    return result.stdout.split("\n")[0].strip() if result.returncode == 0 else ""
