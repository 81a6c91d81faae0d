"""Check stored solutions of -∇·(a∇u) = f by solving again."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from jaxtyping import Float32

from data_gen.elliptic_solver import solve
from data_gen.finite_volumes import WALLS, Walls
from lightning_sciml.errors import InputError
from lightning_sciml.pde.residual import SolutionCheck
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.schema import DIFFUSIVITY, FIELDS, SAMPLE_INDEX, SOLUTION, SOURCE
from lightning_sciml.shards.shard_layout import OpenShard
from lightning_sciml.shards.verification import CHECKS_A_SHARD, Check

_ULP = 2.0**-24  # relative: the largest rounding error of float32
_ROUNDING = 32 * _ULP  # of a and u


def elliptic_check(manifest: Manifest) -> Check | None:
    """Return what checks the samples of this set; None where it is not a generated one.

    Raises:
        InputError: the manifest contradicts itself.
    """
    if DIFFUSIVITY not in manifest.config:
        return None
    grid, inputs = manifest.grid, manifest.input_fields
    value, max_residual = constant_source(manifest), manifest.config.get("max_residual")
    walls = next((known for known in WALLS if known == grid.boundary[0]), None)
    fits = inputs == (DIFFUSIVITY, SOURCE) or (inputs == (DIFFUSIVITY,) and value is not None)
    if not (
        fits
        and manifest.output_fields == (SOLUTION,)
        and grid.is_square
        and walls is not None
        and isinstance(max_residual, float)
    ):
        raise InputError(
            f"the manifest of {manifest.name} does not say how -∇·(a∇u) = f was solved; generate "
            "the set again"
        )
    examined = partial(check_sample, walls=walls, value=value, max_residual=max_residual)
    return partial(_solutions, check=examined)


def constant_source(manifest: Manifest) -> float | None:
    """Find the source where it is constant and thus not stored."""
    try:
        return float(manifest.config["source"]["init_args"]["value"])
    except (KeyError, TypeError, ValueError):
        return None


def _solutions(
    shard: OpenShard, check: Callable[[Float32[np.ndarray, "S1 N N"]], SolutionCheck]
) -> Iterator[tuple[str, SolutionCheck]]:
    """Check some samples, which ones the content of the shard decides."""
    generator = np.random.default_rng(int(shard.record.checksum, 16))
    number = min(CHECKS_A_SHARD, shard.record.num_samples)
    for row in generator.choice(shard.record.num_samples, number, replace=False):
        yield f"sample {shard.arrays[SAMPLE_INDEX][row]}", check(shard.read(FIELDS, int(row)))


def check_sample(
    fields: Float32[np.ndarray, "S1 N N"],
    walls: Walls,
    *,
    value: float | None = None,
    max_residual: float = 1e-10,
) -> SolutionCheck:
    """Compare a stored [a, u], or [a, f, u], with the solution u of the stored a and f in float64.

    A change of f by δf changes u by at most ‖δf‖ / (π² min a).

    Args:
        fields: the sample.
        walls: what holds at the edges.
        value: of f where it is constant and not stored.
        max_residual: of the stored solution.
    """
    a, *source, u = fields.astype(np.float64)
    f = source[0] if source else np.full_like(a, value)
    if walls != "dirichlet":
        f -= f.mean()  # rounding gives it one
    wrong = SolutionCheck(residual=np.nan, error=np.inf, explained=_ROUNDING)
    if not (a > 0).all() or not np.isfinite(fields).all():
        return wrong
    try:
        solved = solve(a[None], f[None], walls, min(max_residual, 1e-8)).solution[0]
    except InputError:  # there is no solution
        return wrong
    norm = float(np.linalg.norm(solved))
    of_source = float(np.linalg.norm(f)) / (np.pi**2 * float(a.min()) * norm)
    return SolutionCheck(
        residual=np.nan,
        error=float(np.linalg.norm(u - solved)) / norm,
        explained=_ROUNDING + (_ULP + max_residual) * of_source,
    )
