"""The file systems of data and runs: locking, speed, space, and the time a checkpoint takes."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from time import perf_counter

import h5py

from lightning_sciml.doctor.finding import Finding, Verdict
from lightning_sciml.launcher import Launch

WRITE_BYTES = 256 * 2**20
SLURM_DELAY_S = 60  # by which --signal may come late


def storage_findings(
    here: Launch, *, folder: Path, checkpoint_gb: float, signal_s: float
) -> list[Finding]:
    """Check the folder; rank 0 measures its speed."""
    try:
        with tempfile.TemporaryFile(prefix=".doctor-", dir=folder):
            pass
    except OSError as error:
        remedy = "make it a folder that can be written, or name another with --folder"
        return [Finding("storage", f"{folder}: {error.strerror}", Verdict.BAD, remedy)]
    findings = [check_locking(folder), check_run_locking(folder)]
    if here.rank > 0:
        return findings
    try:
        bytes_per_s = measure_write_speed(folder)
    except OSError as error:
        found = f"{folder}: writing {WRITE_BYTES >> 20} MB failed: {error.strerror}"
        return [*findings, Finding("storage", found, Verdict.BAD, "free some space")]
    clock = check_requeue_clock(bytes_per_s, checkpoint_gb, signal_s)
    return [*findings, check_space(folder, bytes_per_s), clock]


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
    found = "flock excludes no second process"
    with tempfile.NamedTemporaryFile(prefix=".doctor-", dir=folder) as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with Path(held.name).open("r+") as second:
                try:
                    fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return Finding("run locking", f"flock works in {folder}")
        except OSError as error:
            found = f"fails: {error}"
    remedy = (
        "a study runs without locks here: start it once at a time, or put it on another file system"
    )
    return Finding("run locking", found, Verdict.WARNING, remedy)


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
