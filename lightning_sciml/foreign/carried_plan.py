"""The plan of a data set, carried by the files of its export, so that an import takes it back.

No layout of others has a place for all of it: exact lengths and times, what holds at a wall, the
names and the order of fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import h5py
import msgspec

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.foreign_file import ForeignFile
from lightning_sciml.foreign.foreign_set import ForeignSet, Read
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.manifest import Manifest

_PLAN = "lightning_sciml_plan"


def carry_plan(file: h5py.File, manifest: Manifest) -> None:
    """Write the plan as an attribute of the file."""
    file.attrs[_PLAN] = manifest.text


def carries_plan(file: ForeignFile) -> bool:
    """Tell whether a file is an export of ours."""
    return _PLAN in file.root.attrs and file.has_text("/", _PLAN)


def as_planned(found: ForeignSet, file: ForeignFile) -> ForeignSet:
    """Take grid, times, names and equation from the plan that the file carries, if it does.

    Raises:
        InputError: a plan that cannot be read, or of other fields, times or points than the file.
    """
    if not carries_plan(file):
        return found
    remedy = f"export the set again, or remove the attribute {_PLAN}"
    try:
        plan = msgspec.json.decode("".join(file.texts("/", _PLAN)), type=DatasetPlan)
    except (msgspec.DecodeError, ValueError) as error:
        raise InputError(f"{file.path} carries a damaged plan: {error}; {remedy}") from error
    inputs = _named(found.inputs, plan.input_fields)
    targets = _named(found.targets, plan.target_fields)
    numbers = _named(found.coefficients, plan.coefficient_names)
    fits = (found.shape, len(found.times)) == (plan.grid.shape, len(plan.times))
    if not fits or inputs is None or targets is None or numbers is None:
        raise InputError(f"{file.path} carries the plan of another set, {plan.name}; {remedy}")
    return replace(
        found,
        lengths=plan.grid.lengths,
        boundary=plan.grid.boundary,
        times=plan.times,
        inputs=inputs,
        targets=targets,
        coefficients=numbers,
        equation=plan.equation,
        equation_parameters=plan.equation_parameters,
        assumed={},
    )


def _named(reads: Mapping[str, Read], names: Sequence[str]) -> dict[str, Read] | None:
    """Return reads under these names and in their order; None if they are others."""
    if len(reads) != len(names):
        return None
    by_place = dict(zip(names, reads.values(), strict=True))  # the layout has names of its own
    return {name: reads[name] for name in names} if {*names} == {*reads} else by_place
