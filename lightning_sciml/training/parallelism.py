"""Choose Lightning's strategy and cluster environment for the processes of a run."""

import inspect
from datetime import timedelta
from typing import Any

from lightning.pytorch.accelerators import (
    AcceleratorRegistry,
    CPUAccelerator,
    CUDAAccelerator,
    MPSAccelerator,
)
from lightning.pytorch.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    MPIEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from lightning_sciml.errors import InputError


def num_devices(devices: Any, accelerator: Any) -> int:
    """Count the processes on a node that the options `devices` and `accelerator` mean.

    Lightning itself reads them: what it takes is taken.

    Raises:
        InputError: it does not take them.
    """
    chosen = _accelerator(accelerator)
    try:
        found = chosen.auto_device_count() if devices == "auto" else chosen.parse_devices(devices)
    except (MisconfigurationException, TypeError, ValueError) as error:
        raise InputError(f"trainer.devices={devices} cannot be used: {error}") from error
    number = found if isinstance(found, int) else len(found or ())
    if number < 1:
        raise InputError(
            f"trainer.devices={devices} with accelerator={accelerator} comes to no process: there "
            "is no such device here (see sciml doctor); --trainer.accelerator cpu needs none"
        )
    return number


def explicit_devices(trainer: Any) -> int | None:
    """Count the processes on a node that the options name; None if Lightning chooses."""
    if trainer.devices in ("auto", "-1", -1):
        return None
    return num_devices(trainer.devices, trainer.accelerator)


def _accelerator(accelerator: Any) -> Any:
    """Return the accelerator that Lightning chooses by this option."""
    if not isinstance(accelerator, str):
        return accelerator
    if accelerator in ("auto", "gpu"):
        default = CPUAccelerator if accelerator == "auto" else CUDAAccelerator
        return next((a for a in (MPSAccelerator, CUDAAccelerator) if a.is_available()), default)
    if accelerator not in AcceleratorRegistry:
        known = ", ".join(["auto", "gpu", *AcceleratorRegistry.available_accelerators()])
        raise InputError(f"trainer.accelerator must be one of {known}, got {accelerator}")
    return AcceleratorRegistry[accelerator]["accelerator"]


class ShardedParameters(ModelParallelStrategy):
    """Parameters, gradients and optimizer state divided among the ranks (FSDP).

    Parameters keep names, shapes and types, and checkpoints are whole files: a run may resume, be
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


class SettledBuckets(DDPStrategy):
    """DDP whose gradients keep their places in the buckets from the first step of a process on.

    DDP rearranges its buckets after the first backward pass. The place of a gradient decides in
    which order three or more ranks are added, and its alignment in memory, on which the last bits
    of its products with matrices depend (SOAP). The first step of a resumed run is a later one of
    an undisturbed run, and must round as that one.
    """

    def configure_ddp(self) -> None:
        """Wrap the module, and give DDP its first backward pass: through the sum of all weights."""
        super().configure_ddp()
        module: Any = self.lightning_module
        wrapped: Any = self.model
        weights = [weight for weight in module.parameters() if weight.requires_grad]
        forward = module.forward
        module.forward = lambda _: sum(weight.real.sum() for weight in weights)
        wrapped(None).backward()
        module.forward = forward
        for weight in weights:
            weight.grad = None


def is_sharding_unit(module: nn.Module) -> bool:
    """Return whether a module's parameters are gathered for its own forward and backward.

    A network says so of a class of modules by an attribute `is_sharding_unit = True`.
    """
    return bool(getattr(module, "is_sharding_unit", False))


def data_parallel(strategy: Any, num_processes: int, timeout_s: float) -> Any:
    """Make the strategy `fsdp`, or DDP with a limit on waiting where Lightning chooses DDP.

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
    return SettledBuckets(timeout=timedelta(seconds=timeout_s), **options)


def cluster_plugins() -> list[ClusterEnvironment]:
    """Choose how processes find each other, where Lightning's own choice would do harm.

    SLURM without Lightning's requeueing, which writes checkpoints inside a signal handler. On a
    machine whose mpi4py finds no MPI library, where Lightning's look for MPI ends in an error, the
    environment of processes that Lightning starts itself.
    """
    if TorchElasticEnvironment.detect():
        return []
    if SLURMEnvironment.detect():
        return [SLURMEnvironment(auto_requeue=False)]
    try:
        MPIEnvironment.detect()
    except (ImportError, RuntimeError):
        return [LightningEnvironment()]
    return []
