"""Take the equation that a user names: its fields and coefficients have to be those of the data."""

from collections.abc import Sequence
from dataclasses import replace

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.foreign_set import ForeignSet
from lightning_sciml.pde.darcy import Darcy
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.named_equation import DARCY, named_equation, named_evolution
from lightning_sciml.pde.steady import EQUATIONS
from lightning_sciml.pde.walls import has_continuation
from lightning_sciml.shards.schema import DIFFUSIVITY, SOLUTION, SOURCE


def solving(one: ForeignSet, equation: str | None, tolerance: float | None = None) -> ForeignSet:
    """Take the names of an equation, and its order of the coefficients.

    Raises:
        InputError: the data have other fields, coefficients or walls than the equation, or nothing
            is checked to a tolerance.
    """
    parameters = one.equation_parameters if equation in (None, one.equation) else {}
    own = replace(one, equation=equation or one.equation, equation_parameters=parameters)
    own = replace(own, tolerance=tolerance)
    if tolerance is not None and own.equation not in EQUATIONS:
        raise InputError(
            f"tolerance is that of the check against one of {', '.join(EQUATIONS)}, got the "
            f"equation {own.equation}, which is not checked; leave tolerance out"
        )
    if own.equation == DARCY:
        return _darcy_flow(own)
    if own.equation in EVOLUTION_EQUATIONS:
        return _evolving(own)
    known = named_equation(own.equation, own.equation_parameters)
    if known is None:
        return own
    if one.times or len(one.inputs) != 1 or len(one.targets) != 1:
        raise InputError(
            f"{own.equation} has one input, the source, and one output; {one.origin} has "
            f"{list(one.inputs)} and {list(one.targets)}; name one of each, or give "
            "--equation none"
        )
    grid = own.grid
    own = _with_coefficients(own, known.coefficient_names)
    is_unit_square = grid.shape[0] == grid.shape[1] and grid.lengths == (1.0, 1.0)
    if not (is_unit_square and has_continuation(grid.boundary)):
        raise InputError(
            f"{own.equation} is solved on N×N points of the unit square, periodic or between "
            f"dirichlet or neumann walls, {one.origin} has {grid}; give --equation none"
        )
    (source,), (solution,) = one.inputs.values(), one.targets.values()
    return replace(own, inputs={SOURCE: source}, targets={SOLUTION: solution})


def _darcy_flow(one: ForeignSet) -> ForeignSet:
    """Take data of Darcy flow: a, and f where it differs; numbers tell how these were drawn."""
    if one.times or not Darcy().has_units(one.inputs, one.targets):
        targets = f"{'states' if one.times else 'outputs'} {list(one.targets)}"
        raise InputError(
            f"{DARCY} has the inputs {DIFFUSIVITY} and, where it is no constant, {SOURCE}, and one "
            f"output; {one.origin} has the inputs {list(one.inputs)} and the {targets}; name them "
            f"so (of an import: --inputs {DIFFUSIVITY}=STORED), or give --equation none"
        )
    return one


def _evolving(one: ForeignSet) -> ForeignSet:
    """Take trajectories of an equation; they are not solved again."""
    known = named_evolution(one.equation, one.equation_parameters)
    wanted = ", ".join(known.state_fields)
    if not one.times or one.inputs or {*one.targets} != {*known.state_fields}:
        targets = f"{'states' if one.times else 'outputs'} {list(one.targets)}"
        raise InputError(
            f"{one.equation} has the states {wanted} and no inputs; {one.origin} has the inputs "
            f"{list(one.inputs)} and the {targets}; name them so (of an import: --states "
            "'[NAME=STORED, …]'), or give --equation none"
        )
    own = _with_coefficients(one, known.coefficient_names)
    if not own.grid.is_periodic:
        raise InputError(
            f"{one.equation} is known on periodic rectangles, {one.origin} has {own.grid}; give "
            "--equation none"
        )
    return own


def _with_coefficients(one: ForeignSet, names: Sequence[str]) -> ForeignSet:
    if {*one.coefficients} != {*names}:
        raise InputError(
            f"{one.equation} has the coefficients {', '.join(names) or 'none'}, "
            f"{one.origin} has {', '.join(one.coefficients) or 'none'}; give them these "
            "names (of an import: --coefficients '[NAME=STORED, …]'), or give equation none"
        )
    return replace(one, coefficients={name: one.coefficients[name] for name in names})
