"""Make the equation that a manifest names."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import msgspec

from lightning_sciml.errors import InputError
from lightning_sciml.pde.darcy import Darcy
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.evolution_equation import EvolutionEquation
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.steady import EQUATIONS, Equation

DARCY = Darcy.name
"""-∇·(a∇u) = f with a field a: it has no symbol."""
EQUATION_NAMES = (*EQUATIONS, *EVOLUTION_EQUATIONS, DARCY)
AnyEquation = Equation | EvolutionEquation | Darcy
T = TypeVar("T")


def named_equation(name: str, parameters: Mapping[str, Any]) -> Equation | None:
    """Make the steady equation of this name; None where no symbol L(k) is known.

    It is unknown for "none", for evolutions, and where coefficients are fields.

    Raises:
        InputError: there is no such equation here, or it does not take these parameters.
    """
    if name in EQUATIONS:
        return _made(EQUATIONS[name], name, parameters)
    if name != "none" and name not in EQUATION_NAMES:
        raise InputError(
            f"an equation must be one of {', '.join(EQUATION_NAMES)} or none, got {name}; update "
            "lightning_sciml, or add it to lightning_sciml/pde"
        )
    return None


def equation_of_channels(
    name: str,
    parameters: Mapping[str, Any],
    *,
    grid: Grid,
    coefficient_names: Sequence[str],
    state_fields: Sequence[str],
    static_fields: Sequence[str],
) -> AnyEquation | None:
    """Make the equation of this name, steady or not, for data with these channels.

    It is None for "none", and for evolutions whose data have walls, or other fields or coefficients
    than the equation, as imported ones may.

    Args:
        name: of the equation.
        parameters: of its constructor.
        grid: of the data.
        coefficient_names: of the data, in order.
        state_fields: of the data, in any order.
        static_fields: inputs that are no states, of evolutions.

    Raises:
        InputError: there is no such equation here, or it does not take these parameters.
    """
    if name == DARCY:
        return Darcy(tuple(coefficient_names))
    if name not in EVOLUTION_EQUATIONS:
        return named_equation(name, parameters)
    equation = named_evolution(name, parameters)
    has_fields = {*equation.state_fields} == {*state_fields} and not static_fields
    has_coefficients = equation.coefficient_names == tuple(coefficient_names)
    return equation if has_fields and has_coefficients and grid.is_periodic else None


def conserved_means(equation: AnyEquation | None) -> tuple[str, ...]:
    """Name the fields whose mean over the grid an equation conserves; none where none is known."""
    return equation.conserved_means if isinstance(equation, EvolutionEquation) else ()


def named_evolution(name: str, parameters: Mapping[str, Any]) -> EvolutionEquation:
    """Make the evolution equation of this name.

    Raises:
        InputError: it does not take these parameters.
    """
    return _made(EVOLUTION_EQUATIONS[name], name, parameters)


def _made(equation: type[T], name: str, parameters: Mapping[str, Any]) -> T:
    known = [field.name for field in fields(equation)]  # type: ignore[arg-type]
    try:
        if not parameters.keys() <= set(known):
            raise InputError(f"it has {', '.join(known) or 'none'}")
        return msgspec.convert(dict(parameters), equation)
    except ValueError as error:  # msgspec's, and those of an equation that rejects a value
        raise InputError(
            f"{name} cannot have the parameters {dict(parameters)}: {error}; generate the set again"
        ) from error
