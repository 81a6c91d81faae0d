"""The solvers of steady problems at full and at lower cost: fewer modes, coarser grids."""

from collections.abc import Iterator
from functools import partial
from typing import Literal, cast

import numpy as np
from jaxtyping import Float, Int64

from data_gen.elliptic_solver import block_size, solve
from data_gen.elliptic_verification import constant_source
from data_gen.finite_volumes import Walls
from data_gen.generation import BLOCK_SIZE
from data_gen.mode_transform import ModeTransform
from data_gen.solver_variants import Rows, SolverVariants, States, Variant
from data_gen.spectral_solver import SpectralSolver
from data_gen.truncated_transform import TruncatedTransform
from data_gen.walled_transform import WalledTransform
from lightning_sciml.pde.grid import PeriodicGrid
from lightning_sciml.pde.steady import Equation
from lightning_sciml.pde.walls import highest_mode
from lightning_sciml.shards.reader import ShardedDataset

_LEAST_MODES, _LEAST_CELLS = 2, 8  # that are tried, an axis
_RESIDUALS = (1e-8, 1e-6, 1e-4, 1e-2)


class SteadyVariants(SolverVariants):
    """û = f̂/L(k) with the modes that the data set has, and with 1/2, 1/4 … as many.

    Args:
        dataset: on the unit square, periodic or between walls of one kind.
        samples: of it.
        equation: with constant coefficients.
    """

    def __init__(
        self, dataset: ShardedDataset, samples: Int64[np.ndarray, " n"], equation: Equation
    ) -> None:
        manifest = dataset.manifest
        self._num_points, self._boundary = manifest.grid.shape[0], manifest.grid.boundary[0]
        self._equation = equation
        most = highest_mode(self._num_points, self._boundary)
        self._num_modes = min(int(manifest.config.get("num_modes") or most), most)
        self._coefficients = dataset.coefficients(samples)
        fields = dataset.fields(samples)
        self._source, self.reference = fields[:, 0], fields[:, None, 1:]

    def lines(self) -> Iterator[list[Variant]]:
        """List the variants from the most modes to the fewest."""
        choices = [self._num_modes]
        while choices[-1] >= 2 * _LEAST_MODES:
            choices.append(choices[-1] // 2)
        yield [self._variant(number) for number in choices]

    def generation(self) -> Variant:
        """Return the solver with the modes of the data set."""
        return self._variant(self._num_modes)

    def _variant(self, num_modes: int) -> Variant:
        solver = SpectralSolver(self._equation, self._transform(num_modes))
        name = f"spectral, float64, {num_modes} modes an axis"
        return Variant("spectral, float64", name, BLOCK_SIZE, partial(self._solve, solver=solver))

    def _transform(self, num_modes: int) -> ModeTransform:
        if self._boundary == "periodic":
            return TruncatedTransform(PeriodicGrid(self._num_points), num_modes)
        walls = cast(Literal["dirichlet", "neumann"], self._boundary)
        return WalledTransform(self._num_points, num_modes, walls)

    def _solve(self, rows: Rows, solver: SpectralSolver) -> States:
        found = np.empty((len(rows), 1, 1, self._num_points, self._num_points), np.float32)
        for start in range(0, len(rows), BLOCK_SIZE):
            block = rows[start : start + BLOCK_SIZE]
            source = self._source[block].astype(np.float64)
            found[start : start + BLOCK_SIZE, 0, 0] = solver.solve(
                source, self._coefficients[block]
            )
        return found


class EllipticVariants(SolverVariants):
    """Conjugate gradients to larger residuals, on cells that are 1, 2, 3 … times as large.

    A larger cell has the geometric mean of a over its parts, which is exact for a checkerboard (A.
    M. Dykhne, Sov. Phys. JETP 32 (1971) 63), and u is interpolated linearly from its centre.

    Args:
        dataset: of -∇·(a∇u) = f.
        samples: of it.
    """

    def __init__(self, dataset: ShardedDataset, samples: Int64[np.ndarray, " n"]) -> None:
        manifest = dataset.manifest
        self._walls = cast(Walls, manifest.grid.boundary[0])
        self._residual = float(manifest.config["max_residual"])
        a, *source, u = dataset.fields(samples).astype(np.float64).swapaxes(0, 1)
        f = source[0] if source else np.full_like(a, constant_source(manifest))
        if self._walls != "dirichlet":
            f = f - f.mean(axis=(1, 2), keepdims=True)  # rounding gives it one
        self._a, self._f = a, f
        self.reference = u[:, None, None].astype(np.float32)

    def lines(self) -> Iterator[list[Variant]]:
        """List the variants of each grid, from the data set's residual to the largest."""
        N = self._a.shape[-1]
        for factor in (c for c in range(1, max(1, N // _LEAST_CELLS) + 1) if N % c == 0):
            larger = [residual for residual in _RESIDUALS if residual > self._residual]
            yield [self._variant(factor, residual) for residual in (self._residual, *larger)]

    def generation(self) -> Variant:
        """Return the solver with the residual of the data set."""
        return self._variant(1, self._residual)

    def _variant(self, factor: int, residual: float) -> Variant:
        n = self._a.shape[-1] // factor
        line = f"{n}×{n} cells"
        solved = partial(self._solve, factor=factor, residual=residual)
        return Variant(line, f"{line}, residual {residual:.0e}", block_size(n), solved)

    def _solve(self, rows: Rows, factor: int, residual: float) -> States:
        N = self._a.shape[-1]
        found = np.empty((len(rows), 1, 1, N, N), np.float32)
        size, spread = block_size(N // factor), interpolation(N, factor, self._walls)
        for start in range(0, len(rows), size):
            block = rows[start : start + size]
            a, f = self._a[block], self._f[block]
            if factor > 1:
                a, f = np.exp(means(np.log(a), factor)), means(f, factor)
            u = solve(a, f, self._walls, residual).solution
            found[start : start + size, 0, 0] = spread @ u @ spread.T if factor > 1 else u
        return found


def means(u: Float[np.ndarray, "B N N"], factor: int) -> Float[np.ndarray, "B n n"]:
    """Average over squares of factor × factor cells."""
    B, N, _ = u.shape
    return u.reshape(B, N // factor, factor, N // factor, factor).mean(axis=(2, 4))


def interpolation(num_cells: int, factor: int, walls: Walls) -> Float[np.ndarray, "N n"]:
    """Make the matrix that interpolates linearly between centres of cells that are larger.

    Beyond a wall lies the mirror image of u, with the other sign where u = 0.
    """
    number = num_cells // factor
    places = (np.arange(num_cells) + 0.5) / factor - 0.5  # in larger cells, from their first centre
    left = np.floor(places).astype(int)
    matrix = np.zeros((num_cells, number))
    for neighbour, weight in ((left, left + 1 - places), (left + 1, places - left)):
        beyond = (neighbour < 0) | (neighbour >= number)
        sign = np.where(beyond & (walls == "dirichlet"), -1.0, 1.0)
        inside = neighbour % number if walls == "periodic" else neighbour.clip(0, number - 1)
        np.add.at(matrix, (np.arange(num_cells), inside), sign * weight)
    return matrix
