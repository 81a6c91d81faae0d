"""What Lightning is told about the processes of a run."""

import inspect
from datetime import timedelta
from typing import Any

import torch
from lightning.pytorch.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel


def num_devices(devices: Any, accelerator: str) -> int:
    """Processes on a node that the trainer options `devices` and `accelerator` come to."""
    if isinstance(devices, list):
        return len(devices)
    if str(devices) in ("auto", "-1"):
        is_gpu = accelerator in ("auto", "gpu", "cuda")
        return max(1, torch.cuda.device_count()) if is_gpu else 1
    return int(devices)


class ShardedParameters(ModelParallelStrategy):
    """Parameters, gradients and optimizer state divided among the ranks (FSDP).

    Parameters keep names, shapes and types, and checkpoints are whole files: a run may go on, be
    tested or fine-tuned with any other strategy.

    Args:
        num_processes: ranks that share.
        timeout: of a collective.
    """

    def __init__(self, num_processes: int, timeout: timedelta) -> None:
        super().__init__(
            data_parallel_size=num_processes,
            tensor_parallel_size=1,
            save_distributed_checkpoint=False,
            timeout=timeout,
        )

    def shard(self, network: nn.Module) -> None:
        """Divide each of the network's sharding units along its first axis, and the rest as one."""
        mesh = self.device_mesh["data_parallel"]
        for module in [m for m in network.modules() if is_sharding_unit(m)]:
            fully_shard(module, mesh=mesh)
        fully_shard(network, mesh=mesh)


def is_sharding_unit(module: nn.Module) -> bool:
    """Whether this module's parameters are gathered for its own forward and backward alone.

    A network says so of a class of modules by an attribute `is_sharding_unit = True`.
    """
    return bool(getattr(module, "is_sharding_unit", False))


def data_parallel(strategy: Any, num_processes: int, timeout_s: float) -> Any:
    """The strategy `fsdp` and, where Lightning would choose it, DDP with a limit on waiting.

    A process that is gone without a trace (a node lost, a process stopped) then ends the others
    after `timeout_s` and not after half an hour. Buffers are constants here, the same on all ranks:
    sending them before each step would cost a collective for nothing.
    """
    if strategy == "fsdp":
        return ShardedParameters(num_processes, timedelta(seconds=timeout_s))
    if num_processes == 1 or strategy not in ("auto", "ddp"):
        return strategy
    known = inspect.signature(DistributedDataParallel).parameters
    names = ("forward_sync_buffers", "broadcast_buffers")  # as of torch 2.13, and before
    sync_buffers = next(name for name in names if name in known)
    options: dict[str, Any] = {sync_buffers: False, "gradient_as_bucket_view": True}
    return DDPStrategy(timeout=timedelta(seconds=timeout_s), **options)


def cluster_plugins() -> list[SLURMEnvironment]:
    """SLURM without Lightning's requeueing, which writes checkpoints inside a signal handler."""
    if TorchElasticEnvironment.detect() or not SLURMEnvironment.detect():
        return []
    return [SLURMEnvironment(auto_requeue=False)]
