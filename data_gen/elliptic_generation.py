"""From a sample's index to a, f and u of -∇·(a∇u) = f: draw, solve, check; in blocks."""

import numpy as np
from jaxtyping import Float, Float32, Int64

from data_gen.decomposition import ShardTask
from data_gen.elliptic_configuration import EllipticConfig
from data_gen.elliptic_solver import block_size, solve
from data_gen.float32_range import LEAST_FIELD, check_quantities
from data_gen.generation import InaccurateSolutionError
from data_gen.random_numbers import sample_uniforms
from data_gen.shard import Advance, Shard, ShardGenerator, Warn
from lightning_sciml.shards.field_norms import field_norms
from lightning_sciml.shards.schema import (
    COEFFICIENTS,
    FIELDS,
    ITERATIONS,
    NORMS,
    RESIDUAL,
    SAMPLE_INDEX,
)


class EllipticGenerator(ShardGenerator):
    """Makes any sample of a data set from its split and index.

    Args:
        config: the data set.
    """

    def __init__(self, config: EllipticConfig) -> None:
        self.config = config

    def _shard(self, task: ShardTask, advance: Advance, warn: Warn) -> Shard:
        N, num_fields = self.config.num_points, len(self.config.input_fields) + 1
        fields = np.empty((task.num_samples, num_fields, N, N), np.float32)
        shard = Shard({FIELDS: fields})
        size = block_size(N)
        for rows in np.split(np.arange(task.num_samples), range(size, task.num_samples, size)):
            out = fields[rows[0] : rows[-1] + 1]
            shard.put(rows, self.block(task.split, task.first_index + rows, out))
            advance(len(rows))
        shard.max_residual = float(shard.datasets[RESIDUAL].max())
        return shard

    @np.errstate(over="ignore")  # checked by check_quantities
    def block(
        self, split: str, indices: Int64[np.ndarray, " B"], out: Float32[np.ndarray, "B S1 N N"]
    ) -> dict[str, np.ndarray]:
        """Make the fields of these indices; return what is stored beside them.

        Raises:
            InaccurateSolutionError: a sample has too large a residual; it is named.
            InputError: float32 cannot hold a sample; it is named.
        """
        config = self.config
        labels = [f"{split} sample {index}" for index in indices]
        a, f, coefficients = self._draw(split, indices)
        solved = solve(a, f, config.boundary, config.max_residual)
        self._check_residual(solved.residual, labels)
        for channel, values in enumerate((a, f)[: len(config.input_fields)]):
            out[:, channel] = values
        out[:, -1] = solved.solution
        norms = field_norms(out[:, :-1], out[:, None, -1:])
        largest = (norms[:, -1], LEAST_FIELD, "change the scale of diffusivity or source")
        check_quantities({"max|u|": largest}, np.ones(len(indices), bool), labels)
        return {
            COEFFICIENTS: coefficients,
            NORMS: norms,
            SAMPLE_INDEX: indices,
            ITERATIONS: solved.iterations.astype(np.float64),
            RESIDUAL: solved.residual,
        }

    def _draw(
        self, split: str, indices: Int64[np.ndarray, " B"]
    ) -> tuple[Float[np.ndarray, "B N N"], Float[np.ndarray, "B N N"], Float[np.ndarray, "B c"]]:
        """Draw a, f and the coefficients."""
        config, count = self.config, self.config.diffusivity.num_uniforms
        total = count + config.source.num_uniforms
        uniforms = sample_uniforms(config.seed, split, indices, attempt=0, count=total)
        a, drawn = config.diffusivity.draw(uniforms[:, :count], config.grid)
        f, of_source = config.source.draw(uniforms[:, count:], config.grid)
        if config.boundary != "dirichlet":
            f = f - f.mean(axis=(1, 2), keepdims=True)
        names, drawn = config.coefficient_names, drawn | of_source
        coefficients = np.empty((len(indices), len(names)))
        for column, name in enumerate(names):
            coefficients[:, column] = drawn[name]
        return a, f, coefficients

    def _check_residual(self, residual: Float[np.ndarray, " B"], labels: list[str]) -> None:
        wrong = np.flatnonzero(~(residual <= self.config.max_residual))  # NaN is wrong, too
        if wrong.size:
            raise InaccurateSolutionError(
                f"{labels[wrong[0]]} has the residual {residual[wrong[0]]:.1e}, wanted at most "
                f"{self.config.max_residual:g}; lower diffusivity.contrast or raise max_residual"
            )
