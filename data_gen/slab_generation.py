"""One sample made by all ranks together: each holds a slab of its grid. All modes are kept."""

from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Complex, Float

from data_gen.configuration import DatasetConfig
from data_gen.decomposition import ShardTask
from data_gen.distributed_fft import DistributedFFT
from data_gen.draws import Draws
from data_gen.float32_range import check_float32
from data_gen.generation import MAX_RESIDUAL, ROUND_OFF, InaccurateSolutionError
from data_gen.rejections import Rejections
from data_gen.shard import Advance, Shard, ShardGenerator, Warn
from lightning_sciml.pde.grid import PeriodicGrid
from lightning_sciml.shards.schema import FIELDS, NORMS

if TYPE_CHECKING:
    from mpi4py.MPI import Comm


class SlabGenerator(ShardGenerator):
    """Makes the samples that a ``SampleGenerator`` makes, with a slab of the grid on each rank.

    Args:
        comm: the ranks.
        config: the data set.

    Raises:
        InputError: too many ranks for the grid, or a grid too coarse for the sources.
    """

    def __init__(self, comm: "Comm", config: DatasetConfig) -> None:
        self.config = config
        self.equation = config.coefficients.equation
        self.fft = DistributedFFT(comm, PeriodicGrid(config.num_points))
        # Coefficients may depend on the source's spectrum, whose few modes every rank can hold.
        largest = self.fft.exchange.largest
        self.draws = Draws(config, config.transform(), self.fft.rows, largest)

    def _shard(self, task: ShardTask, advance: Advance, warn: Warn) -> Shard:
        is_first = self.fft.comm.rank == 0
        rejections = Rejections(
            task, self.config.coefficients, warn if is_first else lambda _: None
        )
        for attempt in count():
            shard = self._attempt(task, attempt)
            solution_max = shard.datasets[NORMS][:, -1]
            if solution_max[0] <= self.config.coefficients.max_solution:
                break
            rejections.add(np.arange(1), solution_max)
        shard.num_rejected = rejections.num_draws
        if is_first:
            advance(task.num_samples)
        return shard

    @np.errstate(over="ignore", divide="ignore", invalid="ignore")  # checked by check_float32
    def _attempt(self, task: ShardTask, attempt: int) -> Shard:
        f = np.empty((1, self.fft.rows.stop - self.fft.rows.start, self.config.num_points))
        index, label = np.array([task.first_index]), f"{task.split} sample {task.first_index}"
        draw = self.draws.draw(task.split, index, attempt, f)
        f_hat = self._without_free_mean(self.fft.forward(f[0]), value=0.0)
        symbol = self.equation.symbol(draw.coefficients[0], self.fft.wavenumbers)
        symbol = self._without_free_mean(symbol, value=1.0)
        solved = f_hat / symbol
        u = self.fft.backward(solved)  # which leaves ``solved`` as it is
        u_hat = self.fft.forward(u)
        norms = self._norms(f[0], u)[None]
        is_kept = norms[:, -1] <= self.config.coefficients.max_solution
        check_float32(norms, draw.coefficients, is_kept, [label])
        self._check_transform(u_hat, solved, label)
        misfit = self._without_free_mean(symbol * u_hat - f_hat, value=0.0)
        residual = float(np.sqrt(self.fft.energy(misfit)) / norms[0, 0])
        if not residual <= MAX_RESIDUAL:
            raise InaccurateSolutionError(
                f"{label} has the residual {residual:.1e}, wanted at most {MAX_RESIDUAL:g}; "
                "L spans more orders of magnitude than float64 resolves"
            )
        few_modes = self.draws.transform
        measured = self.config.coefficients.measured(
            self.equation.symbol(draw.coefficients, few_modes.wavenumbers),
            self._on_few_modes(u_hat)[None],
            few_modes,
        )
        fields = np.stack([f[0], u])[None].astype(np.float32)
        described = draw.described(norms, index, attempt)
        return Shard({FIELDS: fields, NORMS: norms} | described | measured, residual)

    def _on_few_modes(self, u_hat: Complex[np.ndarray, "N m"]) -> Complex[np.ndarray, "K2 K"]:
        """Gather the low modes of all ranks, in the layout of a truncated transform."""
        num_modes = self.draws.transform.num_modes
        modes = np.arange(num_modes + 1)
        first = self.fft.columns.start
        low = u_hat[np.concatenate([modes, -modes]), : max(0, num_modes + 1 - first)]
        joined = np.concatenate(self.fft.comm.allgather(low), axis=1)
        joined[self.draws.transform.zero_rows] /= 2  # the row ky = 0 stands there twice
        return joined

    def _without_free_mean(
        self, u_hat: Complex[np.ndarray, "N m"], value: float
    ) -> Complex[np.ndarray, "N m"]:
        """Set the mode k = 0, on the rank that has it, where the equation leaves the mean free."""
        if self.equation.fixes_mean and self.fft.columns.start == 0:
            u_hat[0, 0] = value
        return u_hat

    def _norms(
        self, f: Float[np.ndarray, "n N"], u: Float[np.ndarray, "n N"]
    ) -> Float[np.ndarray, " 5"]:
        """Compute the norms of the whole fields, as ``norm_names`` says."""
        num_points = self.config.num_points**2
        sums = [self.fft.exchange.sum(field.sum(axis=1)) / num_points for field in (f, u)]
        squares = [self.fft.exchange.sum((field**2).sum(axis=1)) / num_points for field in (f, u)]
        largest = self.fft.exchange.largest(np.array([np.float32(np.abs(u).max(initial=0.0))]))
        return np.array([*np.sqrt(squares), *sums, largest[0]])

    def _check_transform(
        self, u_hat: Complex[np.ndarray, "N m"], solved: Complex[np.ndarray, "N m"], label: str
    ) -> None:
        """Compare û of the field with f̂/L: they differ by round-off, which L does not amplify."""
        error = np.sqrt(self.fft.energy(u_hat - solved) / self.fft.energy(solved))
        if not error <= ROUND_OFF:
            raise InaccurateSolutionError(
                f"{label} has a solution that differs from f̂/L by {error:.1e}, relative; round-off "
                f"explains {ROUND_OFF:.1e}; the transform is wrong or L is singular"
            )
