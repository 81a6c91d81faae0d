"""Evaluate N̂(û) + f̂ of an evolution equation: factors to the grid, products, back to the modes."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from jaxtyping import Complex, Float

from data_gen.aligned_memory import aligned_copy, aligned_zeros
from data_gen.kept_modes import KeptModes
from lightning_sciml.pde.evolution_equation import EvolutionEquation, Symbol

Modes = Complex[np.ndarray, "F B 2 R K"]
Calls = list[Callable[[], object]]


class NonlinearTerm:
    """(N̂(û) + f̂) / scale for a block of B samples, in memory taken once.

    Division by the number of points, and numbers that multiply a product, are left to the scale.

    Args:
        equation: gives factors, products and their combination.
        transform: of the equation's factors for B samples.
        coefficients: of the B samples.

    Attributes:
        scale: of each field and sample.
    """

    scale: Float[np.ndarray, "F B 1 1 1"]

    def __init__(
        self,
        equation: EvolutionEquation,
        transform: KeptModes,
        coefficients: Float[np.ndarray, "B c"],
    ) -> None:
        self._equation, self._transform = equation, transform
        factors, combination = equation.nonlinearity(coefficients, transform.waves)
        B = len(coefficients)
        scale, rest = zip(*(_without_number(row, B) for row in combination), strict=True)
        self._factors, self._combination = map(self._multipliers, (factors, rest))
        self.scale = np.stack(scale)[..., None, None, None] / math.prod(transform.shape)
        real, dtype = transform.real_dtype, transform.complex_dtype
        self._numbers = coefficients.astype(real)
        forcing = equation.forcing(coefficients, transform.all_waves)
        if forcing is not None:
            forcing = transform.fields_first(forcing[..., transform.columns]) / self.scale
            forcing = forcing.astype(dtype)
        self._forcing = forcing
        P = equation.num_factors
        self._fields = aligned_zeros((P + equation.num_scratch, B, *transform.points_shape), real)
        self._hats = aligned_zeros((P, B, *transform.modes_shape), dtype)
        self._scratch = aligned_zeros(transform.modes_shape, dtype)

    def calls(self, u_hat: Modes, out: Modes) -> Calls:
        """List the calls that read `u_hat` and write (N̂ + f̂) / scale to `out`.

        What they write to the unused row has no meaning.
        """
        calls: Calls = []
        for row, factor_hat, field in zip(self._factors, self._hats, self._fields, strict=False):
            if len(row) == 1 and _is(row[0], 1):
                factor_hat = u_hat[0]
            else:
                calls += self._sum(row, u_hat, factor_hat)
            calls.append(partial(self._transform.inverse, factor_hat, field))
        take_products = partial(self._equation.products, self._fields, self._numbers)
        calls.append(take_products)
        products = take_products()  # they always lie in the same places
        is_product = len(products) == len(out) == 1 and _is(self._combination[0][0], 1)
        hats = out if is_product else self._hats[: len(products)]
        for product, product_hat in zip(products, hats, strict=True):
            calls.append(partial(self._transform.forward, product, product_hat))
        if not is_product:
            for row, N_hat in zip(self._combination, out, strict=True):
                calls += self._sum(row, hats, N_hat)
        if self._forcing is not None:
            calls.append(partial(np.add, out, self._forcing, out))
        return calls

    def _sum(
        self, row: Sequence[Symbol], terms: Modes, out: Complex[np.ndarray, "B 2 R K"]
    ) -> Calls:
        """List the calls for Σ symbol · term, sample by sample.

        NumPy multiplies arrays of one shape as they are, and copies what it has to broadcast.
        """
        calls: Calls = []
        for sample, total in enumerate(out):
            target = total
            for symbol, term in zip(row, terms[:, sample], strict=True):
                if _is(symbol, 0):
                    continue
                if isinstance(symbol, np.ndarray) and symbol.ndim == 4:
                    symbol = symbol[sample]
                calls.append(_product(symbol, term, target))
                if target is not total:
                    calls.append(partial(np.add, total, target, total))
                target = self._scratch
        return calls

    def _multipliers(self, rows: Sequence[Sequence[Symbol]]) -> list[list[Symbol]]:
        """Lay symbols out as modes; a real one stands twice, for real and imaginary parts."""

        def multiplier(symbol: Symbol) -> Symbol:
            if isinstance(symbol, float):
                return symbol
            of_modes = self._transform.halves(symbol)
            if np.isrealobj(of_modes):
                return aligned_copy(np.repeat(of_modes, 2, axis=-1), self._transform.real_dtype)
            return aligned_copy(of_modes, self._transform.complex_dtype)

        return [[multiplier(symbol) for symbol in row] for row in rows]


def _product(symbol: Symbol, term: np.ndarray, out: np.ndarray) -> Callable[[], object]:
    """Return the call for symbol · term; of a real symbol on real and imaginary parts."""
    if _is(symbol, 1):
        return partial(np.copyto, out, term)
    if np.iscomplexobj(symbol):
        return partial(np.multiply, symbol, term, out)
    real = term.real.dtype
    return partial(np.multiply, symbol, term.view(real), out.view(real))


def _without_number(
    row: Sequence[Symbol], num_samples: int
) -> tuple[Float[np.ndarray, " B"], Sequence[Symbol]]:
    """Split a row of numbers, of which one is not zero, into it, for each sample, and the rest."""
    if any(np.ndim(symbol) >= 2 for symbol in row):
        return np.ones(num_samples), row
    (number,) = (symbol for symbol in row if not _is(symbol, 0))
    of_samples = np.broadcast_to(np.ravel(number), (num_samples,))
    return of_samples, [0.0 if _is(symbol, 0) else 1.0 for symbol in row]


def _is(symbol: Symbol, number: float) -> bool:
    return isinstance(symbol, float) and symbol == number
