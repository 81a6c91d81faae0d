"""What defines a data set: the whole of what a user can choose, with the published values."""

from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, Literal

from data_gen.coefficients import Coefficients
from data_gen.sources import GaussianSources
from lightning_sciml.errors import InputError
from lightning_sciml.names import check_name
from lightning_sciml.pde.grid import Grid, PeriodicGrid
from lightning_sciml.pde.steady import EQUATIONS
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.schema import SOLUTION, SOURCE

_SHARD_BYTES = 128 * 2**20
_MAX_SHARD_BYTES = 2**40
_MAX_SHARDS = 1_000_000  # which one manifest lists
_MAX_POINTS = 2**20
_MAX_SAMPLES = 2**40


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """A data set of pairs (source, solution) of one system.

    Args:
        name: name of the data set.
        coefficients: the system and the distribution of its coefficients.
        source: the distribution of the sources.
        num_points: grid points an axis.
        num_modes: Fourier modes an axis to compute with, at most num_points/2; by default as many
            as the Gaussians have.
        num_train_samples: samples for training.
        num_val_samples: samples for validation.
        num_test_samples: samples for testing.
        seed: with split and index it decides a sample.
        shard_size: samples a file; by default as many as make 128 MiB.
        decomposition: what a rank owns: whole ``shards``; or, for grids too large for one rank, a
            ``slab`` of the grid of every sample, and then a shard holds one sample.
    """

    name: str
    coefficients: Coefficients
    source: GaussianSources = field(default_factory=GaussianSources)
    num_points: int = 128
    num_modes: int | None = None
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
        self._check_equation()
        if not 0 <= self.seed < 2**64:
            raise InputError(f"seed must lie in 0 … 2**64-1, got {self.seed}")
        self.source.check_resolution(self.grid.num_points)

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
        shard_size, sample_bytes = self.planned_shard_size, 8 * self.num_points**2
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

    def _check_equation(self) -> None:
        """Reject an equation that no reader could make again from the manifest."""
        equation = self.coefficients.equation
        if EQUATIONS.get(equation.name) is not type(equation):
            raise InputError(
                f"{type(self.coefficients).__qualname__} draws for the equation {equation.name!r} "
                f"of {type(equation).__module__}, wanted one of {', '.join(EQUATIONS)}: nothing "
                "could read the data set; add the class to EQUATIONS in "
                "lightning_sciml/pde/steady.py"
            )
        if not is_dataclass(self.coefficients):
            raise InputError(
                f"{type(self.coefficients).__qualname__} must be a dataclass, so that the manifest "
                "can hold its arguments; decorate it with @dataclass(frozen=True, kw_only=True)"
            )

    @property
    def grid(self) -> PeriodicGrid:
        """The grid of all samples."""
        return PeriodicGrid(self.num_points)

    @property
    def num_samples(self) -> dict[str, int]:
        """Samples of each split."""
        return {
            "train": self.num_train_samples,
            "val": self.num_val_samples,
            "test": self.num_test_samples,
        }

    @property
    def kept_modes(self) -> int:
        """Fourier modes an axis that are computed."""
        if self.num_modes is None:
            return self.source.default_num_modes(self.num_points)
        return self.num_modes

    def plan(self) -> DatasetPlan:
        """The part of the manifest that is known before the first sample."""
        equation = self.coefficients.equation
        return DatasetPlan(
            name=self.name,
            equation=equation.name,
            equation_parameters=_plain(equation),
            coefficient_names=equation.coefficient_names,
            config={
                "coefficients": {
                    "class_path": type(self.coefficients).__name__,
                    "init_args": _plain(self.coefficients),
                },
                "source": _plain(self.source),
                "num_modes": self.kept_modes,
                "decomposition": self.decomposition,
            },
            grid=Grid(shape=(self.num_points, self.num_points)),
            input_fields=(SOURCE,),
            output_fields=(SOLUTION,),
            seed=self.seed,
            shard_size=self.planned_shard_size,
            num_samples=self.num_samples,
        )

    @property
    def planned_shard_size(self) -> int:
        """Samples a file, chosen or by default."""
        if self.shard_size is not None:
            return self.shard_size
        if self.decomposition == "slab":
            return 1
        return max(1, _SHARD_BYTES // (2 * 4 * self.num_points**2))


def _plain(instance: Any) -> dict[str, Any]:
    """Convert a dataclass as JSON does, with lists for tuples."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(instance).items()}
