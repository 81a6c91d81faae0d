"""Estimate the memory of a training step over the unrolled steps of windows, before any is made."""

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.operators.unrolling import Unrolling
from lightning_sciml.training.losses import sum_of_squares

_NUM_PROBED = 2  # steps of a window; from there on the memory grows by as much in each


class StepMemory(NamedTuple):
    """Bytes of tensors that a training step makes, at the moment when it holds most.

    Attributes:
        shared: whatever the batch; mostly gradients of the weights.
        per_sample: of each sample.
    """

    shared: float
    per_sample: float

    def of(self, num_samples: int) -> float:
        """Return the bytes of a batch."""
        return self.shared + num_samples * self.per_sample


class _LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors that operations return, as long as these live."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known = weakref.WeakSet[Any]()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, Tensor):  # is there already
                self._known.add(tensor.untyped_storage())
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        self._known.add(storage)
        self.now += (size := storage.nbytes())
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._free, size).atexit = False

    def _free(self, size: int) -> None:
        self.now -= size


def _peak(losses_of: Callable[[int, int], Tensor], num_samples: int, num_steps: int) -> float:
    """Measure the bytes of the tensors of a step forward and backward, at their most."""
    with _LiveBytes() as live:
        losses_of(num_samples, num_steps).sum().backward()
    return float(live.most)


def step_memory(losses_of: Callable[[int, int], Tensor], num_steps: int) -> StepMemory:
    """Measure steps of one and two samples, over a few unrolled steps; more are extrapolated.

    The memory is the same on all devices, but for what the libraries of transforms and products
    take inside a call. A compiled network holds less.

    Args:
        losses_of: computes the losses (B) of that many samples, and steps of a window.
        num_steps: K.
    """
    probed = min(num_steps, _NUM_PROBED)
    one, two = (_peak(losses_of, n, probed) for n in (1, 2))
    further = 0.0
    if num_steps > probed:
        further = max(0.0, _peak(losses_of, 1, probed + 1) - one)
    return StepMemory(2 * one - two, two - one + (num_steps - probed) * further)


def on_meta(
    operator: NeuralOperator, shape: tuple[int, int], unrolling: Unrolling
) -> Callable[[int, int], Tensor]:
    """Return the losses of an operator on the device meta, which computes nothing.

    Args:
        operator: on that device.
        shape: points of the grid.
        unrolling: of the steps.
    """
    names = operator.data_names

    def losses_of(num_samples: int, num_steps: int) -> Tensor:
        with torch.device("meta"):
            inputs = torch.empty(num_samples, len(names.fields), *shape)
            outputs = torch.empty(num_samples, num_steps, len(names.outputs), *shape)
            coefficients = torch.empty(num_samples, len(names.coefficients))
            problem = torch.empty(num_samples, dtype=torch.long)
            given = inputs, coefficients, problem, outputs
            return sum_of_squares(*operator.training_pair(*given, unrolling), None)

    return losses_of


def shown(num_bytes: float) -> str:
    """Write bytes in GB, or where they are fewer in MB."""
    return f"{num_bytes / 1e9:.3g} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.3g} MB"


def memory_fault(
    memory: StepMemory,
    *,
    num_samples: int,
    num_steps: int,
    free: float,
    is_bounded: bool = False,
) -> str | None:
    """Say that the steps of a batch do not fit, and what would; None where they do.

    Args:
        memory: of a step.
        num_samples: of the batch, on one device.
        num_steps: K.
        free: bytes.
        is_bounded: whether `checkpoint_steps` or `gradients` bound the memory already.
    """
    if memory.of(num_samples) <= free:
        return None
    most = int((free - memory.shared) // memory.per_sample)
    remedies = [] if is_bounded else ["model.checkpoint_steps to true", "model.gradients to last"]
    lower = f"data.batch_size to {most} a device or fewer" if most > 0 else "a smaller network"
    return (
        f"num_unrolled_steps={num_steps} of {num_samples} samples a device take about "
        f"{shown(memory.of(num_samples))}, {shown(free)} are free; set "
        f"{', '.join([*remedies, lower])}"
    )
