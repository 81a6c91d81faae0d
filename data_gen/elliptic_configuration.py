"""What defines a data set of -∇·(a∇u) = f, a varying in space."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from data_gen.chosen_class import class_options
from data_gen.dataset_size import DatasetSize
from data_gen.diffusivities import Diffusivity
from data_gen.elliptic_sources import ConstantSource, EllipticSource
from data_gen.ranges import Range, check_limits
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.named_equation import DARCY
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.schema import DIFFUSIVITY, SOLUTION, SOURCE

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from data_gen.elliptic_generation import EllipticGenerator

_LEAST_POINTS = 4
_RESIDUALS = (1e-13, 1e-3)


@dataclass(frozen=True, kw_only=True)
class EllipticConfig(DatasetSize):
    """A data set of solutions of -∇·(a∇u) = f on the unit square, with a from a random field.

    Args:
        diffusivity: the distribution of a.
        source: the distribution of f; a constant one is not stored. Where ∫f has to be 0, its mean
            is subtracted.
        boundary: what holds at the sides of the square: walls with u = 0, ``dirichlet``, or with
            ∂u/∂n = 0, ``neumann``, half a step outside of the points, which are then the centres
            (i + ½)/N of cells; or ``periodic``.
        max_residual: ‖f + ∇·(a∇u)‖/‖f‖ at which iterations end.
    """

    diffusivity: Diffusivity
    source: EllipticSource = field(default_factory=ConstantSource)
    boundary: Literal["periodic", "dirichlet", "neumann"] = "dirichlet"
    max_residual: float = 1e-10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decomposition == "slab":
            raise InputError(
                "decomposition must be shards where a varies in space; leave it out, and spread "
                "samples over the ranks"
            )
        if self.num_points < _LEAST_POINTS:
            raise InputError(f"num_points must be at least {_LEAST_POINTS}, got {self.num_points}")
        reason = "float64 does not resolve less, and more is no solution"
        check_limits("max_residual", _RESIDUALS, reason, self.max_residual)
        self.diffusivity.field.check_grid(self.grid)
        self.source.check_grid(self.grid)

    @property
    def grid(self) -> Grid:
        """The grid of all samples."""
        return Grid(shape=(self.num_points,) * 2, boundary=(self.boundary,) * 2)

    @property
    def input_fields(self) -> tuple[str, ...]:
        """Name the fields that are given."""
        return (DIFFUSIVITY,) if self.source.is_constant else (DIFFUSIVITY, SOURCE)

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """Name what is drawn for each sample from a range that has a width."""
        ranges: dict[str, Range] = self.diffusivity.ranges | self.source.ranges
        return tuple(name for name, (low, high) in ranges.items() if low < high)

    @property
    def sample_bytes(self) -> int:
        """Bytes of the given fields and the solution."""
        return 4 * (len(self.input_fields) + 1) * self.num_points**2

    def plan(self) -> DatasetPlan:
        """Return the part of the manifest that is known before the first sample."""
        return DatasetPlan(
            name=self.name,
            equation=DARCY,
            equation_parameters={},
            coefficient_names=self.coefficient_names,
            config={
                "diffusivity": class_options(self.diffusivity),
                "source": class_options(self.source),
                "max_residual": self.max_residual,
                "decomposition": self.decomposition,
            },
            grid=self.grid,
            input_fields=self.input_fields,
            output_fields=(SOLUTION,),
            seed=self.seed,
            shard_size=self.planned_shard_size,
            num_samples=self.num_samples,
        )

    def memory_parts(self, num_ranks: int) -> dict[str, int]:
        """Count the bytes that one rank takes at least, by the option that decides them."""
        from data_gen.elliptic_solver import block_size, work_bytes

        of_shard = min(self.planned_shard_size, max(self.num_samples.values()))
        block = min(block_size(self.num_points), of_shard)
        num_uniforms = self.diffusivity.num_uniforms + self.source.num_uniforms
        return {
            f"num_points={self.num_points}": block * work_bytes(self.num_points, self.boundary),
            f"shard_size={of_shard}": of_shard * self.sample_bytes,
            f"num_modes={self.diffusivity.field.num_modes}": block * 3 * 8 * num_uniforms,
        }

    def generator(self, comm: "Comm") -> "EllipticGenerator":
        """Make what computes the samples."""
        from data_gen.elliptic_generation import EllipticGenerator  # SciPy loads slowly

        return EllipticGenerator(self)
