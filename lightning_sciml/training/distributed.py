"""What Lightning is told about the processes of a run."""

import inspect
from datetime import timedelta
from typing import Any

import torch
from lightning.pytorch.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch.nn.parallel import DistributedDataParallel


def num_devices(devices: Any, accelerator: str) -> int:
    """Processes on a node that the trainer options `devices` and `accelerator` come to."""
    if isinstance(devices, list):
        return len(devices)
    if str(devices) in ("auto", "-1"):
        is_gpu = accelerator in ("auto", "gpu", "cuda")
        return max(1, torch.cuda.device_count()) if is_gpu else 1
    return int(devices)


def data_parallel(strategy: Any, num_processes: int, timeout_s: float) -> Any:
    """The strategy, with a limit on how long a collective waits where Lightning would choose DDP.

    A process that is gone without a trace (a node lost, a process stopped) then ends the others
    after `timeout_s` and not after half an hour. Buffers are constants here, the same on all ranks:
    sending them before each step would cost a collective for nothing.
    """
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
