"""The file systems of data and runs: locking, speed, space, and the time a checkpoint takes."""

import fcntl
import os
import shutil
import socket
import tempfile
from pathlib import Path
from time import perf_counter

import h5py

from lightning_sciml.doctor.finding import Finding, Verdict

WRITE_BYTES = 256 * 2**20
SLURM_DELAY_S = 60  # by which --signal may come late


def check_folder(folder: Path) -> Finding | None:
    """Check that files can be written there; None if they can."""
    try:
        with tempfile.TemporaryFile(prefix=".doctor-", dir=folder):
            return None
    except OSError as error:
        remedy = "make it a folder that can be written, or name another with --folder"
        return Finding("storage", f"{folder}: {error.strerror}", Verdict.BAD, remedy)


def check_locking(folder: Path) -> Finding:
    """Check that HDF5 can lock files there, which it tries whenever it opens one."""
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as directory:
        path = Path(directory) / "probe.h5"
        try:
            with h5py.File(path, "w", locking=True) as file:
                file["x"] = 1.0
            with h5py.File(path, locking=True), h5py.File(path, locking=True):
                return Finding("HDF5 locking", f"works in {folder}")
        except OSError as error:
            remedy = "export HDF5_USE_FILE_LOCKING=FALSE in the site file"
            return Finding("HDF5 locking", f"fails: {error}"[:100], Verdict.WARNING, remedy)


def check_run_locking(folder: Path) -> Finding:
    """Check that flock, which keeps two processes of a study off one run, works on this node."""
    remedy = (
        "a study runs without locks here: start it once at a time, or put it on another file system"
    )
    with tempfile.NamedTemporaryFile(prefix=".doctor-", dir=folder) as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return Finding("run locking", f"fails: {error}", Verdict.WARNING, remedy)
        with Path(held.name).open("r+") as second:
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return Finding("run locking", f"flock works in {folder}")
            return Finding(
                "run locking", "flock excludes no second process", Verdict.WARNING, remedy
            )


def measure_write_speed(folder: Path) -> float:
    """Measure bytes a second that reach the disk, fsync included, from this process alone."""
    block = os.urandom(2**20)
    with tempfile.TemporaryFile(prefix=".doctor-", dir=folder) as file:
        started_at = perf_counter()
        for _ in range(WRITE_BYTES // len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        return WRITE_BYTES / (perf_counter() - started_at)


def check_space(folder: Path, bytes_per_s: float) -> Finding:
    """Report speed and space where a run writes."""
    usage = shutil.disk_usage(folder)
    found = f"{folder}: {bytes_per_s / 1e6:.0f} MB/s, {usage.free / 1e9:.0f} GB free"
    if usage.free < 0.05 * usage.total or usage.free < 10 * WRITE_BYTES:
        return Finding("storage", found, Verdict.WARNING, "free some space or name another folder")
    return Finding("storage", found)


def check_requeue_clock(bytes_per_s: float, checkpoint_gb: float, signal_s: float) -> Finding:
    """Check that a checkpoint is written between SLURM's signal and the end of the job."""
    write_s = checkpoint_gb * 1e9 / bytes_per_s
    left_s = signal_s - SLURM_DELAY_S - write_s
    found = (
        f"signal {signal_s:.0f} s before the end, {SLURM_DELAY_S} s of them SLURM's delay, "
        f"{write_s:.0f} s to write {checkpoint_gb:.1f} GB"
    )
    if left_s < 0:
        wanted = f"--signal=B:USR1@{2 * (SLURM_DELAY_S + write_s):.0f}"
        return Finding("requeue", found, Verdict.BAD, f"give sbatch {wanted}, or a faster folder")
    return Finding("requeue", f"{found}, {left_s:.0f} s left for a validation")


def host() -> Finding:
    """Name the host of this process."""
    return Finding("host", f"{socket.gethostname()}, {len(os.sched_getaffinity(0))} cores")
