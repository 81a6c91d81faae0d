"""Who started this process: srun, torchrun, mpirun, Lightning or none of them.

A trainer that believes something else than its launcher trains several models at once, each taking
itself for the only one, into the same files; so the launcher decides, and YAML does not.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import NamedTuple

from lightning_sciml.errors import InputError

Environment = Mapping[str, str]


class _Variables(NamedTuple):
    """Names of a launcher; `share`: of the processes on a node, for srun of the nodes."""

    known_by: str
    size: str
    rank: str
    local_rank: str
    share: str


LAUNCHERS = {
    "torchrun": _Variables(
        "TORCHELASTIC_RUN_ID", "WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"
    ),
    "mpirun of Open MPI": _Variables(
        "OMPI_COMM_WORLD_SIZE",
        *(f"OMPI_COMM_WORLD_{name}" for name in ("SIZE", "RANK", "LOCAL_RANK", "LOCAL_SIZE")),
    ),
    "mpirun": _Variables("PMI_SIZE", "PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
    "srun": _Variables(
        "SLURM_STEP_NUM_TASKS",
        *("SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_NODES"),
    ),
}
# Lightning takes a job of these names for a shell in which someone types, and ignores SLURM.
INTERACTIVE_JOB_NAMES = ("bash", "interactive")
# What Lightning learns its node from without torchrun and SLURM: by hand, Kubeflow, LSF.
NODE_KNOWN_BY = ("NODE_RANK", "GROUP_RANK", "MASTER_ADDR", "JSM_NAMESPACE_RANK")
RESTART_COUNTS = ("SLURM_RESTART_COUNT", "TORCHELASTIC_RESTART_COUNT")


@dataclass(frozen=True, kw_only=True)
class Launch:
    """This process among those that a launcher has started.

    Attributes:
        launcher: the command, "none" without one.
        size: processes.
        rank: number of this one.
        local_rank: its number on the node.
        num_nodes: nodes.
    """

    launcher: str
    size: int = 1
    rank: int = 0
    local_rank: int = 0
    num_nodes: int = 1

    @property
    def num_local(self) -> int:
        """Processes on a node, at most."""
        return -(-self.size // self.num_nodes)

    def __str__(self) -> str:
        return f"{self.num_nodes} nodes × {self.num_local} processes, started by {self.launcher}"


class Place(NamedTuple):
    """Node of this process, its number there, and a word that differs between launches."""

    node: int
    local_rank: int
    launch: str


def launched(environment: Environment) -> Launch:
    """Read who has started this process, and as which of how many.

    mpirun starts itself by srun inside a job, once a node: of several launchers the one with the
    most processes counts. `srun --mpi=pmi2` sets part of mpirun's variables: of equal numbers, the
    launcher that says more counts.

    Raises:
        InputError: a variable is missing or holds no number that makes sense.
    """
    known = {k: v for k, v in LAUNCHERS.items() if v.known_by in environment}
    found = [_launch(launcher, names, environment) for launcher, names in known.items()]
    if not found:
        return Launch(launcher="none")

    def trust(launch: Launch) -> tuple[bool, int, int]:
        num_said = sum(name in environment for name in known[launch.launcher])
        return (launch.launcher == "torchrun", launch.size, num_said)

    return max(found, key=trust)


def _launch(launcher: str, names: _Variables, environment: Environment) -> Launch:
    size = _number(environment, names.size, least=1)
    rank, local_rank = (_number(environment, n, 0) for n in (names.rank, names.local_rank))
    if rank >= size:
        raise InputError(
            f"the environment has {names.rank}={rank} of {names.size}={size} processes, wanted "
            f"less; start by {launcher}, or unset both"
        )
    share = _number(environment, names.share, 1 if launcher == "srun" else size, least=1)
    num_nodes = share if launcher == "srun" else -(-size // share)
    return Launch(
        launcher=launcher, size=size, rank=rank, local_rank=local_rank, num_nodes=num_nodes
    )


def _number(
    environment: Environment, name: str, default: int | None = None, *, least: int = 0
) -> int:
    """Read a number that a launcher has set."""
    text = environment.get(name) or str("" if default is None else default)
    if not text.isdecimal() or int(text) < least:
        raise InputError(
            f"the environment has {name}={text!r}, wanted a whole number of at least {least}; "
            "start by the launcher that sets it, or unset all of its variables"
        )
    return int(text)


def lightning_rank(environment: Environment) -> int | None:
    """Number of this process where Lightning has started it, without a launcher; else None."""
    is_started = "LOCAL_RANK" in environment and "RANK" not in environment
    return _number(environment, "LOCAL_RANK") if is_started else None


def is_interactive(environment: Environment) -> bool:
    """Whether Lightning takes the SLURM job for a shell in which someone types."""
    return environment.get("SLURM_JOB_NAME") in INTERACTIVE_JOB_NAMES


def is_restart(environment: Environment) -> bool:
    """Whether SLURM or torchrun starts the same command again, after it was stopped or died."""
    return any(_number(environment, name, 0) > 0 for name in RESTART_COUNTS)


def allocation(environment: Environment) -> tuple[str, int] | None:
    """Nodes (as SLURM abbreviates them) and number of the SLURM job; None outside of one."""
    if "SLURM_JOB_NODELIST" not in environment:
        return None
    return environment["SLURM_JOB_NODELIST"], _number(environment, "SLURM_JOB_ID")


def place(environment: Environment) -> Place:
    """Read the node of this process, as srun or torchrun numbers it."""
    if "TORCHELASTIC_RUN_ID" in environment:
        names = ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "MASTER_PORT")
        node = _number(environment, "GROUP_RANK")
    else:
        names = ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT")
        node = _number(environment, "SLURM_NODEID")
    launch = "-".join(environment.get(name, "0") for name in names)
    return Place(node, launched(environment).local_rank, launch)


def training_launch(environment: Environment) -> Launch | None:
    """Read what torchrun or srun has started; None where Lightning starts the processes itself.

    Raises:
        InputError: several processes that would not find each other.
    """
    here = launched(environment)
    if here.launcher.startswith("mpirun") and here.size > 1:
        raise InputError(
            f"training is started by srun, by torchrun or alone, got {here.size} processes of "
            "mpirun; write `torchrun --nproc-per-node N -m lightning_sciml.cli …`"
        )
    flag = {"torchrun": "--nproc-per-node", "srun": "--ntasks-per-node"}.get(here.launcher)
    if flag and (here.launcher == "torchrun" or not is_interactive(environment)):
        if here.size % here.num_nodes:
            raise InputError(
                f"each node needs the same number of processes, {here.launcher} started "
                f"{here.size} on {here.num_nodes} nodes; give {flag}"
            )
        return here
    if here.launcher == "srun" and here.size > 1:
        raise InputError(
            f"a job named {environment['SLURM_JOB_NAME']!r} counts as a shell, its {here.size} "
            "tasks would each train alone; add --job-name=train to srun"
        )
    num_tasks = _number(environment, "SLURM_NTASKS", 1)
    if here.launcher != "srun" and num_tasks > 1 and not is_interactive(environment):
        raise InputError(
            f"this job has {num_tasks} SLURM tasks, but sciml was started once and not by srun; "
            "write `srun sciml …`, or `srun --ntasks=1 sciml …` for one process"
        )
    return None


def describe_step(environment: MutableMapping[str, str], started: Launch) -> None:
    """Let Lightning see the processes of this step of srun, and not those of the whole job.

    Lightning takes `--ntasks` alone for a mistake, and compares with what sbatch was given.
    """
    if started.launcher == "srun":
        environment["SLURM_NTASKS"] = str(started.size)
        environment["SLURM_NTASKS_PER_NODE"] = str(started.num_local)
        environment["SLURM_NNODES"] = str(started.num_nodes)


def reject_other_devices(started: Launch, wanted: int | None) -> None:
    """Raise an InputError where one process was started and several devices are asked for.

    Several processes follow their launcher, whatever the configuration says: it is the same on a
    laptop and on a cluster.

    Args:
        started: by the launcher.
        wanted: processes on a node by the option `devices`; None where it leaves that open.
    """
    if started.size == 1 and wanted is not None and wanted > 1:
        raise InputError(
            f"trainer.devices asks for {wanted} processes, {started.launcher} started 1; start "
            f"{wanted} on each node, or give --trainer.devices 1"
        )


def reject_single_node(environment: Environment, num_nodes: int) -> None:
    """Raise an InputError where `num_nodes` are wanted and no launcher says which one this is.

    The process would wait for the others until its time is out.
    """
    is_told = any(name in environment for name in NODE_KNOWN_BY)
    if num_nodes > 1 and not is_told:
        raise InputError(
            f"num_nodes={num_nodes} needs processes on each node, got this one alone; start it by "
            "srun or torchrun, which set num_nodes, "
            "or set NODE_RANK, MASTER_ADDR and MASTER_PORT on each"
        )
