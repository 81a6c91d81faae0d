"""Choose among the fields, states and coefficients of a file, and name them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.asked import Asked, stored_names
from lightning_sciml.foreign.coordinates import increasing_times
from lightning_sciml.foreign.foreign_set import ForeignSet, Read
from lightning_sciml.names import name_fault
from lightning_sciml.pde.named_equation import named_equation
from lightning_sciml.pde.walls import has_continuation
from lightning_sciml.shards.schema import SOLUTION, SOURCE

_COORDINATES = {"x", "y"}  # a network takes its coordinates by these names
_MASK = "mask_"  # of a field, likewise


def chosen(known: ForeignSet, asked: Asked) -> ForeignSet:
    """Take the fields and coefficients that the user asks for, under the names given to them.

    Raises:
        InputError: a field that is not there, names that cannot be told apart, or times,
            lengths or a boundary that cannot be.
    """
    inputs = stored_names(known.origin, known.inputs, asked.inputs)
    targets = stored_names(known.origin, known.targets, _asked_targets(known, asked))
    steady = {**known.inputs, **known.others, **({} if known.times else known.targets)}
    of_targets = known.targets if known.times else steady
    _check_fields(known, inputs, targets, steady, of_targets)
    numbers = stored_names(known.origin, known.coefficients, asked.coefficients)
    if not {*numbers.values()} <= {*known.coefficients}:
        raise InputError(
            f"{known.origin} has the coefficients {', '.join(known.coefficients) or 'none'}, got "
            f"{', '.join(numbers.values())}; name some of these: --coefficients '[NAME=STORED]'"
        )
    _check_names(known.origin, [*inputs, *numbers], [*targets])
    found = replace(
        known,
        inputs={name: steady[stored] for name, stored in inputs.items()},
        targets={name: of_targets[stored] for name, stored in targets.items()},
        others={},
        coefficients={name: known.coefficients[stored] for name, stored in numbers.items()},
    )
    return _solving(_on_grid(found, asked), asked.equation)


def _asked_targets(known: ForeignSet, asked: Asked) -> Sequence[str] | None:
    if known.times and asked.outputs:
        raise InputError(
            f"{known.origin} has states at {len(known.times)} times, got outputs "
            f"{', '.join(asked.outputs)}; name them by --states"
        )
    if not known.times and asked.states:
        raise InputError(
            f"{known.origin} has no states at several times, got states "
            f"{', '.join(asked.states)}; name them by --outputs"
        )
    return asked.states if known.times else asked.outputs


def _on_grid(known: ForeignSet, asked: Asked) -> ForeignSet:
    """Take times, lengths and the boundary that the user gives."""
    found = known
    if asked.lengths is not None:
        found = replace(found, lengths=(asked.lengths[0], asked.lengths[1]))
    if asked.boundary is not None:
        found = replace(found, boundary=(asked.boundary[0], asked.boundary[1]))
    if isinstance(asked.times, str):
        raise InputError(
            f"{known.origin} needs no name of an array of times, got {asked.times}; leave --times "
            "out, or give numbers"
        )
    if asked.times is not None:
        times = increasing_times(known.origin, asked.times)
        if len(times) != len(known.times):
            raise InputError(
                f"{known.origin} has states at {len(known.times)} times, got {len(times)}; give "
                "as many to --times"
            )
        found = replace(found, times=times)
    _ = found.grid  # or an error
    given = {name for name in known.assumed if getattr(asked, name) is not None}
    assumed = {name: told for name, told in known.assumed.items() if name not in given}
    return replace(found, assumed=assumed)


def _check_fields(
    known: ForeignSet,
    inputs: Mapping[str, str],
    targets: Mapping[str, str],
    steady: Mapping[str, Read],
    of_targets: Mapping[str, Read],
) -> None:
    has_enough = targets and (inputs or known.times)
    are_there = {*inputs.values()} <= {*steady} and {*targets.values()} <= {*of_targets}
    if has_enough and are_there and not {*inputs.values()} & {*targets.values()}:
        return
    names = f"{known.origin} has the fields {list(steady)}"
    got = f"got the inputs {list(inputs.values())}"
    if known.times:
        raise InputError(
            f"{names} that do not change and the states {list(known.targets)}, {got} and the "
            f"states {list(targets.values())}; name some of them: --states '[NAME, …]'"
        )
    raise InputError(
        f"{names}, {got} and the outputs {list(targets.values())}; name one or several inputs, "
        "and other fields as outputs: --inputs '[NAME, …]' --outputs '[NAME, …]'"
    )


def _check_names(origin: Path | str, names: Sequence[str], targets: Sequence[str]) -> None:
    """Reject names that cannot be told apart, or mean something else in a data set."""
    everything = [*names, *targets]
    has_meaning = any(name.startswith(_MASK) for name in everything)
    has_meaning = has_meaning or bool(_COORDINATES & {*everything} or SOLUTION in names)
    if has_meaning or len({*everything}) < len(everything):
        raise InputError(
            f"{origin} has fields and coefficients under the names "
            f"{', '.join(everything)}; all must differ, and none is called x, y (coordinates "
            "of the grid), mask_… (where a field is known), or as an input solution: rename it "
            "(in an import by NAME=STORED)"
        )
    for fault in filter(None, map(name_fault, everything)):
        raise InputError(f"{origin}: {fault}; rename it (in an import by NAME=STORED)")


def _solving(one: ForeignSet, equation: str | None) -> ForeignSet:
    """Take the names of an equation, and its order of the coefficients."""
    parameters = one.equation_parameters if equation in (None, one.equation) else {}
    own = replace(one, equation=equation or one.equation, equation_parameters=parameters)
    known = named_equation(own.equation, own.equation_parameters)
    if known is None:
        return own
    if one.times or len(one.inputs) != 1 or len(one.targets) != 1:
        raise InputError(
            f"{own.equation} has one input, the source, and one output; {one.origin} has "
            f"{list(one.inputs)} and {list(one.targets)}; name one of each, or give "
            "--equation none"
        )
    if {*one.coefficients} != {*known.coefficient_names}:
        raise InputError(
            f"{own.equation} has the coefficients {', '.join(known.coefficient_names)}, "
            f"{one.origin} has {', '.join(one.coefficients) or 'none'}; give them these "
            "names (of an import: --coefficients '[NAME=STORED, …]'), or give equation none"
        )
    grid = own.grid
    is_unit_square = grid.shape[0] == grid.shape[1] and grid.lengths == (1.0, 1.0)
    if not (is_unit_square and has_continuation(grid.boundary)):
        raise InputError(
            f"{own.equation} is solved on N×N points of the unit square, periodic or between "
            f"dirichlet or neumann walls, {one.origin} has {grid}; give --equation none"
        )
    (source,), (solution,) = one.inputs.values(), one.targets.values()
    return replace(
        own,
        inputs={SOURCE: source},
        targets={SOLUTION: solution},
        coefficients={name: one.coefficients[name] for name in known.coefficient_names},
    )
