"""What defines a data set: the whole of what a user can choose, with the published values."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from data_gen.chosen_class import check_known, class_options, plain
from data_gen.coefficients import Coefficients
from data_gen.dataset_size import DatasetSize
from data_gen.sources import GaussianSources
from lightning_sciml.pde.grid import Grid, PeriodicGrid
from lightning_sciml.pde.steady import EQUATIONS
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.schema import SOLUTION, SOURCE

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from data_gen.shard import ShardGenerator


@dataclass(frozen=True, kw_only=True)
class DatasetConfig(DatasetSize):
    """A data set of pairs (source, solution) of one system.

    Args:
        coefficients: the system and the distribution of its coefficients.
        source: the distribution of the sources.
        num_modes: Fourier modes an axis to compute with, at most num_points/2; by default as many
            as the Gaussians have.
    """

    coefficients: Coefficients
    source: GaussianSources = field(default_factory=GaussianSources)
    num_modes: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_known(self.coefficients, EQUATIONS, "EQUATIONS in lightning_sciml/pde/steady.py")
        class_options(self.coefficients)
        self.source.check_resolution(self.grid.num_points)

    @property
    def grid(self) -> PeriodicGrid:
        """The grid of all samples."""
        return PeriodicGrid(self.num_points)

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
            equation_parameters=plain(equation),
            coefficient_names=equation.coefficient_names,
            config={
                "coefficients": class_options(self.coefficients),
                "source": plain(self.source),
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
    def sample_bytes(self) -> int:
        """Bytes of source and solution."""
        return 2 * 4 * self.num_points**2

    def memory_parts(self, num_ranks: int) -> dict[str, int]:
        """Count the bytes that one rank takes at least, by the option that decides them."""
        from data_gen.generation import BLOCK_SIZE

        N, n = self.num_points, self.source.num_gaussians
        M = min(self.kept_modes, N // 2)
        of_shard = min(self.planned_shard_size, max(self.num_samples.values()))
        is_slab = self.decomposition == "slab"
        grids = -(-48 // num_ranks) if is_slab else 24  # bytes a point: f, f̂, û, L; or a projection
        block = 1 if is_slab else min(BLOCK_SIZE, of_shard)
        return {
            f"num_points={N}": grids * N**2 + 8 * N * (2 * n + 8 * (M + 1)),
            f"shard_size={of_shard}": of_shard * (8 * N**2 // (num_ranks if is_slab else 1)),
            f"source.num_gaussians={n}": n**2 * (4 * of_shard + 4 * 8 * block),
            f"num_modes={M}": 4 * 16 * block * 2 * (M + 1) ** 2,
        }

    def generator(self, comm: "Comm") -> "ShardGenerator":
        """Make what computes the samples, alone or with the other ranks."""
        if self.decomposition == "shards":
            from data_gen.generation import SampleGenerator

            return SampleGenerator(self)
        from data_gen.slab_generation import SlabGenerator  # it needs SciPy, which loads slowly

        return SlabGenerator(comm, self)
