"""From a sample's index to its fields: draw, solve, check; in blocks, then whole shards."""

from itertools import count

import numpy as np
from jaxtyping import Float, Float32, Int64

from data_gen.configuration import DatasetConfig
from data_gen.decomposition import ShardTask
from data_gen.draws import Draws
from data_gen.float32_range import check_float32
from data_gen.mode_transform import Modes
from data_gen.random_projection import RandomProjection
from data_gen.rejections import Rejections
from data_gen.shard import Advance, Block, Shard, ShardGenerator, Warn
from data_gen.spectral_solver import SpectralSolver
from lightning_sciml.errors import ReportedError
from lightning_sciml.shards.schema import FIELDS, NORMS

BLOCK_SIZE = 32  # samples computed together: fewer pay for the interpreter, more leave the cache
ROUND_OFF = 100 * np.finfo(np.float64).eps
MAX_RESIDUAL = 1e-3  # beyond it round-off explains nothing: float64 does not resolve L


class InaccurateSolutionError(ReportedError):
    """A residual ‖Lu-f‖/‖f‖ larger than truncation and round-off explain."""


class SampleGenerator(ShardGenerator):
    """Makes any sample of a data set from its split and index.

    Args:
        config: the data set.

    Raises:
        InputError: the modes do not fit the grid or the sources.
    """

    trial_size = BLOCK_SIZE

    def __init__(self, config: DatasetConfig) -> None:
        self.config = config
        self.coefficients = config.coefficients
        self.solver = SpectralSolver(config.coefficients.equation, config.transform())
        self.transform = self.solver.transform
        self.projection = RandomProjection(self.transform)
        self.draws = Draws(config, self.transform)

    def _shard(self, task: ShardTask, advance: Advance, warn: Warn) -> Shard:
        num_points = self.config.num_points
        fields = np.empty((task.num_samples, 2, num_points, num_points), np.float32)
        shard = Shard({FIELDS: fields})
        rows, rejections = np.arange(task.num_samples), Rejections(task, self.coefficients, warn)
        for attempt in count():
            rows = self._attempt(task, rows, attempt, shard, advance)
            if not rows.size:
                break
            rejections.add(rows, shard.datasets[NORMS][rows, -1])
        shard.num_rejected = rejections.num_draws
        return shard

    def _attempt(
        self,
        task: ShardTask,
        rows: Int64[np.ndarray, " R"],
        attempt: int,
        shard: Shard,
        advance: Advance,
    ) -> Int64[np.ndarray, " S"]:
        """Try these rows of a shard; return those whose draw was rejected."""

        def make(
            block_rows: Int64[np.ndarray, " B"], fields: Float32[np.ndarray, "B 2 N N"]
        ) -> Block:
            block, residual = self.block(task.split, task.first_index + block_rows, attempt, fields)
            shard.max_residual = max(shard.max_residual or 0.0, *residual[block.accepted], 0.0)
            advance(int(block.accepted.sum()))
            return block

        return shard.attempt(FIELDS, rows, BLOCK_SIZE, make)

    @np.errstate(over="ignore", divide="ignore", invalid="ignore")  # checked by check_float32
    def block(
        self,
        split: str,
        indices: Int64[np.ndarray, " B"],
        attempt: int,
        fields: Float32[np.ndarray, "B 2 N N"],
    ) -> tuple[Block, Float[np.ndarray, " B"]]:
        """Make one attempt at the samples of these indices, and measure their residuals.

        [source, solution] go to ``fields``.

        Raises:
            InaccurateSolutionError: Lu = f is not met; the sample is named.
            InputError: float32 cannot hold a sample that is kept; it is named.
        """
        draw = self.draws.draw(split, indices, attempt, fields[:, 0])
        source, labels = draw.source, [f"{split} sample {i}" for i in indices]
        symbol = self.solver.symbol(draw.coefficients)
        u_hat = self.solver.solve_modes(source.f_hat, symbol)
        largest_u, error_energy = self._put_solution(u_hat, fields[:, 1])
        norms = [  # as norm_names says
            np.sqrt(source.energy),
            np.sqrt(self.transform.energy(u_hat)),
            self.transform.mean(source.f_hat),
            self.transform.mean(u_hat),
            largest_u,
        ]
        accepted = largest_u <= self.coefficients.max_solution
        described = draw.described(np.stack(norms, axis=1), indices, attempt)
        check_float32(described[NORMS], draw.coefficients, accepted, labels)
        # û solves the kept modes by a division. An error e of the field adds at most max|L| ‖e‖ to
        # the residual, and of f the modes that are not kept are missing.
        largest = self.solver.largest_symbol(symbol)
        residual = np.sqrt((largest**2 * error_energy + source.discarded) / source.energy)
        round_off = ROUND_OFF * (1 + largest * norms[1] / norms[0])  # ε max|L| ‖u‖/‖f‖
        explained = np.sqrt(source.discarded / source.energy) + round_off
        _check_residual(residual, np.minimum(explained, MAX_RESIDUAL), labels)
        measured = self.coefficients.measured(symbol, u_hat, self.transform)
        return Block(described | measured, accepted), residual

    def _put_solution(
        self, u_hat: Modes, out: Float32[np.ndarray, "B N N"]
    ) -> tuple[Float32[np.ndarray, " B"], Float[np.ndarray, " B"]]:
        """Store the solution; return max|u| and the mean square of what its transform misses."""
        largest = np.empty(len(u_hat), np.float32)
        error_energy = np.empty(len(u_hat))
        for chunk in self.transform.chunks(len(u_hat)):
            u = self.transform.parities(u_hat[chunk])
            error_energy[chunk] = self.projection.error_energy(u, u_hat[chunk])
            u.unfold(out[chunk])
            stored = out[chunk].reshape(len(u_hat[chunk]), -1)
            largest[chunk] = np.maximum(stored.max(axis=1), -stored.min(axis=1))
        return largest, error_energy


def _check_residual(
    residual: Float[np.ndarray, " B"], explained: Float[np.ndarray, " B"], labels: list[str]
) -> None:
    wrong = np.flatnonzero(~(residual <= explained))  # so that NaN is wrong, too
    if wrong.size:
        first = wrong[0]
        raise InaccurateSolutionError(
            f"{labels[first]} has the residual {residual[first]:.1e}, truncation and round-off "
            f"explain {explained[first]:.1e}; the solver is wrong or L is singular"
        )
