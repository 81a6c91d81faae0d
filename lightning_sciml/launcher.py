"""How many nodes and processes a launcher has started, by its own account.

A trainer that believes something else than its launcher trains several models at once, each taking
itself for the only one, into the same files; so the launcher is asked, and YAML is not.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from lightning_sciml.errors import InputError

# Lightning takes a job of these names for a shell in which someone types, and ignores SLURM.
INTERACTIVE_JOB_NAMES = ("bash", "interactive")
# What Lightning learns its node from without torchrun and SLURM: by hand, Kubeflow, LSF.
NODE_KNOWN_BY = ("NODE_RANK", "GROUP_RANK", "MASTER_ADDR", "JSM_NAMESPACE_RANK")
MPI_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_SIZE")


@dataclass(frozen=True, kw_only=True)
class Topology:
    """Processes of a run.

    Attributes:
        launcher: the command that started them.
        num_nodes: nodes.
        devices: processes on each node, one a GPU.
    """

    launcher: str
    num_nodes: int
    devices: int

    @property
    def world_size(self) -> int:
        """Processes over all nodes."""
        return self.num_nodes * self.devices

    def __str__(self) -> str:
        return f"{self.num_nodes} nodes × {self.devices} processes, started by {self.launcher}"


def topology(environment: Mapping[str, str]) -> Topology | None:
    """What torchrun or srun has started; None where Lightning starts the processes itself.

    Raises:
        InputError: several processes that would not find each other.
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        return _torchrun(environment)
    # mpirun starts itself by srun inside a job, once a node: its ranks are more than srun's tasks
    num_ranks = max(int(environment.get(name, 1)) for name in MPI_SIZES)
    if num_ranks > int(environment.get("SLURM_STEP_NUM_TASKS", 1)):
        raise InputError(
            f"training is started by srun, by torchrun or alone, got {num_ranks} processes of "
            "mpirun; write `torchrun --nproc-per-node N -m lightning_sciml.cli …`"
        )
    if "SLURM_STEP_ID" in environment:
        return _srun(environment)
    num_tasks = int(environment.get("SLURM_NTASKS", 1))
    if num_tasks > 1 and not _is_interactive(environment):
        raise InputError(
            f"this job has {num_tasks} SLURM tasks, but sciml was started once and not by srun; "
            "write `srun sciml …`, or `srun --ntasks=1 sciml …` for one process"
        )
    return None


def _is_interactive(environment: Mapping[str, str]) -> bool:
    return environment.get("SLURM_JOB_NAME") in INTERACTIVE_JOB_NAMES


def _torchrun(environment: Mapping[str, str]) -> Topology:
    world_size, devices = int(environment["WORLD_SIZE"]), int(environment["LOCAL_WORLD_SIZE"])
    return _even("torchrun", "--nproc-per-node", world_size, world_size // devices, devices)


def _srun(environment: Mapping[str, str]) -> Topology | None:
    num_tasks = int(environment["SLURM_STEP_NUM_TASKS"])
    num_nodes = int(environment["SLURM_STEP_NUM_NODES"])
    if not _is_interactive(environment):
        devices = num_tasks // num_nodes
        return _even("srun", "--ntasks-per-node", num_tasks, num_nodes, devices)
    if num_tasks > 1:
        raise InputError(
            f"a job named {environment['SLURM_JOB_NAME']!r} counts as a shell, its {num_tasks} "
            "tasks would each train alone; add --job-name=train to srun"
        )
    return None


def describe_step(environment: MutableMapping[str, str], started: Topology) -> None:
    """Let Lightning see the processes of this step of srun, and not those of the whole job.

    Lightning takes `--ntasks` alone for a mistake, and compares with what sbatch was given.
    """
    if started.launcher == "srun":
        environment["SLURM_NTASKS"] = str(started.world_size)
        environment["SLURM_NTASKS_PER_NODE"] = str(started.devices)
        environment["SLURM_NNODES"] = str(started.num_nodes)


def reject_other_devices(started: Topology, wanted: int | None) -> None:
    """Raise an InputError where one process was started and several devices are asked for.

    Several processes follow their launcher, whatever the configuration says: it is the same on a
    laptop and on a cluster.

    Args:
        started: by the launcher.
        wanted: processes on a node by the option `devices`; None where it leaves that open.
    """
    if started.world_size == 1 and wanted is not None and wanted > 1:
        raise InputError(
            f"trainer.devices asks for {wanted} processes, {started.launcher} started 1; start "
            f"{wanted} on each node, or give --trainer.devices 1"
        )


def _even(launcher: str, flag: str, num_processes: int, num_nodes: int, devices: int) -> Topology:
    if num_nodes * devices != num_processes:
        raise InputError(
            f"as many processes on each node are wanted, {launcher} started {num_processes} on "
            f"{num_nodes} nodes; give {flag}"
        )
    return Topology(launcher=launcher, num_nodes=num_nodes, devices=devices)


def is_restart(environment: Mapping[str, str]) -> bool:
    """Whether SLURM or torchrun starts the same command again, after it was stopped or died."""
    counts = ("SLURM_RESTART_COUNT", "TORCHELASTIC_RESTART_COUNT")
    return any(int(environment.get(name) or 0) > 0 for name in counts)


def reject_single_node(environment: Mapping[str, str], num_nodes: int) -> None:
    """Raise an InputError where no launcher has started `num_nodes` and nobody says which this is.

    It would wait for the others until the time is out.
    """
    is_told = any(name in environment for name in NODE_KNOWN_BY)
    if num_nodes > 1 and not is_told:
        raise InputError(
            f"num_nodes={num_nodes} needs processes on each node, got this one alone; start it by "
            "srun (slurm/pretrain.sbatch) or torchrun (launch/torchrun.sh), which set num_nodes, "
            "or set NODE_RANK, MASTER_ADDR and MASTER_PORT on each"
        )
