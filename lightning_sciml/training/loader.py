"""Batches of samples from one or several data sets, in an order that can be resumed anywhere."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.pde.equations import Equation
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.training.sampler import EpochOrder, Subset


class Batch(NamedTuple):
    """Samples of one rank; B may differ by one between ranks, and be 0 in evaluation.

    Attributes:
        source: f.
        solution: u.
        coefficients: in the order of `Mixture.coefficient_names`; what a system lacks is zero.
        dataset: which data set each sample comes from.
        sample_index: its index in the split of that data set.
        global_size: samples of this batch over all ranks.
    """

    source: Float[Tensor, "B 1 H W"]
    solution: Float[Tensor, "B 1 H W"]
    coefficients: Float[Tensor, "B c"]
    dataset: Int[Tensor, " B"]
    sample_index: Int[Tensor, " B"]
    global_size: int

    def map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        """The batch with `function` applied to each of its tensors."""
        return Batch._make([*map(function, self[:-1]), self.global_size])


@dataclass(frozen=True)
class MixtureMember:
    """One data set of a mixture, and what is needed to check a prediction against its equation.

    Attributes:
        dataset: the shards of one split.
        subset: which of its samples take part.
        equation: its operator.
        columns: where its coefficients stand among the mixture's.
    """

    dataset: ShardedDataset
    subset: Subset
    equation: Equation
    columns: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.dataset.manifest.name


class Mixture:
    """Samples of several data sets behind one index; channels are matched by name."""

    def __init__(self, members: Sequence[MixtureMember], coefficient_names: Sequence[str]) -> None:
        self.members = tuple(members)
        self.coefficient_names = tuple(coefficient_names)
        grids = {m.name: m.dataset.num_points for m in self.members}
        if len(set(grids.values())) > 1:
            raise InputError(
                f"a mixture needs data sets on one grid, got points an axis {grids}; "
                "generate them with the same --num_points"
            )
        self.num_points = self.members[0].dataset.num_points
        self._ends = np.cumsum([m.subset.num_samples for m in self.members])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def load(self, indices: NDArray[np.int64], global_size: int) -> Batch:
        """Read the samples at `indices` (B,) into one batch."""
        member_of = np.searchsorted(self._ends, indices, side="right")
        N = self.num_points
        fields = np.empty((len(indices), 2, N, N), np.float32)
        coefficients = np.zeros((len(indices), len(self.coefficient_names)))
        sample_index = np.empty(len(indices), np.int64)
        for m in np.unique(member_of):
            member, rows = self.members[m], np.flatnonzero(member_of == m)
            first = self._ends[m] - member.subset.num_samples
            samples = member.subset(indices[rows] - first)
            if len(rows) == len(indices):
                member.dataset.fields(samples, out=fields)
            else:
                fields[rows] = member.dataset.fields(samples)
            coefficients[np.ix_(rows, member.columns)] = member.dataset.coefficients(samples)
            sample_index[rows] = samples
        values = torch.from_numpy(fields)
        return Batch(
            source=values[:, :1],
            solution=values[:, 1:],
            coefficients=torch.from_numpy(coefficients.astype(np.float32)),
            dataset=torch.from_numpy(member_of),
            sample_index=torch.from_numpy(sample_index),
            global_size=global_size,
        )


class ResumableLoader:
    """Iterates over one rank's share of the global batches, reading ahead in one thread.

    Its state is (epoch, batches handed out), the same on every rank and for any number of ranks;
    Lightning stores it in the checkpoint. It counts batches the trainer took, not those read ahead.

    Args:
        mixture: where samples come from.
        order: which samples make up which batch.
        rank: this process.
        world_size: number of processes.
        num_prefetch: batches read ahead.
        pin_memory: page-lock the batches, for copies to a GPU that overlap computing.
    """

    def __init__(
        self,
        mixture: Mixture,
        order: EpochOrder,
        *,
        rank: int = 0,
        world_size: int = 1,
        num_prefetch: int = 2,
        pin_memory: bool = False,
    ) -> None:
        self.mixture = mixture
        self.order = order
        self.rank, self.world_size = rank, world_size
        self.num_prefetch = num_prefetch
        self.pin_memory = pin_memory
        self._epoch = self._next_batch = 0

    def __len__(self) -> int:
        return self.order.num_batches

    def state_dict(self) -> dict[str, int]:
        """Epoch, and how many of its batches were handed out; all of them is the next epoch."""
        epoch, next_batch = self._epoch, self._next_batch
        if next_batch == len(self):
            epoch, next_batch = epoch + 1, 0
        return {"epoch": epoch, "next_batch": next_batch, **self._identity()}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the last batch handed out.

        Raises:
            InputError: the state belongs to another order of samples.
        """
        saved = {name: state[name] for name in self._identity()}
        if state["next_batch"] and saved != self._identity():
            raise InputError(
                f"to go on in the middle of an epoch the data must be {saved}, "
                f"got {self._identity()}; restore these or start another run_dir"
            )
        self._epoch, self._next_batch = state["epoch"], state["next_batch"]

    def _identity(self) -> dict[str, int]:
        order = self.order
        return {
            "num_samples": order.num_samples,
            "batch_size": order.batch_size,
            "seed": order.seed,
        }

    def __iter__(self) -> Iterator[Batch]:
        if self._next_batch == len(self):
            self._epoch, self._next_batch = self._epoch + 1, 0
        ahead: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(1, "prefetch") as reader:
            try:
                for b in range(self._next_batch, len(self)):
                    ahead.append(reader.submit(self._load, self._epoch, b))
                    if len(ahead) > self.num_prefetch:
                        yield self._hand_out(ahead.popleft())
                while ahead:
                    yield self._hand_out(ahead.popleft())
            finally:
                reader.shutdown(cancel_futures=True)

    def _hand_out(self, future: "Future[Batch]") -> Batch:
        batch = future.result()
        self._next_batch += 1
        return batch

    def _load(self, epoch: int, batch_index: int) -> Batch:
        indices = self.order.batch(epoch, batch_index)
        batch = self.mixture.load(indices[self.rank :: self.world_size], len(indices))
        if not self.pin_memory:
            return batch
        return batch.map(Tensor.pin_memory)
