"""The solvers of generated data sets at full and at lower cost: coarser grids, larger steps."""

from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from data_gen.etdrk import block_size, integrate
from data_gen.kept_modes import Precision
from data_gen.solver_variants import Rows, SolverVariants, States, UnstableError, Variant
from data_gen.steady_cost import EllipticVariants, SteadyVariants
from data_gen.verification import check_of
from lightning_sciml.errors import InputError
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.named_equation import DARCY, named_equation, named_evolution
from lightning_sciml.pde.walls import has_continuation
from lightning_sciml.shards.reader import ShardedDataset

LEAST_POINTS = 8
"""Points an axis of the coarsest grid that is tried."""
_PRECISIONS: tuple[Precision, ...] = ("float64", "float32")


def solver_of(
    folder: Path, split: str, samples: Int64[np.ndarray, " n"], moments: Int64[np.ndarray, "n K1"]
) -> SolverVariants | None:
    """Return the solver of some samples of a data set; None where it was not made by one of ours.

    Args:
        folder: the data set.
        split: of the samples.
        samples: their indices.
        moments: numbers of the stored times of an evolution: of the state that is given, and of
            those that are asked for, equally far apart in all rows.
    """
    dataset = ShardedDataset(folder, split)
    manifest = dataset.manifest
    if manifest.equation == DARCY:
        return EllipticVariants(dataset, samples) if check_of(manifest) else None
    if manifest.equation in EVOLUTION_EQUATIONS and check_of(manifest):
        return EvolutionVariants(dataset, samples, moments)
    equation, grid = named_equation(manifest.equation, manifest.equation_parameters), manifest.grid
    if equation is None or not grid.is_square or grid.lengths != (1.0, 1.0):
        return None
    return SteadyVariants(dataset, samples, equation) if has_continuation(grid.boundary) else None


class _Settings(NamedTuple):
    """Choices of a variant: grid, steps from one state to the next, precision."""

    shape: tuple[int, int]
    steps: int
    precision: Precision = "float64"


class EvolutionVariants(SolverVariants):
    """ETDRK4 from stored states on: with N, N/2, N/4 … points, 1, 2, 4 … times the step.

    A coarser grid keeps the modes of the given state that it resolves, and its states are
    evaluated on the stored grid. Variants take the fastest library of transforms that is installed.

    Args:
        dataset: generated trajectories.
        samples: of them.
        moments: as for ``solver_of``.
    """

    def __init__(
        self,
        dataset: ShardedDataset,
        samples: Int64[np.ndarray, " n"],
        moments: Int64[np.ndarray, "n K1"],
    ) -> None:
        manifest, stored = dataset.manifest, np.array(dataset.times)
        self.equation = named_evolution(manifest.equation, manifest.equation_parameters)
        self.grid, self.library = manifest.grid, "ducc0" if find_spec("ducc0") else "numpy"
        self._made_by = str(manifest.config.get("library", "numpy"))
        self._all_times, self._steps = dataset.times, int(manifest.config["steps"])
        # to the digits of decimal fractions, so that equal steps are one step
        self._times = [float(f"{t:.12g}") for t in stored[moments[0]] - stored[moments[0, 0]]]
        self._stride = int(moments[0, 1] - moments[0, 0]) if moments.shape[1] > 1 else 1
        self._coefficients = dataset.coefficients(samples)
        states = [dataset.windows(samples, at, 1)[:, 0] for at in moments.T]
        self._given, self.reference = states[0], np.stack(states[1:] or states, axis=1)

    def lines(self) -> Iterator[list[Variant]]:
        """List the variants of each grid and precision, from the data set's step to the largest."""
        for factor in _powers_of_two(min(self.grid.shape) // LEAST_POINTS):
            shape = (self.grid.shape[0] // factor, self.grid.shape[1] // factor)
            for precision in _PRECISIONS:
                steps = self._steps * self._stride if self.equation.degree > 1 else 1
                choices = [-(-steps // longer) for longer in _powers_of_two(steps)]
                yield [self._variant(_Settings(shape, n, precision)) for n in choices]

    def generation(self) -> Variant:
        """Return the integration from time 0 to the last stored time, with the set's own library.

        What comes before the first stored time takes as long as the same time after it.
        """
        first, second = self._all_times[:2]
        interval = float(f"{second - first:.12g}")
        number = round(first / interval) + len(self._all_times)
        times = [i * interval for i in range(number)]
        settings = _Settings(self.grid.shape, self._steps)
        solve = partial(self._solve, settings=settings, times=times, library=self._made_by)
        return self._variant(settings)._replace(solve=solve)

    def _variant(self, settings: _Settings) -> Variant:
        (H, W), steps, precision = settings
        line = f"{H}×{W} points, {precision}"
        grid = Grid(shape=settings.shape, lengths=self.grid.lengths)
        block = block_size(self.equation, grid)
        name = f"{line}, {steps} step{'s' if steps > 1 else ''}"
        return Variant(line, name, block, partial(self._solve, settings=settings))

    def _solve(
        self,
        rows: Rows,
        settings: _Settings,
        times: list[float] | None = None,
        library: str | None = None,
    ) -> States:
        given, times = self._given[rows], times or self._times
        out = np.empty((len(rows), len(times), *given.shape[1:]), np.float32)
        try:
            integrate(
                self.equation,
                given,
                self._coefficients[rows],
                times,
                settings.steps,
                lengths=self.grid.lengths,
                library=library or self.library,
                num_points=settings.shape,
                precision=settings.precision,
                out=out,
            )
        except InputError as error:  # not finite, or a force that the grid does not have
            raise UnstableError(str(error)) from error
        return out[:, 1:]


def _powers_of_two(most: int) -> Iterator[int]:
    """List 1, 2, 4 … up to a number."""
    power = 1
    while power <= most:
        yield power
        power *= 2
