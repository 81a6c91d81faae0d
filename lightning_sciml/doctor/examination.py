"""Run the checks of a machine on all processes and bring their findings together."""

import os
from pathlib import Path

import torch.distributed as dist

from lightning_sciml.doctor.finding import Finding, Verdict, failed, merged
from lightning_sciml.doctor.processes import (
    check_all_reduce,
    check_launch,
    check_mpi,
    meet,
    mpi_world,
)
from lightning_sciml.doctor.software import check_gpus, check_software
from lightning_sciml.doctor.storage import storage_findings
from lightning_sciml.errors import InputError
from lightning_sciml.launcher import Launch, launched


def examine(*, folder: Path, checkpoint_gb: float, signal_s: float) -> list[Finding] | None:
    """Run all checks on all processes; on rank 0, what was found."""
    try:
        here = launched(os.environ)
        findings = [check_launch(here)]
    except InputError as error:
        found, _, remedy = str(error).partition("; ")
        here, findings = Launch(launcher="none"), [Finding("launcher", found, Verdict.BAD, remedy)]
    comm = mpi_world()
    findings += [check_mpi(here, comm), *local_findings(here)]
    findings += storage_findings(
        here, folder=folder, checkpoint_gb=checkpoint_gb, signal_s=signal_s
    )
    try:
        meet(here, comm)
        all_reduce = check_all_reduce(here)
        findings += [all_reduce] if here.rank == 0 else []
        everyone = [findings] * here.size if here.rank == 0 else None
        dist.gather_object(findings, everyone)
    except Exception as error:  # of torch, MPI, SLURM or the network
        remedy = (
            "check that nodes reach each other; name the interface in GLOO_SOCKET_IFNAME and "
            "NCCL_SOCKET_IFNAME, or the address in MASTER_ADDR"
        )
        findings.append(failed("all-reduce", error, remedy))
        everyone = [findings] if here.rank == 0 else None
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
    return None if everyone is None else merged(everyone)


def local_findings(here: Launch) -> list[Finding]:
    """Check this host and its software."""
    num_local = None if here.launcher == "none" else here.num_local
    return [*check_software(), check_gpus(num_local)]
