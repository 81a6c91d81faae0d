"""Choose among the fields, states and coefficients of a file, and name them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.asked import Asked, stored_names
from lightning_sciml.foreign.coordinates import increasing_times
from lightning_sciml.foreign.foreign_set import ForeignSet, Read
from lightning_sciml.foreign.solved_equation import solving
from lightning_sciml.names import name_fault
from lightning_sciml.operators.made_inputs import is_made
from lightning_sciml.shards.schema import SOLUTION


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
    return solving(_on_grid(found, asked), asked.equation, asked.tolerance)


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
    has_meaning = any(map(is_made, everything)) or SOLUTION in names
    if has_meaning or len({*everything}) < len(everything):
        raise InputError(
            f"{origin} has fields and coefficients under the names "
            f"{', '.join(everything)}; all must differ, and none is called x, y (coordinates "
            "of the grid), mask_… (where a field is known), amplitude_… (of a state), or as an "
            "input solution: rename it (in an import by NAME=STORED)"
        )
    for fault in filter(None, map(name_fault, everything)):
        raise InputError(f"{origin}: {fault}; rename it (in an import by NAME=STORED)")
