"""One trajectory made by all ranks together: each holds a slab of its states."""

from typing import TYPE_CHECKING

from data_gen.decomposition import ShardTask
from data_gen.evolution_configuration import EvolutionConfig
from data_gen.evolution_generation import EvolutionGenerator
from data_gen.shard import Advance, Shard, Warn
from data_gen.slab_transform import SlabTransform

if TYPE_CHECKING:
    from mpi4py.MPI import Comm


class SlabEvolutionGenerator(EvolutionGenerator):
    """Makes the trajectories of an ``EvolutionGenerator``, bit by bit, with a slab on each rank.

    Args:
        comm: the ranks.
        config: the data set.

    Raises:
        InputError: too many ranks for the grid, or the library of transforms is not there.
    """

    trial_size = 0  # a trajectory of a large grid takes hours

    def __init__(self, comm: "Comm", config: EvolutionConfig) -> None:
        degree = config.coefficients.equation.degree
        self._comm = comm
        self._transform = SlabTransform(comm, config.grid, degree, config.library)
        super().__init__(config)
        self.reductions = self._transform.stored.exchange

    def transform(self, num_fields: int) -> SlabTransform:
        """Return the transform of one field; its memory is taken once."""
        return self._transform

    def _shard(self, task: ShardTask, advance: Advance, warn: Warn) -> Shard:
        return super()._shard(task, advance if self._comm.rank == 0 else lambda _: None, warn)
