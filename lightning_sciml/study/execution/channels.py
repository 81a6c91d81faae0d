"""Names of what the networks of a study take and predict, before any network is made."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from lightning_sciml.lists import listed
from lightning_sciml.operators.made_inputs import is_made
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.streaming.mixture_member import ChannelNames
from lightning_sciml.streaming.windows import LEAD_TIME, WindowOptions, Windows, windows_of
from lightning_sciml.study.definition.study_parts import Options

ANY_INPUT, ANY_OUTPUT = ("source",), ("solution",)
"""Fields of a network that names none; such an output stands for any single one."""


def windows_in(options: Options, manifest: Manifest) -> Windows:
    """Return the windows of a data set under these options of the data module.

    Raises:
        InputError: they do not fit its trajectories.
    """
    given = {f.name: options[f.name] for f in fields(WindowOptions) if f.name in options}
    return windows_of(manifest, WindowOptions(**given))


def names_of(options: Options, manifest: Manifest) -> ChannelNames:
    """Name what a data set gives under these options of the data module."""
    return ChannelNames.of(manifest, windows_in(options, manifest))


def network_arguments(given: Options, names: ChannelNames) -> dict[str, Any]:
    """Add the names of channels to a network's arguments; fields only where they are not given.

    Those that a network has without being told are left out. The time of a step, which no data set
    has, is a coefficient where it is given; so are coordinates and masks fields beside the data's.
    """
    made = [n for n in listed(given.get("coefficient_names", ())) if n == LEAD_TIME]
    arguments = {**given, "coefficient_names": [*names.coefficients, *made]}
    fields = _input_fields(given, names)
    if fields != ANY_INPUT:
        arguments["input_fields"] = list(fields)
    if len(names.outputs) > 1:
        arguments.setdefault("output_fields", list(names.outputs))
    return arguments


def _input_fields(given: Options, names: ChannelNames) -> tuple[str, ...]:
    """List the fields that are given; where they are no data, behind those of the data."""
    told = listed(given.get("input_fields", ()))
    return (*names.inputs, *told) if all(map(is_made, told)) else tuple(told)


def lacking(given: Options, names: ChannelNames) -> dict[str, list[str]]:
    """List by option the fields of data that a network with these arguments does not have."""
    found = {}
    for option, wanted in (("input_fields", names.inputs), ("output_fields", names.outputs)):
        has = listed(given[option]) if option in given else wanted
        has = _input_fields(given, names) if option == "input_fields" else has
        is_any = option == "output_fields" and tuple(has) == ANY_OUTPUT and len(wanted) == 1
        if not is_any and (new := new_names(wanted, has)):
            found[option] = new
    return found


def new_names(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """List the names that are not known."""
    return [name for name in names if name not in known]
