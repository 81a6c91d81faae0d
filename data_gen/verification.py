"""Check stored samples by what made them."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from jaxtyping import Float, Float32

from data_gen.elliptic_verification import elliptic_check
from data_gen.etdrk import integrate
from data_gen.evolution_configuration import MAX_STEPS
from lightning_sciml.errors import InputError
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.evolution_equation import EvolutionEquation
from lightning_sciml.pde.named_equation import DARCY, named_evolution
from lightning_sciml.pde.residual import SolutionCheck
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.schema import COEFFICIENTS, SAMPLE_INDEX
from lightning_sciml.shards.shard_layout import OpenShard
from lightning_sciml.shards.verification import CHECKS_A_SHARD, Check

_ULP = 2.0**-24  # relative: the largest rounding error of float32
_PERTURBATION = 256 * _ULP  # above the rounding of the state by so much that chance plays no part
_FLOOR = 4 * _ULP  # of the largest value of all fields: fields that are zero but for round-off


def check_of(manifest: Manifest) -> Check | None:
    """Return what checks the samples of this set; None where that is not in this package.

    Raises:
        InputError: the manifest contradicts the equation that it names.
    """
    if manifest.equation == DARCY:
        return elliptic_check(manifest)
    steps = manifest.config.get("steps")
    if manifest.equation not in EVOLUTION_EQUATIONS or not isinstance(steps, int):
        return None
    equation = named_evolution(manifest.equation, manifest.equation_parameters)
    wanted = {
        "state_fields": equation.state_fields,
        "coefficient_names": equation.coefficient_names,
    }
    for name, names in wanted.items():
        if getattr(manifest, name) != names:
            raise InputError(
                f"{name} of {manifest.equation} are {list(names)}, the manifest has "
                f"{list(getattr(manifest, name))}; generate the set again"
            )
    if not 0 < steps <= MAX_STEPS:
        raise InputError(f"config.steps must be 1 … {MAX_STEPS:,}, the manifest has {steps}")
    return partial(_steps, manifest=manifest, equation=equation, steps=steps)


def _steps(
    shard: OpenShard, manifest: Manifest, equation: EvolutionEquation, steps: int
) -> Iterator[tuple[str, SolutionCheck]]:
    """Integrate from some stored states to the next ones, in an order that the content decides."""
    num_intervals = manifest.num_times - 1
    num_pairs = shard.record.num_samples * num_intervals
    generator = np.random.default_rng(int(shard.record.checksum, 16))
    for pair in generator.choice(num_pairs, min(CHECKS_A_SHARD, num_pairs), replace=False):
        row, t = divmod(int(pair), num_intervals)
        label = f"sample {shard.arrays[SAMPLE_INDEX][row]} at time {manifest.times[t + 1]:g}"
        _, states = shard.sample(row)
        interval = manifest.times[t + 1] - manifest.times[t]
        yield (
            label,
            check_step(
                equation,
                states[t : t + 2],
                shard.arrays[COEFFICIENTS][row],
                interval=interval,
                steps=steps,
                lengths=manifest.grid.lengths,
            ),
        )


def check_step(
    equation: EvolutionEquation,
    states: Float32[np.ndarray, "2 F H W"],
    coefficients: Float[np.ndarray, " c"],
    *,
    interval: float,
    steps: int,
    lengths: tuple[float, float],
) -> SolutionCheck:
    """Compare the second of two stored states with what the first one becomes.

    What rounding explains is found by integrating from a perturbed first state, too: it grows as
    much as its own rounding, also where the system is chaotic. Errors are those of the field with
    the largest excess, relative to the norm of all.
    """
    first, second = states.astype(float)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], first.shape)
    starts = np.stack([first, first * (1 + _PERTURBATION * signs)])
    try:
        both = integrate(
            equation, starts, np.stack([coefficients] * 2), (0.0, interval), steps, lengths=lengths
        )[:, 1]
    except InputError:  # not finite
        return SolutionCheck(residual=np.nan, error=np.inf, explained=_PERTURBATION)
    error, growth = (
        np.sqrt(np.square(values).mean(axis=(-2, -1)))
        for values in (both[0] - second, both[1] - both[0])
    )
    allowed = growth + _FLOOR * np.abs(second).max()
    worst = int(np.argmax(error - allowed))
    norm = float(np.sqrt(np.square(second).mean())) or 1.0
    return SolutionCheck(
        residual=np.nan, error=error[worst] / norm, explained=allowed[worst] / norm
    )
