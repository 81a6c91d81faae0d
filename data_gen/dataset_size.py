"""What every data set is asked for, whatever its samples are: a name, sizes, and a seed."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from lightning_sciml.errors import InputError
from lightning_sciml.names import check_name
from lightning_sciml.shards.dataset_plan import DatasetPlan

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from data_gen.shard import ShardGenerator

_SHARD_BYTES = 128 * 2**20
_MAX_SHARD_BYTES = 2**40
_MAX_SHARDS = 1_000_000  # which one manifest lists
_MAX_POINTS = 2**20
_MAX_SAMPLES = 2**40


@dataclass(frozen=True, kw_only=True)
class DatasetSize(ABC):
    """A data set of any family.

    Args:
        name: name of the data set.
        num_points: grid points an axis.
        num_train_samples: samples for training.
        num_val_samples: samples for validation.
        num_test_samples: samples for testing.
        seed: with split and index it decides a sample.
        shard_size: samples a file; by default as many as make 128 MiB.
        decomposition: what a rank owns: whole ``shards``, or a ``slab`` of the grid of each sample.
            Slabs are for grids too large for one rank; a shard then holds one sample.
    """

    name: str
    num_points: int = 128
    num_train_samples: int = 32768
    num_val_samples: int = 4096
    num_test_samples: int = 4096
    seed: int = 0
    shard_size: int | None = None
    decomposition: Literal["shards", "slab"] = "shards"

    def __post_init__(self) -> None:
        check_name(self.name)
        if min(self.num_samples.values()) < 0 or sum(self.num_samples.values()) == 0:
            raise InputError(
                f"samples of a split must be 0 or more and not all 0, got {self.num_samples}"
            )
        self._check_sizes()
        if not 0 <= self.seed < 2**64:
            raise InputError(f"seed must lie in 0 … 2**64-1, got {self.seed}")

    def _check_sizes(self) -> None:
        if self.num_points > _MAX_POINTS or max(self.num_samples.values()) > _MAX_SAMPLES:
            raise InputError(
                f"num_points must be at most {_MAX_POINTS} and samples of a split at most "
                f"{_MAX_SAMPLES}, got {self.num_points} and {self.num_samples}"
            )
        if self.shard_size is not None and self.shard_size < 1:
            raise InputError(f"shard_size must be at least 1, got {self.shard_size}")
        if self.decomposition == "slab" and self.shard_size not in (None, 1):
            raise InputError(
                f"shard_size must be 1 with decomposition slab, got {self.shard_size}; leave it out"
            )
        shard_size, sample_bytes = self.planned_shard_size, self.sample_bytes
        if shard_size > 1 and shard_size * sample_bytes > _MAX_SHARD_BYTES:
            raise InputError(
                f"shard_size={shard_size} makes files of {shard_size * sample_bytes // 10**9:,} GB,"
                f" wanted at most {_MAX_SHARD_BYTES // 10**9:,} GB; lower it"
            )
        num_shards = sum(-(-number // shard_size) for number in self.num_samples.values())
        if num_shards > _MAX_SHARDS:
            raise InputError(
                f"shard_size={shard_size} makes {num_shards:,} files, wanted at most "
                f"{_MAX_SHARDS:,}; raise it or lower the number of samples"
            )

    @property
    def num_samples(self) -> dict[str, int]:
        """Samples of each split."""
        return {
            "train": self.num_train_samples,
            "val": self.num_val_samples,
            "test": self.num_test_samples,
        }

    @property
    def planned_shard_size(self) -> int:
        """Samples a file, chosen or by default."""
        if self.shard_size is not None:
            return self.shard_size
        if self.decomposition == "slab":
            return 1
        return max(1, _SHARD_BYTES // self.sample_bytes)

    @property
    @abstractmethod
    def sample_bytes(self) -> int:
        """Bytes of all fields of a sample."""

    def settled(self, comm: "Comm", output: Path, tell: Callable[[str], object]) -> Self:
        """Make the choices that are left to the program, on all ranks the same.

        Args:
            comm: the ranks.
            output: folder of the data set; what was chosen for it before is chosen again.
            tell: called on rank 0 with a line about each choice.
        """
        return self

    @abstractmethod
    def plan(self) -> DatasetPlan:
        """Return the part of the manifest that is known before the first sample."""

    @abstractmethod
    def memory_parts(self, num_ranks: int) -> dict[str, int]:
        """Count the bytes that one rank takes at least, by the option that decides them."""

    @abstractmethod
    def generator(self, comm: "Comm") -> "ShardGenerator":
        """Make what computes the samples; of slabs, together with the other ranks.

        Raises:
            InputError: the options do not fit each other.
        """
