"""Compare the memory that generation will take with what the machine has."""

import socket
from typing import TYPE_CHECKING

from data_gen.dataset_size import DatasetSize
from lightning_sciml.errors import InputError
from lightning_sciml.process_memory import available_memory

if TYPE_CHECKING:
    from mpi4py.MPI import Comm


def check_memory(config: DatasetSize, comm: "Comm") -> None:
    """Reject a data set that the ranks of this machine cannot hold a part of.

    Raises:
        InputError: naming what takes most.
    """
    from mpi4py import MPI

    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    num_ranks = node.size
    node.Free()
    parts = config.memory_parts(comm.size)
    option = max(parts, key=lambda name: parts[name])
    wanted, free = num_ranks * sum(parts.values()), available_memory()
    if wanted > free:
        raise InputError(
            f"generation needs {_gigabytes(wanted)} GB of memory for {num_ranks} "
            f"rank{'s' if num_ranks > 1 else ''} on {socket.gethostname()}, which has "
            f"{_gigabytes(free)} GB: most is for {option}; lower it or start fewer ranks"
        )


def _gigabytes(num_bytes: int) -> str:
    return f"{num_bytes // 10**9:,}" if num_bytes >= 10**10 else f"{num_bytes / 1e9:.2f}"
