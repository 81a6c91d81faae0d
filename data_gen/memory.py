"""Compare the memory that generation will take with what the machine has."""

import socket
from typing import TYPE_CHECKING

from data_gen.configuration import DatasetConfig
from data_gen.generation import BLOCK_SIZE
from lightning_sciml.errors import InputError
from lightning_sciml.process_memory import available_memory

if TYPE_CHECKING:
    from mpi4py.MPI import Comm


def check_memory(config: DatasetConfig, comm: "Comm") -> None:
    """Reject a data set that the ranks of this machine cannot hold a part of.

    Raises:
        InputError: naming what takes most.
    """
    from mpi4py import MPI

    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    num_ranks = node.size
    node.Free()
    parts = memory_parts(config, comm.size)
    option = max(parts, key=lambda name: parts[name])
    wanted, free = num_ranks * sum(parts.values()), available_memory()
    if wanted > free:
        raise InputError(
            f"generation needs {_gigabytes(wanted)} GB of memory for {num_ranks} "
            f"rank{'s' if num_ranks > 1 else ''} on {socket.gethostname()}, which has "
            f"{_gigabytes(free)} GB: most is for {option}; lower it or start fewer ranks"
        )


def memory_parts(config: DatasetConfig, num_ranks: int) -> dict[str, int]:
    """Count the bytes that one rank takes at least, by the option that decides them."""
    N, n = config.num_points, config.source.num_gaussians
    M = min(config.kept_modes, N // 2)
    of_shard = min(config.plan().shard_size, max(config.num_samples.values()))
    is_slab = config.decomposition == "slab"
    grids = -(-48 // num_ranks) if is_slab else 24  # bytes a point: f, f̂, û, L; or a projection
    block = 1 if is_slab else min(BLOCK_SIZE, of_shard)
    return {
        f"num_points={N}": grids * N**2 + 8 * N * (2 * n + 8 * (M + 1)),
        f"shard_size={of_shard}": of_shard * (8 * N**2 // (num_ranks if is_slab else 1)),
        f"source.num_gaussians={n}": n**2 * (4 * of_shard + 4 * 8 * block),
        f"num_modes={M}": 4 * 16 * block * 2 * (M + 1) ** 2,
    }


def _gigabytes(num_bytes: int) -> str:
    return f"{num_bytes // 10**9:,}" if num_bytes >= 10**10 else f"{num_bytes / 1e9:.2f}"
