"""`sciml doctor`: check the machine, print one table, exit with 1 if something is bad."""

import sys
from collections.abc import Sequence

from lightning_sciml.commands import call
from lightning_sciml.errors import reject_below
from lightning_sciml.paths import expanded

CHECKPOINT_GB = 3.2  # the 256M network: weights and both moments of Adam, in float32
SIGNAL_S = 180.0  # as in slurm/pretrain.sbatch


def doctor(
    *, folder: str = ".", checkpoint_gb: float = CHECKPOINT_GB, signal_s: float = SIGNAL_S
) -> None:
    """Look for what breaks on clusters; `srun sciml doctor` looks with the job's launcher.

    Args:
        folder: Folder where runs and data will be: its disk is tried.
        checkpoint_gb: Gigabytes of a checkpoint, which has to be written before a job ends.
        signal_s: Seconds before the end of a job in which SLURM asks it to stop: N of sbatch's
            --signal=B:USR1@N.

    Examples:
        sciml doctor
        srun --ntasks-per-node=2 sciml doctor --folder runs
    """
    where = expanded(folder)
    reject_below(0, checkpoint_gb=checkpoint_gb, signal_s=signal_s)
    from lightning_sciml.doctor.examination import examine
    from lightning_sciml.doctor.finding import Verdict, table

    found = examine(folder=where, checkpoint_gb=checkpoint_gb, signal_s=signal_s)
    if found is not None:
        sys.stdout.write(table(found) + "\n")
        sys.exit(any(finding.verdict == Verdict.BAD for finding in found))


def main(arguments: Sequence[str]) -> None:
    """Run `sciml doctor`."""
    call(doctor, arguments[1:], "sciml doctor")
