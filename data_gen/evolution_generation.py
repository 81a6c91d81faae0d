"""From a sample's index to its trajectory: draw, integrate, check; in blocks, then whole shards."""

from collections.abc import Iterator
from functools import partial
from itertools import islice, repeat
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from data_gen.dealiased_transform import DealiasedTransform
from data_gen.decomposition import ShardTask
from data_gen.etdrk import Integrator, block_size
from data_gen.evolution_configuration import EvolutionConfig
from data_gen.kept_modes import KeptModes, dealiased_shape
from data_gen.random_numbers import sample_uniforms
from data_gen.shard import Advance, Block, Shard, ShardGenerator, Warn
from data_gen.slab_exchange import Reductions
from data_gen.state_modes import StateModes
from data_gen.trajectory_checks import (
    TrajectoryNorms,
    check_finite,
    check_sizes,
    check_tails,
    check_time_errors,
    relative_difference,
    spectral_tail,
)
from lightning_sciml.errors import InputError
from lightning_sciml.shards.schema import (
    COEFFICIENTS,
    NORMS,
    SAMPLE_INDEX,
    SPECTRAL_TAIL,
    TIME_ERROR,
    TRAJECTORIES,
)

MAX_ATTEMPTS = 100
MANY_DRAWS = 32  # of a shard of which none was kept: all draws are of the same distribution


class Start(NamedTuple):
    """What decides B trajectories: the modes of their states at time 0, and coefficients."""

    initial_hat: StateModes
    coefficients: Float[np.ndarray, "B c"]


class EvolutionGenerator(ShardGenerator):
    """Makes any trajectory of a data set from its split and index.

    Args:
        config: the data set.

    Raises:
        InputError: the library of transforms is not there, or the grid has too few points.
    """

    def __init__(self, config: EvolutionConfig) -> None:
        self.config = config
        self.equation = config.coefficients.equation
        self.reductions = Reductions()
        self.state_shape = (len(self.equation.state_fields), *self.transform(1).stored_shape)

    def transform(self, num_fields: int) -> KeptModes:
        """Make the transforms of a block."""
        return DealiasedTransform(
            self.config.grid, self.equation.degree, num_fields, self.config.library
        )

    def _shard(self, task: ShardTask, advance: Advance, warn: Warn) -> Shard:
        shape = (task.num_samples, self.config.times.num, *self.state_shape)
        shard = Shard({TRAJECTORIES: np.empty(shape, np.float32)})
        rows, size = np.arange(task.num_samples), block_size(self.equation, self.config.grid)
        for attempt in range(MAX_ATTEMPTS):
            told = advance if attempt == 0 else lambda _: None  # redrawn states count once
            make = partial(self._rows, task, attempt, told)
            rows = shard.attempt(TRAJECTORIES, rows, size, make)
            shard.num_rejected += rows.size
            if not rows.size:
                return shard
            if rows.size == task.num_samples and shard.num_rejected >= MANY_DRAWS:
                break
        raise InputError(
            f"{task.split} sample {task.first_index + rows[0]} was rejected in {attempt + 1} draws "
            f"of it: {self.config.coefficients.rejection}"
        )

    def _rows(
        self,
        task: ShardTask,
        attempt: int,
        advance: Advance,
        rows: Int64[np.ndarray, " B"],
        out: Float32[np.ndarray, "B T F H W"],
    ) -> Block:
        """Make one attempt at these rows of a shard."""
        return self.block(task.split, task.first_index + rows, out, advance, attempt=attempt)

    @np.errstate(over="ignore", invalid="ignore")  # checked below
    def block(
        self,
        split: str,
        indices: Int64[np.ndarray, " B"],
        out: Float32[np.ndarray, "B T F H W"],
        advance: Advance = lambda _: None,
        attempt: int = 0,
    ) -> Block:
        """Make one attempt at the trajectories of these indices; their states go to ``out``.

        Raises:
            InputError: a trajectory is not finite, not resolved, or not accurate; it is named.
        """
        config, labels = self.config, [f"{split} sample {index}" for index in indices]
        steps = int(config.steps)  # settled
        start = self.start(split, indices, attempt)
        is_checked = indices % config.checked_share == 0
        integrator = self.integrator(start, steps)
        states = integrator.states(config.times.values, steps)
        finer = self._finer_states(integrator, is_checked, steps)
        norms = TrajectoryNorms((out.shape[1], len(out), out.shape[2]), self.reductions)
        tails = np.zeros((config.times.num, len(indices)))
        errors = np.zeros((config.num_checked_times, int(is_checked.sum())))
        for t, (time, state) in enumerate(zip(config.times.values, states, strict=True)):
            out[:, t] = state
            check_finite(out[:, t], self.reductions, labels, time, steps)
            norms.add(t, out[:, t])
            tails[t] = spectral_tail(integrator, self.reductions)
            if t < len(errors):
                errors[t] = relative_difference(state[is_checked], next(finer), self.reductions)
            advance(len(indices))
        checked = [label for label, is_it in zip(labels, is_checked, strict=True) if is_it]
        check_time_errors(errors, checked, config)
        check_tails(tails, labels, config)
        check_sizes(norms.largest, labels, config)
        time_error = np.full(len(indices), np.nan)
        time_error[is_checked] = errors.max(axis=0)
        num_points = config.grid.num_points
        values = {
            COEFFICIENTS: start.coefficients,
            NORMS: norms.columns(num_points),
            SAMPLE_INDEX: indices,
            SPECTRAL_TAIL: tails.max(axis=0),
            TIME_ERROR: time_error,
        }
        return Block(values, ~config.coefficients.rejected(norms.rms(num_points)))

    def start(self, split: str, indices: Int64[np.ndarray, " B"], attempt: int = 0) -> Start:
        """Draw initial states and coefficients.

        Raises:
            InputError: options that do not fit each other, or coefficients of another shape than
                those of the equation.
        """
        config, equation = self.config, self.equation
        count = config.coefficients.num_uniforms
        total = count + config.initial_state.num_uniforms(len(equation.state_fields))
        uniforms = sample_uniforms(config.seed, split, indices, attempt=attempt, count=total)
        try:
            initial_hat = config.initial_state.draw(uniforms[:, count:], config.lengths, equation)
            found = config.coefficients.draw(uniforms[:, :count], initial_hat, config.lengths)
        except InputError as error:
            raise InputError(f"{split} sample {indices[0]} or one after it: {error}") from error
        wanted = (len(indices), len(equation.coefficient_names))
        if found.shape != wanted:
            raise InputError(
                f"{type(config.coefficients).__qualname__}.draw must return the shape {wanted}, "
                f"samples by coefficients, got {found.shape}"
            )
        return Start(initial_hat, found)

    def check_start(self, split: str, index: int) -> None:
        """Reject an initial state that is to be stored and that the grid does not resolve.

        Raises:
            InputError: naming the sample.
        """
        if self.config.times.first:
            return
        integrator = self.integrator(self.start(split, np.array([index])), 1)
        tails = spectral_tail(integrator, self.reductions)[None]
        check_tails(tails, [f"{split} sample {index}"], self.config)

    def integrator(self, start: Start, steps: int) -> Integrator:
        """Integrate to the first stored time, with this number of steps between stored times."""
        times = self.config.times
        transform = self.transform(len(start.coefficients))
        integrator = Integrator(self.equation, transform, start.coefficients)
        integrator.start_from_modes(start.initial_hat)
        if times.first:
            integrator.go(times.first, times.steps_to_first(steps))
        return integrator

    def _finer_states(
        self, coarse: Integrator, is_checked: Bool[np.ndarray, " B"], steps: int
    ) -> Iterator[Float[np.ndarray, "b F H W"]]:
        """Go on from the present state of the checked samples, with half the step.

        Errors are those of what is stored: they begin at the first stored time.
        """
        number = int(is_checked.sum())
        if not number:
            return repeat(np.empty((0, *self.state_shape)))
        if is_checked.all():
            return coarse.twin().states(self.config.times.values, 2 * steps)
        coefficients = coarse.coefficients[is_checked]
        integrator = Integrator(self.equation, self.transform(number), coefficients)
        integrator.u_hat[:] = coarse.u_hat[:, is_checked]
        return integrator.states(self.config.times.values, 2 * steps)

    @np.errstate(over="ignore", invalid="ignore")
    def time_error(self, split: str, index: int, steps: int) -> float:
        """Compare a trajectory with that of half the step; the largest error up to the horizon.

        It is not finite where one of them is not.
        """
        coarse = self.integrator(self.start(split, np.array([index])), steps)
        finer = self._finer_states(coarse, np.array([True]), steps)
        states, largest = coarse.states(self.config.times.values, steps), 0.0
        for state, other in islice(zip(states, finer, strict=True), self.config.num_checked_times):
            (error,) = relative_difference(state, other, self.reductions)
            if not np.isfinite(error):
                return float(error)
            largest = max(largest, float(error))
        return largest


def work_bytes(config: EvolutionConfig, num_ranks: int) -> int:
    """Count the bytes of one rank for a block, or for its slab of one trajectory.

    ETDRK4 takes the state and 5 stages, 6 real coefficients that stand twice and L; half of that
    again, but for stages and L, to measure its error. N takes two arrays of modes for each factor,
    and its grids.
    """
    equation, N = config.coefficients.equation, config.num_points
    F, P = len(equation.state_fields), equation.num_factors
    M_y, M_x = dealiased_shape(config.grid, equation.degree)
    columns = (N - 1) // 2 + 1
    num_arrays = 2 * F + F**2 if equation.degree == 1 else 12.5 * F + 7 * F + 2 * P + 1
    modes = int(16 * 2 * columns**2 * num_arrays)
    grids = 8 * M_y * M_x * (P + equation.num_scratch)
    states = 8 * N**2 * F * 4  # with half the step, too, and their difference
    if config.decomposition == "slab":
        return (modes + grids + states + 2 * 16 * M_y * columns) // num_ranks
    transform = 2 * 16 * M_y * (columns + M_x // 2 + 1)
    return block_size(equation, config.grid) * (modes + grids + states + transform)
