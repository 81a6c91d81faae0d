"""The verb: run all checks on all processes, print one table, exit with 1 if something is bad."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch.distributed as dist

from lightning_sciml.doctor.finding import Finding, Verdict, merged, table
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
from lightning_sciml.option_errors import OneLineArgumentParser
from lightning_sciml.paths import expanded

CHECKPOINT_GB = 3.2  # the 256M network: weights and both moments of Adam, in float32
SIGNAL_S = 180  # as in slurm/pretrain.sbatch


def parser() -> argparse.ArgumentParser:
    """Options of the verb."""
    parser = OneLineArgumentParser(
        prog="sciml doctor",
        description="Look at what breaks on clusters. Alone, or with the launcher of the job: "
        "`srun --mpi=pmi2 sciml doctor`, `mpirun -n 4 sciml doctor`.",
    )
    parser.add_argument("--folder", type=Path, default=Path(), help="where runs and data will be")
    parser.add_argument(
        "--checkpoint_gb", type=float, default=CHECKPOINT_GB, help="size of a checkpoint"
    )
    parser.add_argument(
        "--signal_s", type=float, default=SIGNAL_S, help="N of sbatch's --signal=B:USR1@N"
    )
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run the checks; the table is rank 0's."""
    options = parser().parse_args(arguments[1:])
    options.folder = expanded(options.folder)
    here = launched(os.environ)
    comm = mpi_world()
    findings = [check_launch(here), check_mpi(here, comm), *local_findings(here, options)]
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
    if everyone is not None:
        report(merged(everyone))


def local_findings(here: Launch, options: argparse.Namespace) -> list[Finding]:
    """What needs no other process."""
    num_local = None if here.launcher == "none" else here.num_local
    findings = [host(), *check_software(), *check_gpus(num_local)]
    return findings + storage_findings(here, options)


def storage_findings(here: Launch, options: argparse.Namespace) -> list[Finding]:
    """What the folder is like; its speed is measured by one process."""
    unusable = check_folder(options.folder)
    if unusable:
        return [unusable]
    findings = [check_locking(options.folder), check_run_locking(options.folder)]
    if here.rank == 0:
        try:
            bytes_per_s = measure_write_speed(options.folder)
        except OSError as error:
            found = f"{options.folder}: writing {WRITE_BYTES >> 20} MB failed: {error.strerror}"
            return [*findings, Finding("storage", found, Verdict.BAD, "free some space")]
        findings += [
            check_space(options.folder, bytes_per_s),
            check_requeue_clock(bytes_per_s, options.checkpoint_gb, options.signal_s),
        ]
    return findings


def _unconnected(error: Exception) -> Finding:
    remedy = (
        "check that nodes reach each other; name the interface in GLOO_SOCKET_IFNAME and "
        "NCCL_SOCKET_IFNAME, or the address in MASTER_ADDR"
    )
    return Finding("all-reduce", str(error).splitlines()[0][:100], Verdict.BAD, remedy)


def report(findings: Sequence[Finding]) -> None:
    """Print the table and leave."""
    sys.stdout.write(table(findings) + "\n")
    sys.exit(any(f.verdict == Verdict.BAD for f in findings))
