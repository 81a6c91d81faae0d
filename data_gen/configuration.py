"""What defines a data set: the whole of what a user can choose, with the published values."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from data_gen.chosen_class import check_known, class_options, plain
from data_gen.coefficients import Coefficients
from data_gen.dataset_size import DatasetSize
from data_gen.mode_transform import ModeTransform
from data_gen.sources import GaussianSources
from data_gen.truncated_transform import TruncatedTransform
from data_gen.walled_transform import WalledTransform
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid, PeriodicGrid
from lightning_sciml.pde.steady import EQUATIONS, AdvectionDiffusion
from lightning_sciml.pde.walls import highest_mode
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
        num_modes: Fourier modes an axis to compute with; by default as many as the Gaussians have.
            At most num_points/2; half waves between walls, at most num_points.
        boundary: what holds at the sides of the square: ``periodic``, or walls with u = 0
            (``dirichlet``) or ∂u/∂n = 0 (``neumann``). Walls lie half a step outside of the points,
            which are then the centres (i + ½)/N of cells; between them there is no advection.
    """

    coefficients: Coefficients
    source: GaussianSources = field(default_factory=GaussianSources)
    num_modes: int | None = None
    boundary: Literal["periodic", "dirichlet", "neumann"] = "periodic"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_known(self.coefficients, EQUATIONS, "EQUATIONS in lightning_sciml/pde/steady.py")
        class_options(self.coefficients)
        self._check_boundary()
        self.source.check_resolution(self.num_points)

    def _check_boundary(self) -> None:
        """Reject what there is on periodic grids only."""
        remedy = f"with boundary {self.boundary}; set boundary to periodic"
        if self.boundary == "periodic":
            return
        if isinstance(self.coefficients.equation, AdvectionDiffusion):
            raise InputError(
                "coefficients must be those of Poisson or Helmholtz, whose derivatives are even, "
                f"{remedy}"
            )
        if self.decomposition == "slab":
            raise InputError(f"decomposition must be shards {remedy}")
        if self.source.periodic:
            raise InputError(f"source.periodic must be false {remedy}")

    @property
    def grid(self) -> Grid:
        """The grid of all samples."""
        return Grid(shape=(self.num_points,) * 2, boundary=(self.boundary,) * 2)

    @property
    def kept_modes(self) -> int:
        """Modes an axis that are computed."""
        if self.num_modes is None:
            return self.source.default_num_modes(self.num_points, self.boundary)
        return self.num_modes

    def transform(self) -> ModeTransform:
        """Make the transform to the modes that are computed.

        Raises:
            InputError: the grid does not have them.
        """
        if self.boundary == "periodic":
            return TruncatedTransform(PeriodicGrid(self.num_points), self.kept_modes)
        return WalledTransform(self.num_points, self.kept_modes, self.boundary)

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
            grid=self.grid,
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
        M = min(self.kept_modes, highest_mode(N, self.boundary))
        parts = 4 if self.boundary == "periodic" else 1  # real numbers a pair of modes
        of_shard = min(self.planned_shard_size, max(self.num_samples.values()))
        is_slab = self.decomposition == "slab"
        # bytes a point: f, f̂, û, L; or a projection
        grids = -(-48 // num_ranks) if is_slab else 24 if self.boundary == "periodic" else 40
        block = 1 if is_slab else min(BLOCK_SIZE, of_shard)
        return {
            f"num_points={N}": grids * N**2 + 8 * N * (2 * n + 8 * (M + 1)),
            f"shard_size={of_shard}": of_shard * (8 * N**2 // (num_ranks if is_slab else 1)),
            f"source.num_gaussians={n}": n**2 * (4 * of_shard + 4 * 8 * block),
            f"num_modes={M}": 4 * 8 * block * parts * (M + 1) ** 2,
        }

    def generator(self, comm: "Comm") -> "ShardGenerator":
        """Make what computes the samples, alone or with the other ranks."""
        if self.decomposition == "shards":
            from data_gen.generation import SampleGenerator

            return SampleGenerator(self)
        from data_gen.slab_generation import SlabGenerator  # it needs SciPy, which loads slowly

        return SlabGenerator(comm, self)
