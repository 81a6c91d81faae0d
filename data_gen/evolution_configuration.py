"""What defines a data set of trajectories."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from data_gen.chosen_class import check_known, class_options, plain
from data_gen.dataset_size import DatasetSize
from data_gen.evolution_coefficients import EvolutionCoefficients
from data_gen.initial_states import InitialState
from data_gen.state_modes import check_points
from data_gen.stored_times import StoredTimes
from data_gen.unsteady_coefficients import HeatCoefficients  # noqa: F401, known once imported
from lightning_sciml.errors import InputError
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.grid import Grid
from lightning_sciml.shards.dataset_plan import DatasetPlan

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from data_gen.evolution_generation import EvolutionGenerator

MAX_STEPS = 100_000
Steps = int | Literal["auto"]


@dataclass(frozen=True, kw_only=True)
class EvolutionConfig(DatasetSize):
    """A data set of trajectories of one system on a periodic rectangle.

    Args:
        coefficients: the system and the distribution of its coefficients.
        initial_state: the distribution of the states at time 0.
        times: when states are stored.
        lengths: sides along y and x.
        steps: time steps between stored states; ``auto`` finds out how many meet a tenth of
            max_time_error, on samples of the first split.
        max_time_error: largest error of a trajectory, relative in L2. It is measured by half the
            step at all stored times up to error_horizon.
        error_horizon: stored time; by default the last. Chaotic systems need an earlier one.
        checked_share: 32 measures the error of every 32nd sample.
        max_spectral_tail: largest share of the L2 norm of a state that the highest third of its
            modes may have.
        library: of Fourier transforms: numpy, or ducc0, which is faster and an extra to install.
        num_train_samples: trajectories for training.
        num_val_samples: trajectories for validation.
        num_test_samples: trajectories for testing.
    """

    coefficients: EvolutionCoefficients
    initial_state: InitialState
    times: StoredTimes
    lengths: tuple[float, float] = (1.0, 1.0)
    steps: Steps = "auto"
    max_time_error: float = 1e-4
    error_horizon: float | None = None
    checked_share: int = 32
    max_spectral_tail: float = 1e-3
    library: Literal["numpy", "ducc0"] = "numpy"
    num_train_samples: int = 2048
    num_val_samples: int = 256
    num_test_samples: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        place = "EVOLUTION_EQUATIONS in lightning_sciml/pde/evolution.py"
        check_known(self.coefficients, EVOLUTION_EQUATIONS, place)
        check_points(self.initial_state.num_modes, self.grid.shape)
        self._check_steps()
        for name in ("max_time_error", "max_spectral_tail"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name} must lie in 0 … 1, got {getattr(self, name):g}")
        if self.checked_share < 1:
            raise InputError(f"checked_share must be at least 1, got {self.checked_share}")

    def _check_steps(self) -> None:
        if self.steps != "auto" and not 1 <= self.steps <= MAX_STEPS:
            raise InputError(f"steps must be auto or 1 … {MAX_STEPS:,}, got {self.steps}")
        self.times.steps_to_first(1 if self.steps == "auto" else self.steps)
        if self.error_horizon is not None:
            self.times.index(self.error_horizon)

    @property
    def grid(self) -> Grid:
        """The grid of all states."""
        return Grid(shape=(self.num_points, self.num_points), lengths=self.lengths)

    @property
    def num_checked_times(self) -> int:
        """Count the stored times up to the error horizon."""
        if self.error_horizon is None:
            return self.times.num
        return self.times.index(self.error_horizon) + 1

    @property
    def sample_bytes(self) -> int:
        """Bytes of all stored states of a trajectory."""
        num_fields = len(self.coefficients.equation.state_fields)
        return 4 * self.times.num * num_fields * self.num_points**2

    def settled(self, comm: "Comm", output: Path, tell: Callable[[str], object]) -> Self:
        """Choose the steps, unless they are given: those of the same set on disk, or by a trial."""
        if self.steps != "auto":
            return self
        from data_gen.step_trial import settled_steps

        return replace(self, steps=settled_steps(self, comm, output, tell))

    def plan(self) -> DatasetPlan:
        """Return the part of the manifest that is known before the first sample."""
        equation = self.coefficients.equation
        names = ("steps", "max_time_error", "error_horizon", "checked_share", "max_spectral_tail")
        return DatasetPlan(
            name=self.name,
            equation=equation.name,
            equation_parameters=plain(equation),
            coefficient_names=equation.coefficient_names,
            config={
                "coefficients": class_options(self.coefficients),
                "initial_state": class_options(self.initial_state),
                "times": plain(self.times),
                **{name: getattr(self, name) for name in (*names, "library", "decomposition")},
            },
            grid=self.grid,
            input_fields=(),
            state_fields=equation.state_fields,
            times=self.times.values,
            seed=self.seed,
            shard_size=self.planned_shard_size,
            num_samples=self.num_samples,
        )

    def memory_parts(self, num_ranks: int) -> dict[str, int]:
        """Count the bytes that one rank takes at least, by the option that decides them."""
        from data_gen.evolution_generation import work_bytes

        of_shard = min(self.planned_shard_size, max(self.num_samples.values()))
        share = num_ranks if self.decomposition == "slab" else 1
        return {
            f"num_points={self.num_points}": work_bytes(self, num_ranks),
            f"shard_size={of_shard}": of_shard * self.sample_bytes // share,
        }

    def generator(self, comm: "Comm") -> "EvolutionGenerator":
        """Make what computes the samples."""
        from data_gen.evolution_generation import EvolutionGenerator

        if self.decomposition == "shards":
            return EvolutionGenerator(self)
        from data_gen.evolution_slab_generation import SlabEvolutionGenerator

        return SlabEvolutionGenerator(comm, self)
