"""Run the checks of a machine on all processes and bring their findings together."""

import os
import subprocess
from functools import partial
from pathlib import Path

import torch.distributed as dist

from lightning_sciml.doctor.finding import Finding, Verdict, merged
from lightning_sciml.doctor.processes import (
    check_all_reduce,
    check_launch,
    check_mpi,
    gathered,
    meet,
    mpi_world,
)
from lightning_sciml.doctor.software import check_gpus, check_software
from lightning_sciml.doctor.storage import (
    WRITE_BYTES,
    check_folder,
    check_locking,
    check_requeue_clock,
    check_run_locking,
    check_space,
    host,
    measure_write_speed,
)
from lightning_sciml.launcher import Launch, launched


def examine(*, folder: Path, checkpoint_gb: float, signal_s: float) -> list[Finding] | None:
    """Run all checks on all processes; on rank 0, what was found."""
    storage = partial(
        storage_findings, folder=folder, checkpoint_gb=checkpoint_gb, signal_s=signal_s
    )
    here = launched(os.environ)
    comm = mpi_world()
    findings = [check_launch(here), check_mpi(here, comm), *local_findings(here), *storage(here)]
    try:
        meet(here, comm)
        all_reduce = check_all_reduce(here)
        findings += [all_reduce] if here.rank == 0 else []
        everyone = gathered(findings, here)
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        findings.append(_unconnected(error))
        everyone = [findings] if here.rank == 0 else None
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
    return None if everyone is None else merged(everyone)


def local_findings(here: Launch) -> list[Finding]:
    """Check this host and its software."""
    num_local = None if here.launcher == "none" else here.num_local
    return [host(), *check_software(), *check_gpus(num_local)]


def storage_findings(
    here: Launch, *, folder: Path, checkpoint_gb: float, signal_s: float
) -> list[Finding]:
    """Check the folder; one process measures its speed."""
    if unusable := check_folder(folder):
        return [unusable]
    findings = [check_locking(folder), check_run_locking(folder)]
    if here.rank == 0:
        try:
            bytes_per_s = measure_write_speed(folder)
        except OSError as error:
            found = f"{folder}: writing {WRITE_BYTES >> 20} MB failed: {error.strerror}"
            return [*findings, Finding("storage", found, Verdict.BAD, "free some space")]
        findings += [
            check_space(folder, bytes_per_s),
            check_requeue_clock(bytes_per_s, checkpoint_gb, signal_s),
        ]
    return findings


def _unconnected(error: Exception) -> Finding:
    remedy = (
        "check that nodes reach each other; name the interface in GLOO_SOCKET_IFNAME and "
        "NCCL_SOCKET_IFNAME, or the address in MASTER_ADDR"
    )
    return Finding("all-reduce", str(error).splitlines()[0][:100], Verdict.BAD, remedy)
