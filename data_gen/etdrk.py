"""Integrate evolution equations: ETDRK4 in Fourier space; exact where the equation is linear.

Source: S. M. Cox, P. C. Matthews, J. Comput. Phys. 176 (2002) 430.
"""

import math
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Self

import numpy as np
from jaxtyping import Complex, Float, Shaped

from data_gen.aligned_memory import aligned_copy, aligned_zeros
from data_gen.dealiased_transform import DealiasedTransform
from data_gen.etdrk_coefficients import StepCoefficients, step_coefficients
from data_gen.kept_modes import KeptModes, Precision, dealiased_shape
from data_gen.nonlinear_term import Calls, NonlinearTerm
from lightning_sciml.errors import InputError
from lightning_sciml.pde.evolution_equation import EvolutionEquation
from lightning_sciml.pde.grid import Grid

_BLOCK_NUMBERS = 135_000  # on the grid of products: larger blocks leave the cache of 1 MB a core


class Integrator:
    """Advances a block of B samples; holds work arrays and coefficients of the step.

    Args:
        equation: to integrate.
        transform: of B fields, for products of the degree of the equation.
        coefficients: of the equation, for each sample.

    Attributes:
        u_hat: modes of the present state, in the layout of the transform.
    """

    def __init__(
        self,
        equation: EvolutionEquation,
        transform: KeptModes,
        coefficients: Float[np.ndarray, "B c"],
    ) -> None:
        self.equation, self.transform, self.coefficients = equation, transform, coefficients
        shape = (len(equation.state_fields), len(coefficients), *transform.modes_shape)
        self.u_hat = aligned_zeros(shape, transform.complex_dtype)
        if equation.degree > 1:
            self._stages = aligned_zeros((5, *shape), transform.complex_dtype)
            self._term = NonlinearTerm(equation, transform, coefficients)
            symbol = equation.symbol(coefficients, transform.waves)
            self._symbol = transform.fields_first(symbol)
        self._step: float | None = None

    def twin(self) -> Self:
        """Return an integrator of the same samples and present state that shares work arrays."""
        twin = copy(self)
        twin.u_hat, twin._step = aligned_copy(self.u_hat), None
        return twin

    def start(self, initial: Float[np.ndarray, "B F H W"]) -> None:
        """Take the kept modes of these states as the present one."""
        for f, u_hat in enumerate(self.u_hat):
            self.transform.from_states(initial[:, f], u_hat)
        self.transform.make_real(self.u_hat)

    def start_from_modes(self, initial_hat: Complex[np.ndarray, "B F R K"]) -> None:
        """Take modes, in the layout of ``state_modes``, as the present state.

        Raises:
            InputError: the grid does not have them.
        """
        for f, u_hat in enumerate(self.u_hat):
            self.transform.put_modes(initial_hat[:, f], u_hat)
        self.transform.make_real(self.u_hat)

    def write_state(self, out: Float[np.ndarray, "B F H W"]) -> None:
        """Evaluate the present state on its grid."""
        for f, u_hat in enumerate(self.u_hat):
            self.transform.to_states(u_hat, out[:, f])

    def states(
        self, times: Sequence[float], steps_per_interval: int
    ) -> Iterator[Float[np.ndarray, "B F H W"]]:
        """Yield the state at each of the times, in memory that the next one takes.

        The present state is that at the first of them.
        """
        F, B = self.u_hat.shape[:2]
        state = np.empty((B, F, *self.transform.stored_shape), self.transform.real_dtype)
        self.write_state(state)
        yield state
        for start, end in pairwise(times):
            self.go(end - start, steps_per_interval)
            self.write_state(state)
            yield state

    def go(self, time: float, num_steps: int) -> None:
        """Go on from the present state; a linear equation takes one step."""
        if self.equation.degree == 1:
            num_steps = 1
        self.advance(time / num_steps, num_steps)

    def advance(self, step: float, num_steps: int) -> None:
        """Take steps of ETDRK4, or of exp(Lh) where N = 0, from the present state."""
        step = float(f"{step:.12g}")  # 0.3 - 0.2 and 0.2 - 0.1 are one step
        if step != self._step:
            is_linear = self.equation.degree == 1
            self._calls = self._exact_calls(step) if is_linear else self._etdrk4_calls(step)
            self._step = step
        for _ in range(num_steps):
            for call in self._calls:
                call()
        self.transform.make_real(self.u_hat)

    def _exact_calls(self, step: float) -> Calls:
        """List the calls of û ← exp(Lh) û, a matrix over the fields."""
        propagator = self.equation.propagator(self.coefficients, self.transform.waves, step)
        matrix = self.transform.halves(np.moveaxis(propagator, 0, 2))
        if np.isrealobj(matrix):
            matrix = np.repeat(matrix, 2, axis=-1)
        matrix = aligned_copy(matrix, self._dtype(matrix))
        u = self.u_hat.view(matrix.dtype)
        *old, scratch = aligned_zeros((len(u) + 1, *u.shape[1:]), matrix.dtype)
        calls: Calls = list(map(partial(partial, np.copyto), old, u))
        for row, total in zip(matrix, u, strict=True):
            calls.append(partial(np.multiply, row[0], old[0], total))
            for symbol, term in zip(row[1:], old[1:], strict=True):
                calls.append(partial(np.multiply, symbol, term, scratch))
                calls.append(partial(np.add, total, scratch, total))
        return calls

    def _etdrk4_calls(self, step: float) -> Calls:
        """Compute the coefficients of a step; zero in the unused row, so that states are, too."""
        is_real = np.isrealobj(self._symbol)  # multiply real and imaginary parts: half the products
        c = step_coefficients(self._symbol, step, times=2 if is_real else 1)
        is_kept = self.transform.halves(self.transform.is_kept)
        for coefficient in c:
            coefficient *= is_kept
        for of_N in c[2:]:
            of_N *= self._term.scale
        dtype = self._dtype(self._symbol)
        if dtype != c.whole.dtype:
            c = StepCoefficients(*(aligned_copy(values, dtype) for values in c))
        return self._step_calls(c, dtype)

    def _dtype(self, symbol: Shaped[np.ndarray, "..."]) -> np.dtype:
        """Return the type in which modes are multiplied by a symbol."""
        transform = self.transform
        return transform.real_dtype if np.isrealobj(symbol) else transform.complex_dtype

    def _step_calls(self, c: StepCoefficients, dtype: np.dtype) -> Calls:
        """List the calls of one step:

        a = e½ u + s N(u),  b = e½ u + s N(a),  c = e½ a + s (2N(b) - N(u)),
        u ← e u + f₁ N(u) + f₂ (N(a) + N(b)) + f₃ N(c).
        """
        u = self.u_hat.view(dtype)
        stage, a, N0, N1, N2 = self._stages.view(dtype)
        stage_hat, a_hat, *N_hats = self._stages
        arguments = zip(
            (self.u_hat, a_hat, stage_hat, stage_hat), (*N_hats, N_hats[2]), strict=True
        )
        terms = [self._term.calls(*pair) for pair in arguments]
        times, plus, minus = (partial(partial, f) for f in (np.multiply, np.add, np.subtract))
        return [
            *terms[0],  # N0 = N(u)
            times(c.half, u, stage),
            times(c.stage, N0, a),
            plus(a, stage, a),
            *terms[1],  # N1 = N(a)
            times(c.stage, N1, N2),
            plus(stage, N2, stage),  # b
            *terms[2],  # N2 = N(b)
            plus(N1, N2, N1),
            plus(N2, N2, N2),
            minus(N2, N0, N2),
            times(c.stage, N2, N2),
            times(c.half, a, stage),
            plus(stage, N2, stage),  # c
            *terms[3],  # N2 = N(c)
            times(c.whole, u, u),
            times(c.first, N0, N0),
            plus(u, N0, u),
            times(c.middle, N1, N1),
            plus(u, N1, u),
            times(c.last, N2, N2),
            plus(u, N2, u),
        ]


def block_size(equation: EvolutionEquation, grid: Grid) -> int:
    """Count the samples whose work arrays stay in the cache together."""
    num_arrays = equation.num_factors + equation.num_scratch + 2  # of fields, and of transforms
    num_points = math.prod(dealiased_shape(grid, equation.degree))
    return max(1, _BLOCK_NUMBERS // (num_arrays * num_points))


def integrate(
    equation: EvolutionEquation,
    initial: Float[np.ndarray, "B F H W"],
    coefficients: Float[np.ndarray, "B c"],
    times: Sequence[float],
    steps_per_interval: int,
    *,
    lengths: tuple[float, float] = (1.0, 1.0),
    library: str = "numpy",
    num_points: tuple[int, int] | None = None,
    precision: Precision = "float64",
    out: Float[np.ndarray, "B T F H W"] | None = None,
) -> Float[np.ndarray, "B T F H W"]:
    """Integrate from the first of the times to the others, and store every state.

    The bits of a sample do not depend on the samples beside it.

    Args:
        equation: to integrate.
        initial: states at the first time; modes that are not computed are left out.
        coefficients: of the equation, for each sample.
        times: increasing; intervals that differ have steps that differ.
        steps_per_interval: steps of ETDRK4 between stored times; linear equations are exact.
        lengths: sides along y and x.
        library: of Fourier transforms, of ``dealiased_transform.LIBRARIES``.
        num_points: along y and x, of a coarser grid whose modes below Nyquist are computed; by
            default that of the states.
        precision: of all numbers.
        out: array to fill, of any precision.

    Raises:
        InputError: a state is not finite; it names the sample and the time.
    """
    B, F, *shape = initial.shape
    stored = Grid(shape=(shape[0], shape[1]), lengths=lengths)
    grid = replace(stored, shape=num_points or stored.shape)
    if out is None:
        out = np.empty((B, len(times), F, *shape))
    size = block_size(equation, grid)
    with np.errstate(over="ignore", invalid="ignore"):  # told below
        for start in range(0, B, size):
            block = slice(start, min(start + size, B))
            transform = DealiasedTransform(
                grid,
                equation.degree,
                len(initial[block]),
                library,
                stored=stored,
                precision=precision,
            )
            integrator = Integrator(equation, transform, coefficients[block])
            integrator.start(initial[block])
            for t, state in enumerate(integrator.states(times, steps_per_interval)):
                _check_finite(state, start, times[t])
                out[block, t] = state
    return out


def _check_finite(state: Float[np.ndarray, "B F H W"], start: int, time: float) -> None:
    finite = np.isfinite(state).all(axis=(1, 2, 3))
    if not finite.all():
        raise InputError(
            f"sample {start + int(finite.argmin())} is not finite at time {time:g}; take more "
            "steps between stored times, or milder coefficients"
        )
