"""Choose the time step of a data set by a trial: the longest whose error is small enough."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_gen.evolution_configuration import MAX_STEPS, EvolutionConfig
from data_gen.ranks import on_rank_0
from lightning_sciml.errors import InputError
from lightning_sciml.shards.dataset_plan import DatasetPlan

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from data_gen.evolution_generation import EvolutionGenerator

MARGIN = 10.0  # of the error: other samples than those of the trial may have larger ones
_NUM_SAMPLES = 4
_MORE_STEPS = 1.25  # where steps are limited by stability, other samples need a few more
_ORDER = 4
_EXCESS = 1.5  # of the error, so that the steps of an estimate rarely miss it


def enough_steps(steps: int, error: float, wanted: float) -> int:
    """Estimate the steps that meet an error, from the error of as many."""
    if not np.isfinite(error):
        return 2 * steps
    return max(steps + 1, int(np.ceil(steps * (_EXCESS * error / wanted) ** (1 / _ORDER))))


def settled_steps(
    config: EvolutionConfig, comm: "Comm", output: Path, tell: Callable[[str], object]
) -> int:
    """Return the steps of the same data set in the folder, or else those of a trial.

    A linear equation takes no steps, however many there are.
    """
    if config.coefficients.equation.degree == 1:
        return 1
    found = on_rank_0(comm, lambda: _steps_on_disk(config, output))
    if found is not None:
        return found
    generator = config.generator(comm)
    if config.decomposition == "slab":
        return trial_steps(generator, tell if comm.rank == 0 else lambda _: None)
    return on_rank_0(comm, lambda: trial_steps(generator, tell))


def _steps_on_disk(config: EvolutionConfig, output: Path) -> int | None:
    try:
        plan = DatasetPlan.load(output)
        same = replace(config, steps=plan.config.get("steps", "auto"))
        return same.steps if same.plan().text == plan.text and same.steps != "auto" else None
    except (InputError, TypeError):  # no data set, or another one
        return None


def trial_steps(generator: "EvolutionGenerator", tell: Callable[[str], object]) -> int:
    """Raise the number of steps until each of a few samples meets a part of the largest error.

    It at most doubles at a time: where steps are too long, an error tells little of shorter ones.

    Raises:
        InputError: no number of steps will do, or the grid does not resolve an initial state.
    """
    config = generator.config
    tell("steps: auto tries steps between stored times on a few samples")
    split, number = next((s, n) for s, n in config.num_samples.items() if n)
    steps, wanted, largest = 1, config.max_time_error / MARGIN, 0.0
    for index in range(min(_NUM_SAMPLES, number)):
        generator.check_start(split, index)  # at once, as steps cannot mend it
        while not (error := generator.time_error(split, index, steps)) <= wanted:
            if steps == MAX_STEPS:
                raise InputError(
                    f"{split} sample {index} has a time error of {error:.1e} with {steps:,} steps "
                    f"between stored times, wanted {wanted:.1e}; raise max_time_error, or lower "
                    "times.interval, or where the system is chaotic error_horizon"
                )
            steps = min(2 * steps, enough_steps(steps, error, wanted), MAX_STEPS)
        largest = max(largest, error)
    chosen = min(math.ceil(_MORE_STEPS * steps), MAX_STEPS)
    tell(
        f"{chosen:,} steps between stored times, by a trial: with {steps:,} the largest error is "
        f"{largest:.1e}, max_time_error is {config.max_time_error:g}"
    )
    return chosen
