"""The processes of a launch: do MPI and torch connect those that the launcher has started?"""

import importlib
import os
import socket
import subprocess
from datetime import timedelta
from ipaddress import ip_address
from statistics import median
from time import perf_counter
from typing import Any

import torch
import torch.distributed as dist

from lightning_sciml.doctor.finding import Finding, Verdict
from lightning_sciml.launcher import Launch, allocation, is_interactive

TIMEOUT_S = 120
ALL_REDUCE_BYTES = 64 * 2**20
NUM_REPETITIONS = 5


def check_launch(here: Launch) -> Finding:
    """Check what the launcher says, and whether training would accept it."""
    if here.launcher == "none":
        return Finding("launcher", "none: one process")
    found = f"{here.launcher}: {here.size} processes on {here.num_nodes} nodes"
    remedy = ""
    if here.launcher == "srun" and is_interactive(os.environ):
        found += ", in an interactive job"
        remedy = "training takes such a job for a shell: add --job-name=train to srun"
    elif here.size % here.num_nodes:
        remedy = "training wants as many on each node: give --ntasks-per-node"
    return Finding("launcher", found, Verdict.WARNING if remedy else Verdict.GOOD, remedy)


def check_mpi(here: Launch, comm: Any) -> Finding:
    """Check whether mpi4py's library is the one that the launcher speaks to.

    Args:
        here: by the launcher's account.
        comm: COMM_WORLD, or the ImportError that came instead.
    """
    if isinstance(comm, ImportError):
        remedy = "install the extra `mpich`, or point MPI4PY_LIBMPI to the site's libmpi.so"
        return Finding("MPI", f"mpi4py cannot load it: {comm}"[:100], Verdict.BAD, remedy)
    library = importlib.import_module("mpi4py.MPI").Get_library_version().split("\n")[0]
    found = f"{library[:40].strip()}; {comm.size} of {here.size} processes connected"
    if comm.size == here.size or here.launcher == "torchrun":
        return Finding("MPI", found)
    remedy = (
        "data generation would start alone in each process: set SCIML_MPI to what fits this "
        "library (`srun --mpi=list`), or use the mpirun that came with it"
    )
    return Finding("MPI", found, Verdict.BAD, remedy)


def mpi_world() -> Any:
    """Load COMM_WORLD, by name, since the library does without MPI; or return the error."""
    try:
        return importlib.import_module("mpi4py.MPI").COMM_WORLD
    except (ImportError, RuntimeError) as error:
        return ImportError(str(error).splitlines()[0])


def meet(here: Launch, comm: Any) -> None:
    """Connect torch's processes, at an address that the environment, MPI or SLURM knows.

    Raises:
        Exception: they cannot meet.
    """
    is_given = here.size > 1 and {"MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()
    place = "env://" if is_given else "tcp://{}:{}".format(*meeting_place(here, comm))
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "nccl"
        torch.cuda.set_device(here.local_rank % torch.cuda.device_count())
    dist.init_process_group(
        backend,
        init_method=place,
        world_size=here.size,
        rank=here.rank,
        timeout=timedelta(seconds=TIMEOUT_S),
    )


def meeting_place(here: Launch, comm: Any) -> tuple[str, int]:
    """Agree on address and port of rank 0, the same on all ranks.

    Raises:
        OSError, RuntimeError, InputError: none is known.
    """
    if here.size == 1:
        return "127.0.0.1", _free_port()
    if not isinstance(comm, ImportError) and comm.size == here.size:
        place = comm.bcast(_place_of_rank_0(here) if comm.rank == 0 else None)
        if isinstance(place, OSError):
            raise place
        return place
    job = allocation(os.environ)
    if job is None:
        raise RuntimeError("not tried: neither MPI nor SLURM knows where processes meet")
    nodes, number = job
    return os.environ.get("MASTER_ADDR") or _address_of_head_node(nodes), 10000 + number % 20000


def _place_of_rank_0(here: Launch) -> tuple[str, int] | OSError:
    """Name this place, or return why not: the other ranks wait for either."""
    try:
        local = "127.0.0.1" if here.num_nodes == 1 else ""
        return os.environ.get("MASTER_ADDR") or local or _own_address(), _free_port()
    except OSError as error:
        return error


def _own_address() -> str:
    """Look up this host's name; if unknown or a loopback, ask the route to the outside."""
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        address = ""
    if address and not ip_address(address).is_loopback:
        return address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address of no host (RFC 5737); nothing is sent
        except OSError:
            raise OSError(f"{name} knows no address at which other nodes reach it") from None
        return str(probe.getsockname()[0])


def _address_of_head_node(nodes: str) -> str:
    head, *_ = _scontrol("hostnames", nodes)
    addresses = [w for w in _scontrol("node", "--oneliner", head) if w.startswith("NodeAddr=")]
    return addresses[0].removeprefix("NodeAddr=") if addresses else head


def _scontrol(*arguments: str) -> list[str]:
    command = ["scontrol", "show", *arguments]
    try:
        said = subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT_S).stdout
    except subprocess.SubprocessError as error:
        raise OSError(str(error)) from error
    if not said.strip():
        raise OSError(f"`{' '.join(command)}` says nothing")
    return said.decode(errors="replace").split()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def check_all_reduce(here: Launch) -> Finding:
    """Time a gradient exchange of 64 MiB; the rate counts the bytes that cross a link."""
    backend = dist.get_backend()
    if here.size == 1:
        return Finding("all-reduce", f"{backend}; one process has nothing to exchange")
    values = torch.ones(ALL_REDUCE_BYTES // 4, device="cuda" if backend == "nccl" else "cpu")
    durations_s = []
    for _ in range(NUM_REPETITIONS + 1):
        started_at = perf_counter()
        dist.all_reduce(values)
        if values.is_cuda:
            torch.cuda.synchronize()
        durations_s.append(perf_counter() - started_at)
    elapsed_s = median(durations_s[1:])
    link_bytes = 2 * (here.size - 1) / here.size * ALL_REDUCE_BYTES
    found = (
        f"{backend} over {here.size} processes, 64 MiB in {elapsed_s * 1e3:.0f} ms, "
        f"{link_bytes / elapsed_s / 1e9:.1f} GB/s a link"
    )
    return Finding("all-reduce", found)
